#pragma once

// The functions of core/kernels/simd/math.hpp for SIMD batches. Those that are xsimd's (log, log1p, expm1, sin, cos,
// tanh) are only declared here: whoever needs them includes simd/math_xsimd.hpp, which takes the compiler a second.

#include "evenkeel/core/kernels/simd/batch.hpp"
#include "evenkeel/core/kernels/simd/math.hpp"

#include <cstddef>
#include <cstdint>

namespace evenkeel::kernels::math {

/// What V's instruction set brings.
template <class V>
using SetOf = simd::Set<typename V::arch_type, typename V::value_type>;

template <class T>
struct Constants;

template <>
struct Constants<float> {
  static constexpr float round = 0x1.8p23f;  // added and subtracted: rounds to an integer
  static constexpr int mantissa_bits = 23;
  static constexpr float exponent_bias = 127;
  static constexpr float ln2_high = 0x1.63p-1f;  // 10 bits: exact times any exponent
  static constexpr float ln2_low = -2.12194440054690583e-4f;
  static constexpr float exp_low = -105, exp_high = 90;  // exp is 0 below, infinite above
  static constexpr std::int32_t square_mask = ~0xFFF;    // 12 bits remain: their square is exact
  static constexpr float exp[] = {0.499999995513f, 0.166665772852f, 0.0416668542734f, 0.00836314623053f,
                                  0.00139012164232f};  // minimax, relative error of e^r 7e-9
  static constexpr float erf_end = 10.24f, normal_end = 14.48f;
  // Chebyshev fit in powers of t, relative error 2e-9; see erf.
  static constexpr float erf[] = {0.965468739f,    -0.140536097f,   0.0198524971f,  -0.00228541954f,
                                  0.000217513542f, -1.7669068e-05f, 1.23060548e-06f};
  // Minimax quotient, relative error 6e-9; see normal_ratio.
  static constexpr float ratio_top[] = {0.5000000028f, 0.4384001041f, 0.1833079875f, 0.04065630022f, 0.004119298878f};
  static constexpr float ratio_bottom[] = {1.f,           1.674685176f,  1.202816714f,
                                           0.4696616223f, 0.1019166233f, 0.01032543271f};
  // ln(1 + u) / u on [0, 1]: minimax, relative error 5e-9.
  static constexpr float log1p[] = {0.999999995281f,  -0.499999023244f,  0.333299598101f, -0.249541070286f,
                                    0.196758028875f,  -0.153052000066f,  0.106029907365f, -0.0569529830794f,
                                    0.0198479764654f, -0.00324325211283f};
};

template <>
struct Constants<double> {
  static constexpr double round = 0x1.8p52;
  static constexpr int mantissa_bits = 52;
  static constexpr double exponent_bias = 1023;
  static constexpr double ln2_high = 0x1.62e42feep-1;  // 32 bits
  static constexpr double ln2_low = 0x1.a39ef35793c76p-33;
  static constexpr double exp_low = -746, exp_high = 711;
  static constexpr std::int64_t square_mask = ~0x7FFFFFFLL;  // 26 bits remain
  static constexpr double exp[] = {1. / 2,       1. / 6,        1. / 24,        1. / 120,
                                   1. / 720,     1. / 5040,     1. / 40320,     1. / 362880,
                                   1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800};
  static constexpr double erf_end = 27.30, normal_end = 38.61;
  // Relative error below 1e-16.
  static constexpr double erf[] = {0.96546873866986727,    -0.14053608902271711,   0.019852496688984218,
                                   -0.0022854855611440855, 0.00021751715603563488, -1.7537169441280198e-05,
                                   1.2233827638093572e-06, -7.51156925108609e-08,  4.1157515002658853e-09,
                                   -2.035231956483527e-10, 9.2112501874282304e-12, -3.8065912241221399e-13};
  static constexpr double erfcx[] = {
      1.2530080582697296,     -0.1356211061245812,     -0.047562294353418973,   0.12964515870276264,
      -0.11927366341681594,   0.06830802734392144,     -0.023770514890662273,   0.0025293918167996628,
      0.0018886900908332905,  -0.00077983227727425471, -0.00010515828085467254, 0.00012509937435915822,
      4.944031214882928e-06,  -2.0100627664406107e-05, -7.1861493963036221e-07, 3.4725202800655189e-06,
      3.3649033965298255e-07, -6.1677094935509637e-07, -1.2038713923616526e-07, 1.0195717375790894e-07,
      2.7779061599708634e-08, -1.3361953304404018e-08, -3.1695920395535218e-09, 9.9488209475371949e-10};
};

/// sum_k c[k] t^k
template <class V, std::size_t N>
V polynomial(const typename V::value_type (&c)[N], V t) {
  V sum(c[N - 1]);
  for (std::size_t k = N - 1; k-- > 0;) {
    sum = fma(sum, t, V(c[k]));
  }
  return sum;
}

/// 2^n for an integral n within the normal exponents: adding `round` leaves n + bias in the low mantissa bits.
template <class V>
V power_of_two(V n) {
  using C = Constants<typename V::value_type>;
  return SetOf<V>::shift_left(n + V(C::round + C::exponent_bias), C::mantissa_bits);
}

template <class V>
V round_to_integer(V x) {
  const V magic(Constants<typename V::value_type>::round);
  return (x + magic) - magic;
}

/// A number of 2^23 (in double 2^52) or more is an integer; adding that rounds a smaller one.
template <class V>
V round(V x) {
  using T = typename V::value_type;
  const V limit(static_cast<T>(std::int64_t{1} << Constants<T>::mantissa_bits));
  const V size = abs(x), rounded = (size + limit) - limit;
  const V signed_zero = x * V(0);
  const V inside = select(rounded == V(0), signed_zero, select(x < V(0), -rounded, rounded));
  return select(size < limit, inside, x);
}

/// y 2^n for an integral n, rounded once and only once: without an instruction for it in two steps, as 2^n itself may
/// lie below the normal range.
template <class V>
V scale(V y, V n) {
  if constexpr (requires { SetOf<V>::scale(y, n); }) {
    return SetOf<V>::scale(y, n);
  } else {
    const V half = round_to_integer(n * V(typename V::value_type(0.5)));
    return y * power_of_two(half) * power_of_two(n - half);
  }
}

/// exp(x + low) for |low| much below 1, or exp(x), for x between exp_low and exp_high or NaN: with x = n ln 2 + r it is
/// 2^n e^r, e^r by a polynomial on |r| <= ln(2) / 2.
template <class V, class... Low>
V exp_sum(V x, Low... low) {
  using T = typename V::value_type;
  using C = Constants<T>;
  const V n = fma(x, V(T(1.44269504088896340736)), V(C::round)) - V(C::round);
  const V r = (fma(n, V(-C::ln2_low), fma(n, V(-C::ln2_high), x)) + ... + low);
  const V y = V(1) + fma(r * r, polynomial(C::exp, r), r);
  return scale(y, n);
}

// x86's min and max give the second operand where one is NaN.

template <class V>
V exp(V x) {
  using C = Constants<typename V::value_type>;
  return exp_sum(V(min(V(C::exp_high), max(V(C::exp_low), x))));
}

/// exp(x) for x <= 0
template <class V>
V exp_not_positive(V x) {
  return exp_sum(V(max(V(Constants<typename V::value_type>::exp_low), x)));
}

template <class V>
V exp_minus_magnitude(V x) {
  return exp_not_positive(V(-abs(x)));
}

template <class V>
V at_least(V x, V low) {
  return max(low, x);
}

template <class V>
V clamp(V x, V low, V high) {
  return min(high, max(low, x));
}

/// ln(1 + u) for 0 <= u <= 1
template <class V>
V log1p_of_fraction(V u) {
  using T = typename V::value_type;
  if constexpr (sizeof(T) == sizeof(float)) {
    return u * polynomial(Constants<T>::log1p, u);
  } else {
    return math::log1p(u);
  }
}

template <class V>
V softplus(V x) {
  return select(x < V(0), V(0), x) + log1p_of_fraction(exp_minus_magnitude(x));
}

/// With e = exp(-|x|), which never overflows: 1 / (1 + e), and e / (1 + e) for negative x.
template <class V>
V logistic(V x) {
  const V e = exp_minus_magnitude(x);
  return select(x < V(0), e, V(1)) / (V(1) + e);
}

template <class V>
Complements<V> logistic_both(V x) {
  const V e = exp_minus_magnitude(x);
  const V r = V(1) / (V(1) + e);
  const V rest = e * r;
  return {select(x < V(0), rest, r), select(x < V(0), r, rest)};
}

/// exp(-scale x^2), scale a power of two, with the rounding error of x^2 made up for. Without fused multiply-add:
/// x^2 = h^2 + (x - h) (x + h), where h is x cut to half its digits.
template <class V>
V exp_minus_square(V x, typename V::value_type scale) {
  const V factor = V(-scale) * x;
  if constexpr (SetOf<V>::kFusedMultiplyAdd) {
    const V square = x * factor;
    return exp_sum(square, fms(x, factor, square));
  } else {
    const V h = SetOf<V>::bits_and(x, Constants<typename V::value_type>::square_mask);
    return exp_sum(V(V(-scale) * h * h), V(V(-scale) * (x - h) * (x + h)));
  }
}

/// 1 / x to 1 ulp for 1 <= x <= 1e30, or NaN. Beside many multiplications it is faster than a division (gelu by 1/8),
/// beside few slower (sigmoid by 1/4).
template <class V>
V inverse(V x) {
  if constexpr (requires { SetOf<V>::inverse(x); }) {
    return SetOf<V>::inverse(x);
  } else {
    return V(1) / x;
  }
}

/// exp(z^2 / 2) erfc(z / sqrt 2) / 2 for 0 <= z <= normal_end. In double with w = z / sqrt 2 a polynomial in
/// t = (w - 3) / (w + 3) divided by 1 + 2w; with one division.
template <class V>
V normal_ratio(V z) {
  using T = typename V::value_type;
  using C = Constants<T>;
  if constexpr (sizeof(T) == sizeof(float)) {
    return polynomial(C::ratio_top, z) * inverse(polynomial(C::ratio_bottom, z));
  } else {
    const V w = z * V(0.70710678118654752440);
    const V a = w + V(3);
    const V b = fma(w, V(2), V(1));
    const V r = V(0.5) / (a * b);
    return polynomial(C::erfcx, ((w - V(3)) * (b + b)) * r) * (a * r);
  }
}

/// x times a polynomial in t = 2x^2 - 1 for |x| <= 1, else 1 - erfc.
template <class V>
V erf(V x) {
  using T = typename V::value_type;
  using C = Constants<T>;
  const V z = min(V(C::erf_end), abs(x));
  const V large = V(1) - V(2) * exp_minus_square(z, 1) * normal_ratio(z * V(T(1.41421356237309504880)));
  const V small = x * polynomial(C::erf, fma(z + z, z, V(-1)));
  return select(z <= V(1), small, select(x < V(0), -large, large));
}

template <class V>
NormalTail<V> normal_tail(V x) {
  using T = typename V::value_type;
  const V z = min(V(Constants<T>::normal_end), abs(x));
  const V e = exp_minus_square(z, T(0.5)), ratio = normal_ratio(z);
  const V probability = e * ratio, density = V(T(0.39894228040143267794)) * e;
  if constexpr (SetOf<V>::kRegisters > 16) {  // as the compiler has always had it
    return {z, probability, fms(e, ratio, z * density)};
  } else {
    return {z, probability, fused(V(-z), density, probability)};
  }
}

/// Lane by lane through the C library, the only way to its accuracy and special cases.
template <class V, class F>
[[gnu::noinline]] V by_lanes(V x, V y, const F& f) {
  using T = typename V::value_type;
  alignas(64) T left[V::size];
  alignas(64) T right[V::size];
  x.store_aligned(left);
  y.store_aligned(right);
  for (std::size_t i = 0; i < V::size; ++i) {
    left[i] = f(left[i], right[i]);
  }
  return V::load_aligned(left);
}

template <class V>
V pow(V x, V exponent) {
  using T = typename V::value_type;
  return by_lanes(x, exponent, [](T a, T b) {
    if constexpr (sizeof(T) == sizeof(float)) {
      return __builtin_powf(a, b);
    } else {
      return __builtin_pow(a, b);
    }
  });
}

template <class V>
V atan2(V y, V x) {
  using T = typename V::value_type;
  return by_lanes(y, x, [](T a, T b) {
    if constexpr (sizeof(T) == sizeof(float)) {
      return __builtin_atan2f(a, b);
    } else {
      return __builtin_atan2(a, b);
    }
  });
}

/// x^e for e = 1/4, 1/2, ..., 7/4 and their negatives, by roots. Like std::pow, unlike sqrt: (-inf)^e is inf or 0, and
/// no result is -0.
template <class V>
V pow_quarters(V x, typename V::value_type exponent) {
  using T = typename V::value_type;
  const T e = exponent < T(0) ? -exponent : exponent;
  const T fraction = e > T(1) ? e - T(1) : e;
  const V infinity(static_cast<T>(__builtin_inf()));
  const V z = select(x == -infinity, infinity, x + V(0));
  const V root = sqrt(z);
  const V power = fraction == T(0.5) ? root : fraction == T(0.25) ? sqrt(root) : root * sqrt(root);
  if (exponent > T(0)) {
    return e > T(1) ? power * z : power;
  }
  return e > T(1) ? (V(1) / power) / z : V(1) / power;
}

/// The common exponents without the C library.
template <class V>
V pow_uniform(V x, typename V::value_type exponent) {
  using T = typename V::value_type;
  if (exponent == T(2)) {
    return x * x;
  }
  if (exponent == T(1)) {
    return x;
  }
  if (exponent == T(0)) {
    return V(1);
  }
  if (exponent == T(-1)) {
    return V(1) / x;
  }
  constexpr T kQuarters[] = {T(0.25), T(0.5), T(0.75), T(1.25), T(1.5), T(1.75)};
  for (const T quarters : kQuarters) {
    if (exponent == quarters || exponent == -quarters) {
      return pow_quarters(x, exponent);
    }
  }
  return math::pow(x, V(exponent));
}

}  // namespace evenkeel::kernels::math
