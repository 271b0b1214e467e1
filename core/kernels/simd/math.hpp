#pragma once

// The functions of core/kernels/math.hpp for SIMD batches. xsimd's own where they are right over the whole range; exp,
// erf and the normal distribution are computed here (xsimd 8.1 ends exp at +-88.4 and loses digits in erf and erfc).

#include "core/kernels/math.hpp"
#include "core/kernels/simd/batch.hpp"

namespace evenkeel::kernels::math {

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
  static constexpr float inverse_factorials[] = {1.f / 2, 1.f / 6, 1.f / 24, 1.f / 120, 1.f / 720, 1.f / 5040};
  // Chebyshev fits in powers of t, relative error 2e-9 and 1e-8; see erf_small and erfcx.
  static constexpr float erf[] = {0.965468739f,    -0.140536097f,   0.0198524971f,  -0.00228541954f,
                                  0.000217513542f, -1.7669068e-05f, 1.23060548e-06f};
  static constexpr float erfcx[] = {1.25300806f,    -0.1356211f,     -0.0475621561f,   0.129644721f,
                                    -0.119275281f,  0.0683131967f,   -0.0237635597f,   0.00250677867f,
                                    0.00187506025f, -0.00073408205f, -9.25376913e-05f, 8.00745497e-05f};
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
  static constexpr double inverse_factorials[] = {1. / 2,       1. / 6,        1. / 24,        1. / 120,
                                                  1. / 720,     1. / 5040,     1. / 40320,     1. / 362880,
                                                  1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800};
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
  using Bits = xsimd::as_integer_t<V>;
  return xsimd::bitwise_cast<V>(xsimd::bitwise_cast<Bits>(n + V(C::round + C::exponent_bias)) << C::mantissa_bits);
}

template <class V>
V round_to_integer(V x) {
  const V magic(Constants<typename V::value_type>::round);
  return (x + magic) - magic;
}

/// y 2^n for an integral n, rounded once and only once: without an instruction for it in two steps, as 2^n itself may
/// lie below the normal range.
template <class V>
V scale(V y, V n) {
  using T = typename V::value_type;
  if constexpr (std::is_same_v<V, simd::Batch<Avx512, float>>) {
    return _mm512_scalef_ps(y, n);
  } else if constexpr (std::is_same_v<V, simd::Batch<Avx512, double>>) {
    return _mm512_scalef_pd(y, n);
  } else {
    const V half = round_to_integer(n * V(T(0.5)));
    return y * power_of_two(half) * power_of_two(n - half);
  }
}

/// exp(x + low) for |low| much below 1, or exp(x): with x = n ln 2 + r it is 2^n e^r, e^r by Taylor's series on
/// |r| <= ln(2) / 2.
template <class V, class... Low>
V exp_sum(V x, Low... low) {
  using T = typename V::value_type;
  using C = Constants<T>;
  x = xsimd::min(V(C::exp_high), xsimd::max(V(C::exp_low), x));  // x86 gives the second where one is NaN
  const V n = round_to_integer(x * V(T(1.44269504088896340736)));
  const V r = (fma(n, V(-C::ln2_low), fma(n, V(-C::ln2_high), x)) + ... + low);
  const V y = V(1) + fma(r * r, polynomial(C::inverse_factorials, r), r);
  return scale(y, n);
}

template <class V>
V exp(V x) {
  return exp_sum(x);
}

template <class V>
V expm1(V x) {
  return select(x == V(0), x, xsimd::expm1(x));
}

template <class V>
V log(V x) {
  using T = typename V::value_type;
  if constexpr (sizeof(T) == sizeof(float)) {
    return xsimd::log(x);
  } else {
    const auto subnormal = x < V(0x1p-1022);
    const V y = xsimd::log(select(subnormal, x * V(0x1p54), x));
    return select(subnormal, y - V(54 * 0.69314718055994530942), y);
  }
}

template <class V>
V log1p(V x) {
  return select(x == V(0), x, xsimd::log1p(x));
}

template <class V>
V tanh(V x) {
  return xsimd::tanh(x);
}

/// With e = exp(-|x|), which never overflows: 1 / (1 + e), and e / (1 + e) for negative x.
template <class V>
V logistic(V x) {
  const V e = math::exp(-abs(x));
  return select(x < V(0), e, V(1)) / (V(1) + e);
}

template <class V>
Complements<V> logistic_both(V x) {
  const V e = math::exp(-abs(x));
  const V r = V(1) / (V(1) + e);
  return {select(x < V(0), e * r, r), select(x < V(0), r, e * r)};
}

/// exp(-scale x^2), scale a power of two, with the rounding error of x^2 made up for: x^2 = h^2 + (x - h) (x + h),
/// where h is x cut to half its digits.
template <class V>
V exp_minus_square(V x, typename V::value_type scale) {
  using Bits = xsimd::as_integer_t<V>;
  const Bits mask(Constants<typename V::value_type>::square_mask);
  const V h = xsimd::bitwise_cast<V>(xsimd::bitwise_cast<Bits>(x) & mask);
  return exp_sum(V(-scale) * h * h, V(-scale) * (x - h) * (x + h));
}

/// exp(z^2) erfc(z) for 0 <= z <= 30, a polynomial in t = (z - 3) / (z + 3) divided by 1 + 2z; with one division.
template <class V>
V erfcx(V z) {
  using C = Constants<typename V::value_type>;
  const V a = z + V(3);
  const V b = fma(z, V(2), V(1));
  const V r = V(1) / (a * b);
  return polynomial(C::erfcx, (z - V(3)) * (b * r)) * (a * r);
}

/// x times a polynomial in t = 2x^2 - 1 for |x| <= 1, else 1 - erfc.
template <class V>
V erf(V x) {
  using C = Constants<typename V::value_type>;
  const V z = math::clamp(abs(x), V(0), V(30));
  const V large = V(1) - exp_minus_square(z, 1) * erfcx(z);
  const V small = x * polynomial(C::erf, fma(z + z, z, V(-1)));
  return select(z <= V(1), small, select(x < V(0), -large, large));
}

template <class V>
Normal<V> normal(V x) {
  using T = typename V::value_type;
  const V z = math::clamp(abs(x), V(0), V(T(42)));
  const V e = exp_minus_square(z, T(0.5));
  const V tail = V(T(0.5)) * e * erfcx(z * V(T(0.70710678118654752440)));
  return {select(x < V(0), tail, V(1) - tail), V(T(0.39894228040143267794)) * e};
}

/// Lane by lane through the C library, the only way to std::pow's accuracy and special cases.
template <class V>
V pow(V x, V exponent) {
  using T = typename V::value_type;
  alignas(64) T base[V::size];
  alignas(64) T power[V::size];
  x.store_aligned(base);
  exponent.store_aligned(power);
  for (std::size_t i = 0; i < V::size; ++i) {
    if constexpr (sizeof(T) == sizeof(float)) {
      base[i] = __builtin_powf(base[i], power[i]);
    } else {
      base[i] = __builtin_pow(base[i], power[i]);
    }
  }
  return V::load_aligned(base);
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
