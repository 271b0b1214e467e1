#include "evenkeel/autograd/engine.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/elementwise.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

namespace evenkeel {
namespace {

using doctest::Contains;
using Values = std::vector<double>;

Tensor leaf(const Values& values, const Shape& shape) { return tensor(values, shape, true); }
Tensor constant(const Values& values, const Shape& shape) { return tensor(values, shape); }
Tensor number(double value) { return leaf({value}, {}); }
Values values_of(const Tensor& x) { return x.to_vector<double>(); }

/// An op y = x whose backward is `backward`.
Tensor with_backward(const Tensor& x, Backward backward, std::string_view name = "probe") {
  return record({.name = name, .inputs = {x}, .keep = Keep::input(0)}, x.array().clone(), std::move(backward));
}

}  // namespace

TEST_CASE("a shared result gets the sum of its consumers' gradients, in one visit") {
  int visits = 0;
  const Tensor x = leaf({1, 2, 3}, {3});
  const Tensor shared = with_backward(x, [&](const Saved&, const Tensor& dy) -> Grads {
    ++visits;
    return {dy};
  });
  sum(x * shared + shared + exp(shared)).backward();
  CHECK(visits == 1);
  const Values grad = values_of(x.grad());
  for (std::size_t i = 0; i < 3; ++i) {
    const double v = static_cast<double>(i + 1);  // d/dx (x s + s + e^s) = 2x + 1 + e^x for s = x
    CHECK(grad[i] == doctest::Approx(2 * v + 1 + std::exp(v)).epsilon(1e-14));
  }
}

TEST_CASE("a tensor that stands twice in one op gets both gradients") {
  const Tensor x = leaf({3, -2}, {2});
  sum(x * x).backward();
  CHECK(values_of(x.grad()) == Values{6, -4});
}

TEST_CASE("sixty doublings are sixty visits") {
  const Tensor x = number(1);
  Tensor y = x;
  for (int i = 0; i < 60; ++i) {
    y = y + y;
  }
  y.backward();
  CHECK(x.grad().item() == std::ldexp(1.0, 60));
}

TEST_CASE("a long chain of skip connections takes linear time") {
  const Tensor x = number(1);
  Tensor before = x;
  Tensor y = x * 1.0;
  for (int i = 0; i < 5000; ++i) {
    Tensor next = (y + before) * 0.5;
    before = y;
    y = next;
  }
  y.backward();
  CHECK(x.grad().item() == doctest::Approx(1.0));
}

TEST_CASE("gradients accumulate over calls until zero_grad") {
  const Tensor x = leaf({1, -1}, {2});
  for (int i = 1; i <= 3; ++i) {
    sum(x * 2.0).backward();
    CHECK(values_of(x.grad()) == Values{2.0 * i, 2.0 * i});
  }
  Tensor handle = x;
  handle.zero_grad(false);
  CHECK(values_of(x.grad()) == Values{0, 0});
  handle.zero_grad();
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("a second backward needs retain_graph") {
  const Tensor x = leaf({2, 3}, {2});
  const Tensor y = sum(x * x);
  y.backward({}, true);
  y.backward();
  CHECK(values_of(x.grad()) == Values{8, 12});
  CHECK_THROWS_WITH_AS(
      y.backward(),
      "backward: the graph of 'sum' was already freed; call backward(..., retain_graph=true) the first time",
      StateError);
  const Tensor middle = x * x;
  sum(middle).backward();
  CHECK_THROWS_WITH(sum(middle * 2.0).backward(), Contains("the graph of 'mul' was already freed"));
  CHECK(values_of(x.grad()) == Values{12, 18});
}

TEST_CASE("where backward starts is checked") {
  const Tensor x = leaf({1, 2, 3, 4, 5, 6}, {2, 3});
  const Tensor y = x * x;
  CHECK_THROWS_WITH(y.backward(),
                    "backward: grad can be implicitly created only for scalar outputs; output 0 (of 'mul') "
                    "has shape [2, 3]");
  CHECK_THROWS_WITH(y.backward(constant({1, 2, 3}, {3})),
                    "backward: Mismatch in shape: grad_output[0] has a shape of [3] and output[0] (of 'mul') has a "
                    "shape of [2, 3]");
  CHECK_THROWS_WITH(y.backward(ones({2, 3})), Contains("grad_output[0] has dtype float32"));
  CHECK_THROWS_WITH(constant({1}, {}).backward(), Contains("element 0 of tensors does not require grad"));
  CHECK_THROWS_WITH(backward({}), Contains("no tensors"));
  CHECK_THROWS_WITH(backward({y}, {y, y}), Contains("got 1 tensors and 2 gradients"));
  CHECK_THROWS_WITH(backward({Tensor()}), Contains("is undefined"));
  CHECK_FALSE(x.grad().defined());
  y.backward(constant({1, 0, 0, 0, 0, -1}, {2, 3}));
  CHECK(values_of(x.grad()) == Values{2, 0, 0, 0, 0, -12});
}

TEST_CASE("several outputs, one of them inside another's graph and one twice") {
  const Tensor x = number(3);
  const Tensor y = x * x;
  const Tensor z = y * 2.0;
  backward({y, z, y});
  CHECK(x.grad().item() == (1 + 2 + 1) * 6);
}

TEST_CASE("a leaf can be the output itself, with a one-element shape") {
  const Tensor x = leaf({5}, {1, 1});
  x.backward();
  CHECK(values_of(x.grad()) == Values{1});
  CHECK(x.grad().shape() == Shape{1, 1});
}

TEST_CASE("gradients are reduced to the shapes that were stretched") {
  const Tensor a = leaf({1, 2, 3}, {3, 1});
  const Tensor b = leaf({10, 20}, {2});
  const Tensor c = number(2);
  const Tensor w = constant({1, 2, 3, 4, 5, 6}, {3, 2});
  sum((a * b + c) * w).backward();
  CHECK(values_of(a.grad()) == Values{50, 110, 170});  // sum_j b_j w_ij
  CHECK(a.grad().shape() == Shape{3, 1});
  CHECK(values_of(b.grad()) == Values{22, 28});  // sum_i a_i w_ij
  CHECK(c.grad().item() == 21);
}

TEST_CASE("what an op's backward returns is checked") {
  const Tensor x = leaf({1, 2, 3, 4}, {4});
  const auto run = [&](Backward formula) { sum(with_backward(x, std::move(formula))).backward(); };
  CHECK_THROWS_WITH(run([](const Saved&, const Tensor&) -> Grads {
                      return {constant({1, 2, 3}, {3})};
                    }),
                    "backward: backward of 'probe' returned an invalid gradient at index 0 - got [3] but expected "
                    "shape compatible with [4]");
  CHECK_THROWS_WITH(run([](const Saved&, const Tensor&) -> Grads { return {constant({1}, {})}; }),
                    Contains("got [] but expected shape compatible with [4]"));
  CHECK_THROWS_WITH(
      run([](const Saved&, const Tensor&) -> Grads { return {ones({4})}; }),
      Contains("'probe' returned an invalid gradient at index 0 - got dtype float32 but expected float64"));
  CHECK_THROWS_WITH(run([](const Saved&, const Tensor& dy) -> Grads {
                      return {dy, dy};
                    }),
                    Contains("backward of 'probe' gave 2 gradients, expected one for each of its 1 inputs"));
  CHECK_THROWS_WITH(run([](const Saved& saved, const Tensor& dy) -> Grads { return {dy * saved.output()}; }),
                    Contains("'probe' did not keep its output 0"));
  CHECK_THROWS_WITH(run([](const Saved& saved, const Tensor& dy) -> Grads { return {dy * saved.input(1)}; }),
                    Contains("'probe' has 1 inputs, no input 1"));
  CHECK_FALSE(x.grad().defined());
  run([](const Saved&, const Tensor&) -> Grads { return {Tensor()}; });
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("a branch that the loss does not use is not computed") {
  const Tensor x = leaf({1, 2}, {2});
  const Tensor unused = leaf({1, 2}, {2});
  bool visited = false;
  const Tensor side = with_backward(unused, [&](const Saved&, const Tensor& dy) -> Grads {
    visited = true;
    return {dy};
  });
  sum(x * 3.0).backward();
  CHECK_FALSE(visited);
  CHECK_FALSE(unused.grad().defined());
  CHECK(side.requires_grad());
}

TEST_CASE("only wanted gradients are asked for") {
  for (int frozen = 0; frozen < 2; ++frozen) {
    Tensor a = leaf({1, 2}, {2});
    Tensor b = leaf({3, 4}, {2});
    (frozen == 0 ? a : b).requires_grad_(false);
    std::vector<bool> asked;
    const Tensor y = record({.name = "pair", .inputs = {a, b, Tensor()}}, a.array().clone(),
                            [&](const Saved& saved, const Tensor& dy) -> Grads {
                              asked = {saved.needs(0), saved.needs(1), saved.needs(2)};
                              return {dy, dy, {}};
                            });
    sum(y).backward();
    CHECK(asked == std::vector<bool>{frozen != 0, frozen != 1, false});
    CHECK(a.grad().defined() == (frozen != 0));
    CHECK(b.grad().defined() == (frozen != 1));
  }
}

TEST_CASE("grad() gives gradients of leaves and results without touching grad()") {
  const Tensor x = leaf({1, 2}, {2});
  const Tensor w = leaf({3, 5}, {2});
  const Tensor y = x * w;
  bool below = false;
  const Tensor z = sum(y * y);
  Tensor watched = x;
  watched.register_hook([&](const Tensor&) {
    below = true;
    return Tensor();
  });
  const std::vector<Tensor> grads = grad({z}, {y, w, y}, {}, {.retain_graph = true});
  CHECK(values_of(grads[0]) == Values{6, 20});
  CHECK(values_of(grads[1]) == Values{6, 40});
  CHECK(values_of(grads[2]) == Values{6, 20});
  CHECK_FALSE(grads[0].array().shares_storage(grads[2].array()));
  CHECK_FALSE(below);
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(w.grad().defined());
  CHECK(values_of(grad({z}, {z})[0]) == Values{1});
}

TEST_CASE("grad() runs only what lies between outputs and inputs") {
  int visits = 0;
  const auto count = [&](const Saved&, const Tensor& dy) -> Grads {
    ++visits;
    return {dy};
  };
  std::vector<bool> asked;
  const Tensor a = number(1), b = number(2);
  const Tensor below_a = with_backward(a, count), below_b = with_backward(b, count);
  const Tensor y = record({.name = "pair", .inputs = {below_a, below_b}}, Array::scalar(0.0),
                          [&](const Saved& saved, const Tensor& dy) -> Grads {
                            asked = {saved.needs(0), saved.needs(1)};
                            return {saved.needs(0) ? dy : Tensor(), saved.needs(1) ? dy : Tensor()};
                          });
  CHECK(grad({y}, {b}, {}, {.retain_graph = true})[0].item() == 1);
  CHECK(visits == 1);
  CHECK(asked == std::vector<bool>{false, true});
  y.backward();
  CHECK(visits == 3);
  CHECK(asked == std::vector<bool>{true, true});
}

TEST_CASE("grad() of an unused input is an error or undefined") {
  const Tensor x = number(1), other = number(2);
  const Tensor y = x * x;
  CHECK_THROWS_WITH(grad({y}, {x, other}, {}, {.retain_graph = true}),
                    "grad: One of the differentiated Tensors appears to not have been used in the graph: input 1. Set "
                    "allow_unused=true if this is the desired behavior");
  const std::vector<Tensor> grads = grad({y}, {other, x}, {}, {.allow_unused = true});
  CHECK_FALSE(grads[0].defined());
  CHECK(grads[1].item() == 2);
  CHECK_THROWS_WITH(grad({x * x}, {constant({1}, {})}),
                    Contains("One of the differentiated Tensors does not require grad"));
  CHECK_THROWS_WITH(grad({x * x}, {}), "grad: there are no inputs");
}

TEST_CASE("grads alias neither each other nor the user's gradient") {
  const Tensor a = leaf({1, 2}, {2}), b = leaf({3, 4}, {2});
  Tensor upstream = constant({5, 6}, {2});
  (a + b).backward(upstream);
  CHECK_FALSE(a.grad().array().shares_storage(b.grad().array()));
  CHECK_FALSE(a.grad().array().shares_storage(upstream.array()));
  CHECK_FALSE(b.grad().array().shares_storage(upstream.array()));
  upstream.mutable_array().fill_(100);
  CHECK(values_of(a.grad()) == Values{5, 6});
  // A grad that the user keeps, or set, stays as it is.
  const Tensor kept = a.grad();
  sum(a).backward();
  CHECK(values_of(kept) == Values{5, 6});
  CHECK(values_of(a.grad()) == Values{6, 7});
  CHECK(a.grad().array().is_contiguous());
}

TEST_CASE("a weight that is used three times gets the sum") {
  const Tensor w = number(2), x = constant({1.5}, {});
  (w * (w * (w * x))).backward();
  CHECK(w.grad().item() == 3 * 4 * 1.5);
}

TEST_CASE("detached values count, but no gradient flows through them") {
  const Tensor x = number(3);
  (x * (x * x).detach()).backward();
  CHECK(x.grad().item() == 9);
}

TEST_CASE("two runs are equal bit for bit, a zero gradient gives exactly zero") {
  Generator generator(7);
  const Tensor x = randn({5, 3}, generator, {.requires_grad = true});
  const Tensor w = randn({3}, generator, {.requires_grad = true});
  const auto run = [&](double scale) {
    const Tensor y = tanh(x * w) + exp(x) * sigmoid(x * x);
    return grad({y}, {x, w}, {full(y.shape(), scale)});
  };
  const std::vector<Tensor> first = run(0.37), second = run(0.37), zero = run(0);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(first[i].to_vector<float>() == second[i].to_vector<float>());
    CHECK(zero[i].to_vector<float>() == std::vector<float>(static_cast<std::size_t>(zero[i].numel()), 0.0F));
  }
}

TEST_CASE("an op with several outputs gets one gradient per output, undefined where unused") {
  const Tensor x = leaf({1, 2, 3}, {3});
  std::vector<bool> defined;
  const auto halves = [&] {
    return record({.name = "split", .inputs = {x}, .keep = Keep::output(1)},
                  {x.array().clone(), x.array().clone(), Array::from(std::vector<std::int64_t>{1}, {1})},
                  [&](const Saved& saved, const std::vector<Tensor>& dy) -> Grads {
                    defined = {dy[0].defined(), dy[1].defined(), dy[2].defined()};
                    return {dy[0].defined() ? dy[0] : dy[1] * saved.output(1)};
                  });
  };
  std::vector<Tensor> y = halves();
  CHECK_FALSE(y[2].requires_grad());
  sum(y[1]).backward();
  CHECK(defined == std::vector<bool>{false, true, false});
  CHECK(values_of(x.grad()) == Values{1, 2, 3});
  y = halves();
  sum(y[0] * 2.0 + y[1]).backward();
  CHECK(defined == std::vector<bool>{true, true, false});
  CHECK(values_of(x.grad()) == Values{3, 4, 5});
}

TEST_CASE("an op takes more inputs than a node holds in place, and than there are bits") {
  std::vector<Tensor> inputs;
  for (int i = 0; i < 100; ++i) {
    inputs.push_back(number(i));
  }
  const Tensor y = stack(inputs);
  const Tensor w = arange(0, 100, 1, {.dtype = DType::float64});
  sum(y * w).backward({}, true);
  CHECK(inputs[2].grad().item() == 2);
  CHECK(inputs[63].grad().item() == 63);
  CHECK(inputs[99].grad().item() == 99);
  CHECK(grad({sum(y * w)}, {inputs[80]})[0].item() == 80);
}

TEST_CASE("a kept output is not mistaken for a far input") {
  const std::vector<Tensor> inputs(40, number(3));
  const Tensor y = record({.name = "wide", .inputs = inputs, .keep = Keep::output()}, Array::scalar(7.0),
                          [](const Saved& saved, const Tensor& dy) -> Grads {
                            CHECK_THROWS_WITH(saved.input(32), Contains("'wide' did not keep its input 32"));
                            return Grads(40, dy * saved.output());
                          });
  y.backward();
  CHECK(inputs[0].grad().item() == 280);
}

TEST_CASE("hooks see and replace the gradient, in order, and can be removed") {
  const Tensor x = number(2);
  Tensor y = x * 3.0;
  Values seen;
  const auto note = [&](const Tensor& grad) {
    seen.push_back(grad.item());
    return Tensor();
  };
  y.register_hook([](const Tensor& grad) { return grad * 10.0; });
  const std::size_t id = y.register_hook(note);
  Tensor handle = x;
  handle.register_hook(note);
  y.backward({}, true);
  CHECK(seen == Values{10, 30});
  CHECK(x.grad().item() == 30);
  y.remove_hook(id);
  y.backward();
  CHECK(seen == Values{10, 30, 30});
  Tensor z = x * 1.0;
  z.register_hook([](const Tensor&) { return ones({3}, {.dtype = DType::float64}); });
  CHECK_THROWS_WITH(z.backward(), Contains("a hook on the result of 'mul' returned shape [3]"));
  CHECK(x.grad().item() == 60);
  CHECK_THROWS_WITH(constant({1}, {}).detach().register_hook(note), Contains("doesn't require gradient"));
}

TEST_CASE("retain_grad keeps and adds the gradients of results") {
  const Tensor x = number(2);
  Tensor y = x * 3.0;
  y.retain_grad();
  const Tensor z = y * y;
  z.backward({}, true);
  CHECK(y.grad().item() == 12);
  z.backward();
  CHECK(y.grad().item() == 24);
  CHECK(x.grad().item() == 72);
  CHECK_FALSE(z.grad().defined());
}

TEST_CASE("if a backward throws, no grad was changed and the next one works") {
  const Tensor a = number(1), b = number(2);
  bool armed = true;
  const Tensor bad = with_backward(b, [&](const Saved&, const Tensor& dy) -> Grads {
    if (armed) {
      throw std::runtime_error("on purpose");
    }
    return {dy};
  });
  Tensor middle = a * 2.0;
  middle.retain_grad();
  const Tensor y = middle + bad;
  CHECK_THROWS_WITH_AS(y.backward({}, true), "on purpose", std::runtime_error);
  CHECK_FALSE(a.grad().defined());
  CHECK_FALSE(b.grad().defined());
  CHECK_FALSE(middle.grad().defined());
  CHECK(grad_enabled());
  armed = false;
  y.backward();
  CHECK(a.grad().item() == 2);
  CHECK(b.grad().item() == 1);
}

TEST_CASE("a hook may run a backward of its own, over the same tensors") {
  const Tensor x = number(2);
  const Tensor shared = x * x;
  Tensor y = shared * 3.0;
  double inner = 0;
  y.register_hook([&](const Tensor&) {
    const GradModeGuard recording(true);
    inner = grad({shared * 5.0}, {x}, {}, {.retain_graph = true})[0].item();
    return Tensor();
  });
  (y + shared).backward();
  CHECK(inner == 20);
  CHECK(x.grad().item() == 16);
}

TEST_CASE("gradients that are views or stretched end up as plain grads") {
  const Tensor x = leaf({1, 2, 3, 4, 5, 6}, {2, 3});
  sum(transpose(x, 0, 1)).backward();
  CHECK(x.grad().array().is_contiguous());
  CHECK_FALSE(x.grad().array().has_overlap());
  transpose(x, 0, 1).backward(constant({1, 2, 3, 4, 5, 6}, {3, 2}));
  CHECK(values_of(x.grad()) == Values{2, 4, 6, 3, 5, 7});
}

TEST_CASE("zero-size tensors have zero-size gradients") {
  const Tensor x = leaf({}, {0, 3});
  const Tensor w = leaf({1, 2, 3}, {3});
  sum(x * w).backward();
  CHECK(x.grad().shape() == Shape{0, 3});
  CHECK(values_of(w.grad()) == Values{0, 0, 0});
}

}  // namespace evenkeel
