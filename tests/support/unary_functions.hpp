#pragma once

// The elementwise functions of one tensor without parameters, one row each: tests/core/unary_test.cpp checks the kernel
// by it on every instruction set, tests/autograd/cases_activation.cpp makes a row of the table of ops from it.

#include "evenkeel/core/kernels/elementwise/unary.hpp"

#include <cmath>
#include <vector>

namespace evenkeel::test {

using Real = long double;

template <class F, class Op>
struct UnaryFunction {
  using Functor = F;  ///< in core/kernels/elementwise/unary.hpp
  Op op;              ///< of a Tensor; a generic lambda, as core's tests know none
  const char* keeps;  ///< what its backward reads, as in OpCase
  Real (*definition)(Real x);
  double ulp;                 ///< allowed error of the kernel's value
  std::vector<double> kinks;  ///< no derivative there
  double low, high;           ///< where the table of ops draws its inputs
  bool product;               ///< of x and another function, whose error it multiplies
};

template <class F, class Op>
UnaryFunction<F, Op> unary(Op op, const char* keeps, Real (*definition)(Real), double ulp,
                           std::vector<double> kinks = {}, double low = -2, double high = 2, bool product = false) {
  return {op, keeps, definition, ulp, kinks, low, high, product};
}

inline Real logistic(Real x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
inline Real times(Real x, Real factor) { return factor == 0 ? 0 : x * factor; }  // the limit at -inf

inline std::vector<double> steps_at(double first) {
  std::vector<double> places;
  for (double at = first; at < 9; ++at) {
    places.push_back(at);
  }
  return places;
}
inline Real half_to_even(Real x) {
  const Real down = std::floor(x), part = x - down;
  return part < 0.5 || (part == 0.5 && std::fmod(down, Real(2)) == 0) ? down : std::isnan(part) ? x : down + 1;
}

/// Calls visit(row) for every function.
template <class Visit>
void for_each_unary_function(const Visit& visit) {
  using namespace kernels;
  visit(unary<Exp>([](const auto& x) { return exp(x); }, "y", [](Real x) { return std::exp(x); }, 1.5));
  visit(unary<Log>([](const auto& x) { return log(x); }, "0", [](Real x) { return std::log(x); }, 1.5, {0}, 0.25, 2.5));
  visit(unary<Sqrt>([](const auto& x) { return sqrt(x); }, "y", [](Real x) { return std::sqrt(x); }, 0.51, {0}, 0.25,
                    2.5));
  visit(unary<Rsqrt>([](const auto& x) { return rsqrt(x); }, "y", [](Real x) { return 1 / std::sqrt(x); }, 1.5, {0},
                     0.25, 2.5));
  visit(unary<Abs>([](const auto& x) { return abs(x); }, "0", [](Real x) { return std::abs(x); }, 0, {0}));
  visit(unary<Square>([](const auto& x) { return square(x); }, "0", [](Real x) { return x * x; }, 0.51));
  visit(unary<Reciprocal>([](const auto& x) { return reciprocal(x); }, "y", [](Real x) { return 1 / x; }, 0.51, {0}));
  visit(
      unary<Floor>([](const auto& x) { return floor(x); }, "", [](Real x) { return std::floor(x); }, 0, steps_at(-9)));
  visit(unary<Ceil>([](const auto& x) { return ceil(x); }, "", [](Real x) { return std::ceil(x); }, 0, steps_at(-9)));
  visit(unary<Round>([](const auto& x) { return round(x); }, "", half_to_even, 0, steps_at(-8.5)));
  visit(unary<Sin>([](const auto& x) { return sin(x); }, "0", [](Real x) { return std::sin(x); }, 2));
  visit(unary<Cos>([](const auto& x) { return cos(x); }, "0", [](Real x) { return std::cos(x); }, 2));
  visit(unary<Log1p>([](const auto& x) { return log1p(x); }, "0", [](Real x) { return std::log1p(x); }, 2, {-1}, -0.75,
                     2.5));
  visit(unary<Expm1>([](const auto& x) { return expm1(x); }, "y", [](Real x) { return std::expm1(x); }, 2.5));
  visit(unary<Tanh>([](const auto& x) { return tanh(x); }, "y", [](Real x) { return std::tanh(x); }, 2));
  visit(unary<Sigmoid>([](const auto& x) { return sigmoid(x); }, "y", logistic, 2.5));
  visit(unary<Erf>([](const auto& x) { return erf(x); }, "0", [](Real x) { return std::erf(x); }, 3));
  visit(unary<Relu>([](const auto& x) { return relu(x); }, "y", [](Real x) { return x <= 0 ? 0 : x; }, 0, {0}));
  visit(unary<Silu>([](const auto& x) { return silu(x); }, "0", [](Real x) { return times(x, logistic(x)); }, 3.5, {},
                    -6, 6, true));
  visit(unary<Gelu>([](const auto& x) { return gelu(x); }, "0",
                    [](Real x) { return times(x, std::erfc(-x / std::sqrt(Real(2))) / 2); }, 8, {}, -4, 4, true));
  visit(unary<Mish>([](const auto& x) { return mish(x); }, "0",
                    [](Real x) { return times(x, std::tanh(std::log1p(std::exp(x)))); }, 4, {}, -6, 6, true));
  visit(unary<Hardsigmoid>([](const auto& x) { return hardsigmoid(x); }, "0",
                           [](Real x) { return x <= -3  ? 0
                                               : x >= 3 ? 1
                                                        : (x + 3) / 6; }, 2, {-3, 3}, -5, 5));
  visit(unary<Softsign>([](const auto& x) { return softsign(x); }, "0",
                        [](Real x) { return std::isinf(x) ? std::copysign(Real(1), x) : x / (1 + std::abs(x)); }, 1.5,
                        {0}));
  visit(unary<LogSigmoid>([](const auto& x) { return logsigmoid(x); }, "0",
                          [](Real x) { return (x < 0 ? x : 0) - std::log1p(std::exp(-std::abs(x))); }, 3));
  visit(unary<Hardswish>([](const auto& x) { return hardswish(x); }, "0",
                         [](Real x) { return x <= -3  ? 0
                                             : x >= 3 ? x
                                                      : x * (x + 3) / 6; }, 3, {-3, 3}, -5, 5));
}

}  // namespace evenkeel::test
