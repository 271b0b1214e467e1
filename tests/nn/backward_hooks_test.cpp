// Hooks before a module's forward and around its backward: what they see, what they change, what is refused.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "tests/support/values.hpp"

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using test::check_close;
using test::doubles;
using test::random;

namespace {

using Tensors = std::vector<Tensor>;

/// A Linear(3, 2) in float64, the same each time.
std::unique_ptr<Linear> make_linear() {
  Generator generator(3);
  auto layer = std::make_unique<Linear>(3, 2, generator);
  layer->to(DType::float64);
  return layer;
}

Tensor leaf(const Shape& shape, unsigned seed) { return Tensor(random(shape, seed).array(), true); }

/// Several arguments and results.
struct Mixed : Module {
  std::pair<Tensor, Tensors> forward(const Tensor& x, const Tensors& more, int factor) {
    return {x * factor + more.at(0), {x * more.at(1), square(x)}};
  }
};

struct Overwriting : Layer {
  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    return relu_(y);
  }
};

struct Borrowed : Module {
  const Tensor& forward(const Tensor& x) { return kept = x; }
  Tensor kept;
};

}  // namespace

TEST_CASE("a backward hook gets the gradients of inputs and outputs, once per backward") {
  const auto layer = make_linear();
  const Tensor x = leaf({4, 3}, 1), dy = random({4, 2}, 2);
  std::vector<Tensors> seen;
  const std::size_t id =
      layer->register_full_backward_hook([&](const Module& module, const Tensors& in, const Tensors& out) {
        CHECK(&module == layer.get());
        seen.push_back({in.at(0), out.at(0)});
      });
  Tensor y = (*layer)(x);
  CHECK(seen.empty());
  y.backward(dy, true);
  REQUIRE(seen.size() == 1);
  CHECK(doubles(seen[0][1]) == doubles(dy));
  CHECK(doubles(seen[0][0]) == doubles(x.grad()));
  const auto plain = make_linear();
  const Tensor z(x.array(), true);
  (*plain)(z).backward(dy);
  CHECK(doubles(z.grad()) == doubles(x.grad()));
  CHECK(doubles(plain->weight.grad()) == doubles(layer->weight.grad()));

  y.backward(dy);
  CHECK(seen.size() == 2);
  y = (*layer)(x);
  layer->remove_hook(id);  // this call's hooks stay
  CHECK(!layer->has_hooks());
  y.backward(dy);
  CHECK(seen.size() == 3);
  (*layer)(x).backward(dy);
  CHECK(seen.size() == 3);
}

TEST_CASE("what hooks return takes the gradients' place, in order of registration") {
  const auto plain = make_linear(), layer = make_linear();
  const Tensor x = leaf({4, 3}, 1), z(x.array(), true), dy = random({4, 2}, 2);
  (*plain)(z).backward(dy);
  SUBCASE("of the inputs: parameters are as before") {
    for (const double factor : {2.0, -3.0}) {
      layer->register_full_backward_hook(
          [=](const Module&, const Tensors& in, const Tensors&) { return Tensors{in[0] * factor}; });
    }
    (*layer)(x).backward(dy);
    check_close(x.grad(), z.grad() * -6, 1e-15);
    CHECK(doubles(layer->weight.grad()) == doubles(plain->weight.grad()));
  }
  SUBCASE("of the outputs: everything in front of it sees the new ones, hooks of the inputs too") {
    layer->register_full_backward_hook(
        [&](const Module&, const Tensors&, const Tensors& out) { CHECK(doubles(out[0]) == doubles(dy * 4)); });
    layer->register_full_backward_pre_hook([](const Module&, const Tensors& out) { return Tensors{out[0] * 4}; });
    (*layer)(x).backward(dy);
    check_close(x.grad(), z.grad() * 4, 1e-15);
    check_close(layer->weight.grad(), plain->weight.grad() * 4, 1e-15);
  }
}

TEST_CASE("a forward pre-hook may replace the inputs") {
  const auto layer = make_linear();
  const Tensor x = leaf({4, 3}, 1), expected = (*layer)(x * 2);
  const std::size_t looking = layer->register_forward_pre_hook([&](const Module&, const Tensors& in) {
    CHECK(in.size() == 1);
    CHECK(in[0].is(x));
  });
  layer->register_forward_pre_hook([](const Module&, const Tensors& in) { return Tensors{in[0] * 2}; });
  layer->register_forward_hook(
      [&](const Module&, const Tensors& in, const Tensors&) { CHECK(doubles(in[0]) == doubles(x * 2)); });
  CHECK(doubles((*layer)(x)) == doubles(expected));
  layer->remove_hook(looking);
  layer->register_forward_pre_hook([](const Module&, const Tensors&) { return Tensors(2); });
  CHECK_THROWS_WITH((*layer)(x), "Linear: a forward pre-hook must return 1 tensors or none, got 2");
}

TEST_CASE("arguments and results in vectors and pairs; undefined for what has no gradient") {
  Mixed module;
  const Tensor x = leaf({2, 3}, 1), a = leaf({3}, 2), constant = random({3}, 3);
  Tensors inputs, outputs;
  module.register_full_backward_hook([&](const Module&, const Tensors& in, const Tensors& out) {
    inputs = in;
    outputs = out;
    return Tensors{in[0] * 10, in[1], in[2]};
  });
  const auto [first, others] = call(module, x, Tensors{a, constant}, 3);
  CHECK(others.size() == 2);
  sum(first + others[0]).backward();
  REQUIRE(inputs.size() == 3);
  REQUIRE(outputs.size() == 3);
  CHECK(inputs[1].shape() == Shape{3});
  CHECK(!inputs[2].defined());
  CHECK(outputs[1].defined());
  CHECK(!outputs[2].defined());
  check_close(x.grad(), expand((constant + 3) * 10, {2, 3}), 1e-15);
  CHECK(doubles(a.grad()) == std::vector<double>{2, 2, 2});

  const NoGradGuard guard;
  inputs.clear();
  CHECK(!std::get<0>(call(module, x, Tensors{a, constant}, 3)).requires_grad());
  CHECK(inputs.empty());
}

