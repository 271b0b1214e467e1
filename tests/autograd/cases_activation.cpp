#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/unary_functions.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;

const CaseFile unary_functions{[]() -> OpCases {
  OpCases rows;
  for_each_unary_function([&]<class F, class Op>(const UnaryFunction<F, Op>& function) {
    rows.push_back({.name = std::string(F::kName),
                    .shapes = {{2, 3, 5}},
                    .samples = {Sample::avoiding(function.kinks, function.low, function.high)},
                    .fn = [op = function.op](Inputs x) { return op(x[0]); },
                    .scalar_reference = [f = function.definition](double x) { return static_cast<double>(f(x)); },
                    .keeps = function.keeps});
  });
  return rows;
}};

const CaseFile elementary{[]() -> OpCases {
  return {
      {.name = "clamp",
       .shapes = {{2, 3, 5}},
       .samples = {Sample::avoiding({-0.5, 1.25})},
       .fn = [](Inputs x) { return clamp(x[0], -0.5, 1.25); },
       .scalar_reference = [](double x) { return x < -0.5   ? -0.5
                                                 : x > 1.25 ? 1.25
                                                            : x; },
       .keeps = "0"},
      {.name = "clamp",
       .variant = "from below",
       .shapes = {{2, 3, 5}},
       .samples = {Sample::avoiding({0.25})},
       .fn = [](Inputs x) { return clamp(x[0], 0.25, std::numeric_limits<double>::infinity()); },
       .scalar_reference = [](double x) { return x < 0.25 ? 0.25 : x; }},
  };
}};

const CaseFile activations{[]() -> OpCases {
  return {
      {.name = "relu_",
       .shapes = {{2, 3, 5}},
       .samples = {Sample::avoiding({0})},
       .fn =
           [](Inputs x) {
             Tensor y = clone(x[0]);
             return relu_(y);
           },
       .scalar_reference = [](double x) { return x > 0 ? x : 0; },
       .keeps = "y"},
      {.name = "add_relu",
       .shapes = {{2, 3, 5}, {2, 3, 5}},
       .fn = [](Inputs x) { return add_relu(x[0], x[1]); },
       .reference = broadcast_reference([](std::span<const double> x) { return std::max(x[0] + x[1], 0.0); }),
       .more_shapes = {{{0, 3}, {0, 3}}, {{1}, {1}}, {Shape{}, Shape{}}, {{7, 41}, {7, 41}}},
       .keeps = "y"},
      {.name = "add_relu",
       .variant = "of one tensor",
       .shapes = {{3, 7}},
       .samples = {Sample::avoiding({0})},
       .fn = [](Inputs x) { return add_relu(x[0], x[0]); },
       .scalar_reference = [](double x) { return std::max(2 * x, 0.0); },
       .keeps = "y"},
      {.name = "add_relu",
       .variant = "broadcast",
       .shapes = {{2, 3, 5}, {3, 1}},
       .fn = [](Inputs x) { return add_relu(x[0], x[1]); },
       .reference = broadcast_reference([](std::span<const double> x) { return std::max(x[0] + x[1], 0.0); }),
       .keeps = "y"},
      {.name = "silu_",
       .shapes = {{2, 3, 5}},
       .samples = {Sample::uniform(-6, 6)},
       .fn =
           [](Inputs x) {
             Tensor y = clone(x[0]);
             return silu_(y);
           },
       .scalar_reference = [](double x) { return x / (1 + std::exp(-x)); },
       .keeps = ""},
      {.name = "gelu",
       .variant = "tanh",
       .shapes = {{2, 3, 5}},
       .samples = {Sample::uniform(-4, 4)},
       .fn = [](Inputs x) { return gelu(x[0], GeluApproximation::tanh); },
       .scalar_reference =
           [](double x) {
             return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * std::pow(x, 3))));
           },
       .keeps = "0"},
      {.name = "leaky_relu",
       .shapes = {{2, 3, 5}},
       .samples = {Sample::avoiding({0})},
       .fn = [](Inputs x) { return leaky_relu(x[0]); },
       .scalar_reference = [](double x) { return x > 0 ? x : 0.01 * x; },
       .keeps = "0"},
      {.name = "leaky_relu",
       .variant = "slope 0.3",
       .shapes = {{2, 3, 5}},
       .samples = {Sample::avoiding({0})},
       .fn = [](Inputs x) { return leaky_relu(x[0], 0.3); },
       .scalar_reference = [](double x) { return x > 0 ? x : 0.3 * x; }},
      {.name = "elu",
       .shapes = {{2, 3, 5}},
       .samples = {Sample::avoiding({0})},
       .fn = [](Inputs x) { return elu(x[0]); },
       .scalar_reference = [](double x) { return x > 0 ? x : std::expm1(x); },
       .keeps = "0"},
      {.name = "elu",
       .variant = "alpha 0.7",
       .shapes = {{2, 3, 5}},
       .samples = {Sample::avoiding({0})},
       .fn = [](Inputs x) { return elu(x[0], 0.7); },
       .scalar_reference = [](double x) { return x > 0 ? x : 0.7 * (std::exp(x) - 1); }},
      {.name = "softplus",
       .shapes = {{2, 3, 5}},
       .samples = {Sample::uniform(-5, 5)},
       .fn = [](Inputs x) { return softplus(x[0]); },
       .scalar_reference = [](double x) { return std::log(1 + std::exp(x)); },
       .keeps = "0"},
      {.name = "softplus",
       .variant = "beta 3, threshold 4",
       .shapes = {{2, 3, 5}},
       .samples = {Sample::avoiding({4. / 3})},
       .fn = [](Inputs x) { return softplus(x[0], 3, 4); },
       .scalar_reference = [](double x) { return 3 * x > 4 ? x : std::log(1 + std::exp(3 * x)) / 3; }},
  };
}};

