#include "evenkeel/autograd/function.hpp"

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/gradcheck.hpp"
#include "evenkeel/autograd/graph.hpp"
#include "evenkeel/autograd/ops.hpp"

#include <doctest/doctest.h>

namespace evenkeel {
namespace {

using autograd::FunctionContext;
using doctest::Contains;

/// x^3 with an input kept.
struct Cube : autograd::Function<Cube> {
  static constexpr std::string_view name = "cube";
  static Tensor forward(FunctionContext& context, const std::vector<Tensor>& inputs) {
    context.save_for_backward({inputs[0]});
    return inputs[0] * inputs[0] * inputs[0];
  }
  static Grads backward(FunctionContext& context, const Tensor& dy) {
    const Tensor& x = context.saved_tensors()[0];
    return {dy * 3.0 * x * x};
  }
};

/// exp(x) with the result kept.
struct Exponential : autograd::Function<Exponential> {
  static constexpr std::string_view name = "exponential";
  static Tensor forward(FunctionContext& context, const std::vector<Tensor>& inputs) {
    const Tensor y = exp(inputs[0]);
    context.save_for_backward({y});
    return y;
  }
  static Grads backward(FunctionContext& context, const Tensor& dy) { return {dy * context.saved_tensors()[0]}; }
};

/// a b, scaled by 1 + the number of inputs that want a gradient; not differentiable twice.
struct ScaledProduct : autograd::Function<ScaledProduct> {
  static constexpr std::string_view name = "scaled_product";
  static constexpr bool twice_differentiable = false;
  static Tensor forward(FunctionContext& context, const std::vector<Tensor>& inputs) {
    const double scale = 1.0 + context.needs_input_grad[0] + context.needs_input_grad[1];
    context.data = scale;
    context.save_for_backward(inputs);
    return inputs[0] * inputs[1] * scale;
  }
  static Grads backward(FunctionContext& context, const Tensor& dy) {
    const auto scale = std::any_cast<double>(context.data);
    const std::vector<Tensor>& x = context.saved_tensors();
    return {context.needs_input_grad[0] ? dy * x[1] * scale : Tensor(),
            context.needs_input_grad[1] ? dy * x[0] * scale : Tensor()};
  }
};

Tensor leaf(const std::vector<double>& values) {
  return tensor(values, {static_cast<std::int64_t>(values.size())}, true);
}

}  // namespace

TEST_CASE("a user's op takes part in the graph") {
  const Tensor x = leaf({1, -2, 0.5});
  const Tensor y = Cube::apply({x});
  CHECK(y.op_name() == "cube");
  CHECK(y.to_vector<double>() == std::vector<double>{1, -8, 0.125});
  sum(y).backward();
  CHECK(x.grad().to_vector<double>() == std::vector<double>{3, 12, 0.75});
  CHECK_THROWS_WITH(y.backward(ones({3}, {.dtype = DType::float64})),
                    Contains("the graph of 'cube' was already freed"));
}

TEST_CASE("forward does not record, nor is anything kept without need") {
  const Tensor x = leaf({1, 2});
  const std::int64_t before = live_nodes();
  const Tensor y = Cube::apply({x});
  CHECK(live_nodes() == before + 1);
  CHECK_FALSE(Cube::apply({x.detach()}).requires_grad());
  CHECK_FALSE(no_grad([&] { return Cube::apply({x}); }).requires_grad());
  CHECK(live_nodes() == before + 1);
}

TEST_CASE("user ops pass gradcheck, and gradgradcheck when written in ops") {
  const Tensor x = leaf({0.7, -1.2, 0.4});
  const auto cube = [](const std::vector<Tensor>& in) { return Cube::apply(in); };
  const auto exponential = [](const std::vector<Tensor>& in) { return Exponential::apply(in); };
  CHECK(gradcheck(cube, {x}));
  CHECK(gradgradcheck(cube, {x}));
  CHECK(gradcheck(exponential, {x}));
  CHECK(gradgradcheck(exponential, {x}));  // through the kept result
}

TEST_CASE("the context tells what is wanted and carries data") {
  const Tensor a = leaf({2, 3}), b = leaf({5, 7});
  sum(ScaledProduct::apply({a, b.detach()})).backward();
  CHECK(a.grad().to_vector<double>() == std::vector<double>{10, 14});
  CHECK_FALSE(b.grad().defined());
  CHECK(grad({sum(ScaledProduct::apply({a, b}))}, {b})[0].to_vector<double>() == std::vector<double>{6, 9});
  CHECK_THROWS_WITH(grad({sum(ScaledProduct::apply({a, b}))}, {b}, {}, {.create_graph = true}),
                    Contains("'scaled_product' has no second derivative"));
}

TEST_CASE("a change of a saved tensor is noticed") {
  Tensor x = leaf({1, 2});
  const Tensor y = sum(Cube::apply({x}));
  {
    const NoGradGuard guard;
    add_(x, ones({}, {.dtype = DType::float64}));
  }
  CHECK_THROWS_WITH(y.backward(),
                    Contains("'cube' needs its saved tensor 0 for backward, but it was changed in place"));
  Tensor z = Exponential::apply({x});
  z.mutable_array().fill_(0);
  CHECK_THROWS_WITH(sum(z).backward(), Contains("'exponential' needs its output for backward, but it was changed"));
}

}  // namespace evenkeel