TEST_CASE("where no input requires a gradient, hooks run with undefined ones and must not return any") {
  const auto layer = make_linear();
  int calls = 0;
  layer->register_full_backward_hook([&](const Module&, const Tensors& in, const Tensors& out) {
    ++calls;
    CHECK(in.size() == 1);
    CHECK(!in[0].defined());
    CHECK(out[0].defined());
  });
  const Tensor x = random({4, 3}, 1);
  sum((*layer)(x)).backward();
  CHECK(calls == 1);
  CHECK(layer->weight.grad().defined());
  layer->register_full_backward_hook([](const Module&, const Tensors&, const Tensors& out) { return out; });
  const Tensor y = (*layer)(x);
  CHECK_THROWS_WITH(sum(y).backward(), Contains("Linear: Backward hook for Modules where no input requires gradient"));
}

TEST_CASE("lists of another length, and a module that is gone, are errors") {
  auto layer = make_linear();
  const Tensor x = leaf({4, 3}, 1);
  layer->register_full_backward_hook([](const Module&, const Tensors&, const Tensors&) { return Tensors(2); });
  CHECK_THROWS_WITH(sum((*layer)(x)).backward(),
                    "Linear: Backward hook returned an invalid number of grad_input, got 2, but expected 1");
  layer->register_full_backward_pre_hook([](const Module&, const Tensors&) { return Tensors(3); });
  CHECK_THROWS_WITH(sum((*layer)(x)).backward(),
                    "Linear: Backward pre hook returned an invalid number of grad_output, got 3, but expected 1");
  CHECK(!x.grad().defined());
  const Tensor y = (*layer)(x);
  layer.reset();
  CHECK_THROWS_WITH(sum(y).backward(), Contains("a module with backward hooks was destroyed"));

  Borrowed borrowed;
  const Tensor& same = call(borrowed, x);
  CHECK(&same == &borrowed.kept);
  borrowed.register_full_backward_hook([](const Module&, const Tensors&, const Tensors&) {});
  CHECK_THROWS_WITH(call(borrowed, x), "Borrowed: these hooks need a forward that returns its result by value");
}

TEST_CASE("inside a network: each layer's own gradients, fused or in place or not") {
  Generator generator(1);
  Sequential net;
  net.append<Conv2d>(2, 4, generator, Conv2dOptions{.kernel_size = 3})
      .append<BatchNorm2d>(4)
      .append<ReLU>(ActivationOptions{.inplace = true})
      .append<Conv2d>(4, 2, generator, Conv2dOptions{.kernel_size = 2});
  net.to(DType::float64);
  const Tensor x = leaf({2, 2, 5, 6}, 1);
  const auto run = [&] {
    net.zero_grad();
    x.zero_grad();
    sum(square(net(x))).backward();
    std::vector<std::vector<double>> grads = {doubles(x.grad())};
    for (const Tensor& parameter : net.parameters()) {
      grads.push_back(doubles(parameter.grad()));
    }
    return grads;
  };
  const auto expected = run();
  std::string order;
  Tensors between;
  for (const std::int64_t i : {0, 1, 3}) {
    net[i]->register_full_backward_hook([&, i](const Module&, const Tensors& in, const Tensors& out) {
      order += std::to_string(i);
      between.push_back(in[0]);
      between.push_back(out[0]);
    });
  }
  CHECK(run() == expected);
  CHECK(order == "310");
  CHECK(doubles(between[3]) != doubles(between[0]));  // the ReLU's gradient lies between
  CHECK(doubles(between[5]) == doubles(between[2]));
  CHECK(doubles(between[4]) == expected[0]);

  // A layer that could overwrite its input leaves one that others see alone; a change in place by hand is refused.
  net[2]->register_full_backward_hook([&](const Module&, const Tensors&, const Tensors&) { order += "2"; });
  CHECK(run() == expected);
  CHECK(order == "3103210");
  net[2].replace(std::make_unique<Overwriting>());
  net[2]->register_full_backward_hook([](const Module&, const Tensors&, const Tensors&) {});
  CHECK_THROWS_WITH(net(x), Contains("Overwriting (2): relu_: the target is a view made by 'backward_hook'"));
}

TEST_CASE("grad() of parameters alone does not reach the inputs; second derivatives go through the hooks") {
  const auto layer = make_linear();
  int calls = 0;
  layer->register_full_backward_hook([&](const Module&, const Tensors& in, const Tensors&) {
    ++calls;
    return Tensors{in[0] * 2};
  });
  const Tensor x = leaf({4, 3}, 1);
  grad({sum(square((*layer)(x)))}, {layer->weight});
  CHECK(calls == 0);
  const Tensor dx = grad({sum(square((*layer)(x)))}, {x}, {}, {.create_graph = true})[0];
  CHECK(calls == 1);
  sum(dx).backward();  // d/dx of 4 W^T (W x + b), summed: 4 W^T W 1, doubled once more on its way to x
  const Tensor w = layer->weight.detach();
  check_close(x.grad(), expand(sum(matmul(transpose(w, 0, 1), w), {0}) * 8, {4, 3}), 1e-14);
}
