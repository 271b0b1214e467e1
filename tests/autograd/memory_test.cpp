// Graphs of any depth on any stack, and memory that comes back.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/function.hpp"
#include "evenkeel/autograd/graph.hpp"
#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <pthread.h>
#include <stdexcept>
#include <string>

namespace evenkeel {
namespace {

constexpr int kDeep = 1'000'000;

/// Runs `body` on a thread with a stack of 256 kB.
void on_small_stack(const std::function<void()>& body) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  pthread_t thread{};
  const auto start = [](void* argument) -> void* {
    (*static_cast<const std::function<void()>*>(argument))();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, start, const_cast<std::function<void()>*>(&body)) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

Tensor number(double value, bool requires_grad = true) { return tensor(std::vector<double>{value}, {}, requires_grad); }

/// y = x, as cheap as a node can be: values are shared.
Tensor link(const Tensor& x) {
  return record({.name = "link", .inputs = {x}}, x.array(),
                [](const Saved&, const Tensor& dy) -> Grads { return {dy}; });
}

Tensor chain(const Tensor& x, int length) {
  Tensor y = x;
  for (int i = 0; i < length; ++i) {
    y = link(y);
  }
  return y;
}

struct Doubled : autograd::Function<Doubled> {
  static constexpr std::string_view name = "doubled";
  static Tensor forward(autograd::FunctionContext& context, const std::vector<Tensor>& inputs) {
    const Tensor y = inputs[0] * 2.0;
    context.save_for_backward({inputs[0], y});
    return y;
  }
  static Grads backward(autograd::FunctionContext&, const Tensor& dy) { return {dy * 2.0}; }
};

}  // namespace

TEST_CASE("a million ops: forward, backward and destruction on a small stack") {
  const std::int64_t before = live_nodes();
  double gradient = 0;
  on_small_stack([&] {
    const Tensor x = number(1);
    Tensor y = chain(x, kDeep);
    y.backward();
    gradient = x.grad().item();
    y = Tensor();
    y = chain(x, kDeep);  // destroyed without a backward
  });
  CHECK(gradient == 1);
  CHECK(live_nodes() == before);
}

TEST_CASE("real ops in a deep chain with skip connections") {
  const std::int64_t before = live_nodes();
  double gradient = 0;
  on_small_stack([&] {
    const Tensor x = number(1);
    Tensor previous = x;
    Tensor y = x * 1.0;
    for (int i = 0; i < 100'000; ++i) {
      const Tensor next = (y + previous) * 0.5;
      previous = y;
      y = next;
    }
    y.backward({}, true);
    gradient = x.grad().item();
  });
  CHECK(gradient == doctest::Approx(1.0));
  CHECK(live_nodes() == before);
}

TEST_CASE("a deep graph dies while an exception unwinds") {
  const std::int64_t before = live_nodes();
  std::string caught;
  on_small_stack([&] {
    try {
      const Tensor y = chain(number(1), kDeep);
      throw std::runtime_error("unwinding");
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
  });
  CHECK(caught == "unwinding");
  CHECK(live_nodes() == before);
}

TEST_CASE("a deep graph that hangs on a grad, or in a closure, dies as quietly") {
  const std::int64_t before = live_nodes();
  on_small_stack([&] {
    Tensor x = number(1);
    {
      const Tensor g = chain(number(2), kDeep);
      x.set_grad(g);
    }
    x = Tensor();
    Tensor y = number(1);
    for (int i = 0; i < 20'000; ++i) {  // each closure owns the chain before it
      y = record({.name = "capture", .inputs = {number(0)}}, Array::scalar(0.0),
                 [y](const Saved&, const Tensor& dy) -> Grads { return {dy}; });
    }
  });
  CHECK(live_nodes() == before);
}

TEST_CASE("results and leaves whose hooks or grads hold the one before die as quietly") {
  const std::int64_t before = live_nodes();
  const auto token = std::make_shared<int>();
  on_small_stack([&] {
    Tensor result = number(1) * 1.0, other = number(1), with_grad = number(1);
    for (int i = 0; i < 200'000; ++i) {
      const Tensor next = number(1) * 1.0, next_leaf = number(1), next_with_grad = number(1);
      next.register_hook([result, token](const Tensor&) { return result; });
      next_leaf.register_hook([other, token](const Tensor&) { return other; });
      next_with_grad.set_grad(with_grad);
      result = next;
      other = next_leaf;
      with_grad = next_with_grad;
    }
    CHECK(token.use_count() == 1 + 400'000);
  });
  CHECK(token.use_count() == 1);
  CHECK(live_nodes() == before);
}

TEST_CASE("tensors outlive graphs and graphs outlive tensors") {
  const std::int64_t before = live_nodes();
  Tensor y;
  {
    const Tensor x = tensor(std::vector<double>{1, 2, 3}, {3}, true);
    y = sum(exp(x) * x);
  }
  y.backward();  // x is gone for the user, but not for the graph
  const Tensor x = tensor(std::vector<double>{1, 2}, {2}, true);
  {
    const Tensor z = x * x;
    z.backward(ones({2}, {.dtype = DType::float64}));
  }
  CHECK(x.grad().to_vector<double>() == std::vector<double>{2, 4});
  y = Tensor();
  CHECK(live_nodes() == before);
}

TEST_CASE("an op that keeps its own output makes no cycle") {
  const std::int64_t before = live_nodes();
  const std::size_t bytes = memory_stats().in_use;
  {
    const Tensor x = tensor(std::vector<double>{1, 2, 3, 4}, {2, 2}, true);
    const Tensor y = exp(sigmoid(relu(softmax(x, 1))));
    CHECK(live_nodes() == before + 4);
    const std::vector<Tensor> first = grad({sum(y)}, {x}, {}, {.create_graph = true});
    CHECK(live_nodes() > before + 5);
  }
  CHECK(live_nodes() == before);
  {
    const Tensor x = number(2);
    const Tensor y = Doubled::apply({x});
    const Tensor z = Doubled::apply({y});
    CHECK(grad({z}, {x}, {}, {.create_graph = true})[0].item() == 4);
  }
  CHECK(live_nodes() == before);
  CHECK(memory_stats().in_use == bytes);
}

TEST_CASE("in-place ops make no cycle either") {
  const std::int64_t before = live_nodes();
  {
    Tensor x = number(2) * 1.0;
    const Tensor y = Doubled::apply({x});
    add_(x, y);
    mul_(x, x * y);
    relu_(x);
    CHECK(live_nodes() >= before + 6);
  }
  CHECK(live_nodes() == before);
}

TEST_CASE("ten thousand training steps show no growth") {
  Generator generator(3);
  const Tensor w = randn({4, 3}, generator, {.requires_grad = true});
  const Tensor x = randn({5, 4}, generator);
  std::vector<double> losses;
  const std::int64_t nodes = live_nodes();
  std::size_t bytes = 0;
  std::uint64_t system = 0;
  for (int step = 0; step < 10'000; ++step) {
    Tensor parameter = w;
    parameter.zero_grad();
    const Tensor column = reshape(slice(w, 1, 0, 1), {4});
    const Tensor loss = sum(square(tanh(x * column)));
    loss.backward();
    losses.push_back(loss.item());
    if (step == 10) {
      bytes = memory_stats().in_use;
      system = memory_stats().system_allocations;
    }
    if (step > 10 && (memory_stats().in_use != bytes || memory_stats().system_allocations != system)) {
      FAIL("memory grew in step ", step);
    }
  }
  CHECK(live_nodes() == nodes);
  CHECK(losses.size() == 10'000);
}

TEST_CASE("evaluation without recording keeps no activations") {
  const Tensor w = ones({256, 256}, {.requires_grad = true});
  const NoGradGuard guard;
  const std::int64_t nodes = live_nodes();
  Tensor y = w;
  const std::size_t bytes = memory_stats().in_use;
  reset_peak_memory();
  for (int i = 0; i < 20; ++i) {
    y = sigmoid(y);
  }
  CHECK(live_nodes() == nodes);
  CHECK(memory_stats().peak <= bytes + 2 * 256 * 256 * sizeof(float));
}

TEST_CASE("backward frees kept values as it goes") {
  const std::size_t block = 256 * 256 * sizeof(float);
  const Tensor x = ones({256, 256}, {.requires_grad = true});
  const std::size_t bytes = memory_stats().in_use;
  Tensor y = x;
  for (int i = 0; i < 20; ++i) {
    y = sigmoid(y);
  }
  Tensor loss = sum(y);
  y = Tensor();
  const std::size_t forward = memory_stats().in_use;
  CHECK(forward >= bytes + 20 * block);
  reset_peak_memory();
  std::size_t at_the_end = 0;
  Tensor handle = x;
  handle.register_hook([&](const Tensor&) {
    at_the_end = memory_stats().in_use;
    return Tensor();
  });
  loss.backward();
  CHECK(memory_stats().peak <= forward + 3 * block);
  CHECK(at_the_end <= bytes + 2 * block);  // all kept values are gone, though `loss` lives
}

TEST_CASE("an exception in forward or backward leaks nothing") {
  const std::int64_t nodes = live_nodes();
  const std::size_t bytes = memory_stats().in_use;
  for (int i = 0; i < 10; ++i) {
    const Tensor x = ones({8, 8}, {.requires_grad = true});
    CHECK_THROWS(exp(x) * ones({3, 5}));
    const Tensor bad = record({.name = "bad", .inputs = {exp(x)}, .keep = Keep::input(0)}, x.array().clone(),
                              [](const Saved&, const Tensor&) -> Grads { throw std::runtime_error("bad"); });
    CHECK_THROWS(sum(bad * bad).backward());
  }
  CHECK(live_nodes() == nodes);
  CHECK(memory_stats().in_use == bytes);
}

TEST_CASE("an activation's gradient is written over dy where nobody else needs it") {
  const std::size_t block = 256 * 256 * sizeof(float);
  const Tensor x = ones({256, 256}, {.requires_grad = true});
  Tensor y = x;
  for (int i = 0; i < 4; ++i) {
    y = relu(y);
  }
  const Tensor loss =
      record({.name = "sum", .inputs = {y}}, Array::zeros({}), [](const Saved&, const Tensor&) -> Grads {
        return {full({256, 256}, 3)};
      });
  y = Tensor();
  reset_peak_memory();
  const std::size_t forward = memory_stats().in_use;
  loss.backward();
  CHECK(memory_stats().peak < forward + 2 * block);  // dy once; the second block would be dx
  CHECK(x.grad().to_vector<float>() == std::vector<float>(256 * 256, 3.0F));
}

TEST_CASE("a gradient that somebody holds is not written over") {
  const std::vector<float> values = {1, -2, 3, -4, 5};
  const Tensor x = tensor(values, {5}, true);
  const Tensor dy = full({5}, 7);
  relu(x).backward(dy);
  CHECK(dy.to_vector<float>() == std::vector<float>(5, 7.0F));
  CHECK(x.grad().to_vector<float>() == std::vector<float>{7, 0, 7, 0, 7});

  Tensor middle = x * 1.0;
  Tensor y = relu(middle);
  y.retain_grad();
  Tensor hooked;
  middle.register_hook([&](const Tensor& grad) {
    hooked = grad;
    return Tensor();
  });
  const Tensor squared = sigmoid(y);
  reshape(squared, {1, 5}).backward(full({1, 5}, 4));
  const std::vector<float> after = y.grad().to_vector<float>();
  CHECK(after[1] == 1.0F);  // 4 sigmoid'(0), where relu lets nothing pass
  CHECK(hooked.to_vector<float>()[1] == 0.0F);
  CHECK(hooked.to_vector<float>()[0] == after[0]);

  const std::vector<Tensor> both = grad({relu(x)}, {x, x}, {dy});
  CHECK(both[0].to_vector<float>() == both[1].to_vector<float>());
  const Tensor wide = Tensor(Array::full({1}, 2).expand({5}));  // all elements in one place
  Tensor z = relu(x);
  z.backward(wide);
  CHECK(wide.to_vector<float>() == std::vector<float>(5, 2.0F));
}

}  // namespace evenkeel