/// exp(x) / sum exp(x) along dim, or its logarithm; straight from the definition, safe for the small samples here.
Reference softmax_reference(int dim, bool logarithm) {
  return [=](std::span<const DoubleArray> x) {
    Shape summed = x[0].shape;
    if (summed.rank() > 0) {
      summed[dim] = 1;
    }
    DoubleArray y(x[0].shape), total(summed);
    for_each_index(y.shape, [&](const Shape& i) { total.at(i) += std::exp(x[0].at(i)); });
    for_each_index(y.shape, [&](const Shape& i) {
      y.at(i) = logarithm ? x[0].at(i) - std::log(total.at(i)) : std::exp(x[0].at(i)) / total.at(i);
    });
    return y;
  };
}

const CaseFile softmaxes{[]() -> OpCases {
  OpCases rows;
  for (const bool logarithm : {false, true}) {
    for (const int dim : {0, 1, 2}) {
      rows.push_back({.name = logarithm ? "log_softmax" : "softmax",
                      .variant = "dim " + std::to_string(dim),
                      .shapes = {{2, 3, 5}},
                      .fn = [=](Inputs x) { return logarithm ? log_softmax(x[0], dim - 3) : softmax(x[0], dim); },
                      .reference = softmax_reference(dim, logarithm),
                      .more_shapes = {{{1, 1, 1}}, {{0, 3, 2}}, {{2, 3, 0}}, {{3, 1, 17}}},
                      .keeps = "y"});
    }
    rows.push_back({.name = logarithm ? "log_softmax" : "softmax",
                    .variant = "rank 1",
                    .shapes = {{19}},
                    .fn = [=](Inputs x) { return logarithm ? log_softmax(x[0], 0) : softmax(x[0], -1); },
                    .reference = softmax_reference(0, logarithm),
                    .more_shapes = {{Shape{}}}});
  }
  return rows;
}};

/// x times the mask that a generator of seed 5 draws, scaled.

}  // namespace
}  // namespace evenkeel::test
