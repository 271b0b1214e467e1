#pragma once

#include <type_traits>

namespace evenkeel::kernels {

/// condition ? a : b for scalars; SIMD batches bring their own select().
template <class T>
requires std::is_arithmetic_v<T>
constexpr T select(bool condition, T a, T b) { return condition ? a : b; }

// The functions that functors may use on SIMD batches, beside the operators, select, abs, sqrt and fma of the batches
// themselves. Right to a few units in the last place over the whole range, subnormals, infinities and NaN included;
// defined in core/kernels/simd/math_simd.hpp.
namespace math {

template <class V>
V exp(V x);
/// Infinite a little early, from 88.4 on (in double 709.4).
template <class V>
V expm1(V x);
template <class V>
V log(V x);
template <class V>
V log1p(V x);
template <class V>
V sin(V x);
template <class V>
V cos(V x);
template <class V>
V tanh(V x);
/// To the nearest integer, of two to the even one; keeps NaN, infinities and -0.
template <class V>
V round(V x);
/// 1 / (1 + exp(-x))
template <class V>
V logistic(V x);
/// ln(1 + exp x)
template <class V>
V softplus(V x);
/// logistic(x) and 1 - logistic(x) without cancellation.
template <class V>
struct Complements {
  V value, rest;
};
template <class V>
Complements<V> logistic_both(V x);
template <class V>
V erf(V x);
/// The standard normal distribution at z = |x|, cut off where no probability is left: that of exceeding z,
/// P = erfc(z / sqrt 2) / 2, and P - z p, with the density p = exp(-z^2 / 2) / sqrt(2 pi).
template <class V>
struct NormalTail {
  V z, probability, slope;
};
template <class V>
NormalTail<V> normal_tail(V x);
/// std::atan2 of every lane
template <class V>
V atan2(V y, V x);
/// std::pow of every lane
template <class V>
V pow(V x, V exponent);
/// std::pow(x, exponent) with the same exponent for all lanes
template <class V>
V pow_uniform(V x, typename V::value_type exponent);

/// max(x, low) that keeps NaN.
template <class V>
V at_least(V x, V low);
/// min(max(x, low), high) that keeps NaN.
template <class V>
V clamp(V x, V low, V high);

}  // namespace math
}  // namespace evenkeel::kernels
