#pragma once

// The transforms of Winograd's F(4x4, 3x3) (winograd.hpp) in one dimension, and one of both.

#include "evenkeel/core/kernels/simd/batch.hpp"

namespace evenkeel::kernels {
namespace simd::conv_winograd {

// The points are 0, +-a, +-b and infinity.
constexpr double kA = 0.70710678118654752440, kB = 1.41421356237309504880;

template <class V>
inline V constant(double value) {
  return V(static_cast<typename V::value_type>(value));
}

/// out = G in, for a column of three.
struct FilterTransform {
  static constexpr int kIn = 3, kOut = 6;
  template <class V>
  static void apply(const V* in, V* out) {
    const V a_even = fma(constant<V>(0.5), in[2], in[0]) * constant<V>(-2.0 / 3);
    const V b_even = fma(constant<V>(2), in[2], in[0]) * constant<V>(1.0 / 6);
    const V a_odd = in[1] * constant<V>(-2.0 / 3 * kA), b_odd = in[1] * constant<V>(kB / 6);
    out[0] = in[0];
    out[1] = a_even + a_odd;
    out[2] = a_even - a_odd;
    out[3] = b_even + b_odd;
    out[4] = b_even - b_odd;
    out[5] = in[2];
  }
};

/// out = B^T in, for a column of six.
struct InputTransform {
  static constexpr int kIn = 6, kOut = 6;
  template <class V>
  static void apply(const V* in, V* out) {
    const V a = constant<V>(kA), b = constant<V>(kB), minus_two = constant<V>(-2), minus_half = constant<V>(-0.5);
    const V a_even = fma(minus_two, in[2], in[4]), a_odd = fma(minus_two, in[1], in[3]);
    const V b_even = fma(minus_half, in[2], in[4]), b_odd = fma(minus_half, in[1], in[3]);
    out[0] = fma(constant<V>(-2.5), in[2], in[0] + in[4]);
    out[1] = fma(a, a_odd, a_even);
    out[2] = fnma(a, a_odd, a_even);
    out[3] = fma(b, b_odd, b_even);
    out[4] = fnma(b, b_odd, b_even);
    out[5] = fma(constant<V>(-2.5), in[3], in[1] + in[5]);
  }
};

/// out = A in, for a column of four.
struct GradientTransform {
  static constexpr int kIn = 4, kOut = 6;
  /// Rows 1 and 2 (pair 0), 3 and 4 (1), 0 and 5 (2).
  template <class V>
  [[gnu::always_inline]] static void apply_pair(int pair, const V* in, V& first, V& second) {
    if (pair == 2) {
      first = in[0];
      second = in[3];
    } else {
      const V point = constant<V>(pair == 0 ? kA : kB), square = constant<V>(pair == 0 ? 0.5 : 2);
      const V even = fma(square, in[2], in[0]), odd = fma(square, in[3], in[1]);
      first = fma(point, odd, even);
      second = fnma(point, odd, even);
    }
  }
  template <class V>
  [[gnu::always_inline]] static void apply(const V* in, V* out) {
    apply_pair(0, in, out[1], out[2]);
    apply_pair(1, in, out[3], out[4]);
    apply_pair(2, in, out[0], out[5]);
  }
};

/// out = A^T in, for a column of six.
struct OutputTransform {
  static constexpr int kIn = 6, kOut = 4;
  /// The first and the third; of in[5] nothing.
  template <class V>
  static void apply_even(const V* in, V& first, V& third) {
    const V a_even = in[1] + in[2], b_even = in[3] + in[4];
    first = in[0] + (a_even + b_even);
    third = fma(constant<V>(0.5), a_even, constant<V>(2) * b_even);
  }
  /// The second and the fourth; of in[0] nothing.
  template <class V>
  static void apply_odd(const V* in, V& second, V& fourth) {
    const V a_odd = (in[1] - in[2]) * constant<V>(kA), b_odd = (in[3] - in[4]) * constant<V>(kB);
    second = a_odd + b_odd;
    fourth = fma(constant<V>(0.5), a_odd, fma(constant<V>(2), b_odd, in[5]));
  }
  template <class V>
  static void apply(const V* in, V* out) {
    apply_even(in, out[0], out[2]);
    apply_odd(in, out[1], out[3]);
  }
};

/// out = G^T in, for a column of six.
struct FilterGradientTransform {
  static constexpr int kIn = 6, kOut = 3;
  template <class V>
  static void apply(const V* in, V* out) {
    const V a_even = (in[1] + in[2]) * constant<V>(-2.0 / 3), b_even = (in[3] + in[4]) * constant<V>(1.0 / 6);
    const V a_odd = in[1] - in[2], b_odd = in[3] - in[4];
    out[0] = in[0] + (a_even + b_even);
    const V a_factor = constant<V>(-2.0 / 3 * kA), b_factor = constant<V>(kB / 6);
    if constexpr (simd::Set<typename V::arch_type, float>::kRegisters > 16) {  // as the compiler has always had it
      out[1] = fused(b_factor, b_odd, a_factor * a_odd);
    } else {
      out[1] = fused(a_factor, a_odd, b_factor * b_odd);
    }
    out[2] = fma(constant<V>(0.5), a_even, fma(constant<V>(2), b_even, in[5]));
  }
};

/// out = M in M^T: each column first, then each row. load(row, column) gives in, store(row, column, value) takes out.
template <class V, class Transform, class Load, class Store>
[[gnu::always_inline]] inline void transform_both(const Load& load, const Store& store) {
  constexpr int kIn = Transform::kIn, kOut = Transform::kOut;
  V half[kOut][kIn];
  unrolled<kIn>([&](int q) __attribute__((always_inline)) {
    V in[kIn], out[kOut];
    unrolled<kIn>([&](int p) __attribute__((always_inline)) { in[p] = load(p, q); });
    Transform::template apply<V>(in, out);
    unrolled<kOut>([&](int p) __attribute__((always_inline)) { half[p][q] = out[p]; });
  });
  unrolled<kOut>([&](int p) __attribute__((always_inline)) {
    V out[kOut];
    Transform::template apply<V>(half[p], out);
    unrolled<kOut>([&](int q) __attribute__((always_inline)) { store(p, q, out[q]); });
  });
}

}  // namespace simd::conv_winograd
}  // namespace evenkeel::kernels
