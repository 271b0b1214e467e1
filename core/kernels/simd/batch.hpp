#pragma once

// For the per-instruction-set sources only. Every function in kernels/simd carries Arch as a template parameter: an
// inline function without it, compiled with -mavx512f and merged by the linker, would crash older machines.

#include "evenkeel/core/kernels/simd/isa.hpp"

#include <xsimd/xsimd.hpp>

#include <cstddef>
#include <cstdint>
#include <immintrin.h>
#include <type_traits>

namespace evenkeel::kernels::simd {

template <class Arch>
struct XsimdArch;
template <>
struct XsimdArch<Sse2> {
  using type = xsimd::sse2;
};
template <>
struct XsimdArch<Avx2> {
  using type = xsimd::fma3<xsimd::avx2>;
};
template <>
struct XsimdArch<Avx512> {
  using type = xsimd::avx512bw;
};

/// A SIMD register of T for the instruction set Arch. Beware: on AVX xsimd 8.1 gives false for NaN != NaN; use ==.
template <class Arch, class T>
using Batch = xsimd::batch<T, typename XsimdArch<Arch>::type>;

/// Number of lanes.
template <class Arch, class T>
inline constexpr std::int64_t kLanes = static_cast<std::int64_t>(Batch<Arch, T>::size);

/// The first `count` lanes, as AVX2's masked loads and stores want them.
template <class Arch, class T>
__m256i lane_mask(std::int64_t count) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  } else {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
  }
}

/// Loads the first `count` < kLanes elements; the other lanes are `rest`. With store_partial the last elements of an
/// array take the same path as all others, so a value never depends on its position. T: float or double.
template <class Arch, class T>
Batch<Arch, T> load_partial(const T* p, std::int64_t count, T rest) {
  constexpr bool kFloat = sizeof(T) == sizeof(float);
  if constexpr (std::is_same_v<Arch, Avx512> && kFloat) {
    return _mm512_mask_loadu_ps(_mm512_set1_ps(rest), static_cast<__mmask16>((1U << count) - 1), p);
  } else if constexpr (std::is_same_v<Arch, Avx512>) {
    return _mm512_mask_loadu_pd(_mm512_set1_pd(rest), static_cast<__mmask8>((1U << count) - 1), p);
  } else if constexpr (std::is_same_v<Arch, Avx2> && kFloat) {
    const __m256i mask = lane_mask<Arch, T>(count);
    return _mm256_blendv_ps(_mm256_set1_ps(rest), _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
  } else if constexpr (std::is_same_v<Arch, Avx2>) {
    const __m256i mask = lane_mask<Arch, T>(count);
    return _mm256_blendv_pd(_mm256_set1_pd(rest), _mm256_maskload_pd(p, mask), _mm256_castsi256_pd(mask));
  } else {
    alignas(64) T lanes[kLanes<Arch, T>];
    for (std::int64_t i = 0; i < kLanes<Arch, T>; ++i) {
      lanes[i] = i < count ? p[i] : rest;
    }
    return Batch<Arch, T>::load_aligned(lanes);
  }
}

/// Stores the first `count` <= kLanes lanes.
template <class Arch, class T>
void store_partial(const Batch<Arch, T>& value, T* p, std::int64_t count) {
  constexpr bool kFloat = sizeof(T) == sizeof(float);
  if constexpr (std::is_same_v<Arch, Avx512> && kFloat) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1U << count) - 1), value);
  } else if constexpr (std::is_same_v<Arch, Avx512>) {
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1U << count) - 1), value);
  } else if constexpr (std::is_same_v<Arch, Avx2> && kFloat) {
    _mm256_maskstore_ps(p, lane_mask<Arch, T>(count), value);
  } else if constexpr (std::is_same_v<Arch, Avx2>) {
    _mm256_maskstore_pd(p, lane_mask<Arch, T>(count), value);
  } else {
    alignas(64) T lanes[kLanes<Arch, T>];
    value.store_aligned(lanes);
    for (std::int64_t i = 0; i < count; ++i) {
      p[i] = lanes[i];
    }
  }
}

/// The first `count` < kLanes lanes of v; the others are 0.
template <class Arch, class T>
Batch<Arch, T> keep_lanes(const Batch<Arch, T>& v, std::int64_t count) {
  constexpr bool kFloat = sizeof(T) == sizeof(float);
  if constexpr (std::is_same_v<Arch, Avx512> && kFloat) {
    return _mm512_maskz_mov_ps(static_cast<__mmask16>((1U << count) - 1), v);
  } else if constexpr (std::is_same_v<Arch, Avx512>) {
    return _mm512_maskz_mov_pd(static_cast<__mmask8>((1U << count) - 1), v);
  } else if constexpr (std::is_same_v<Arch, Avx2> && kFloat) {
    return _mm256_and_ps(v, _mm256_castsi256_ps(lane_mask<Arch, T>(count)));
  } else if constexpr (std::is_same_v<Arch, Avx2>) {
    return _mm256_and_pd(v, _mm256_castsi256_pd(lane_mask<Arch, T>(count)));
  } else {
    alignas(16) T lanes[kLanes<Arch, T>];
    v.store_aligned(lanes);
    return load_partial<Arch, T>(lanes, count, T(0));
  }
}

/// The sum of all lanes.
template <class Arch, class T>
T lane_sum(const Batch<Arch, T>& v) {
  return xsimd::hadd(v);
}

/// Four partial sums of a register of floats.
template <class Arch>
__m128 quarter(const Batch<Arch, float>& v) {
  if constexpr (std::is_same_v<Arch, Avx512>) {
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  } else if constexpr (std::is_same_v<Arch, Avx2>) {
    return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  } else {
    return v;
  }
}

/// sums[0] += the sum of a's lanes, sums[1] += that of b's, both at once. (The order within a register is not that of
/// lane_sum.)
template <class Arch, class T>
[[gnu::always_inline]] inline void add_lane_sums(const Batch<Arch, T>& a, const Batch<Arch, T>& b, double* sums) {
  if constexpr (sizeof(T) == sizeof(double)) {
    sums[0] += lane_sum<Arch, T>(a);
    sums[1] += lane_sum<Arch, T>(b);
  } else {
    const __m128 a4 = quarter<Arch>(a), b4 = quarter<Arch>(b);
    const __m128 pairs = _mm_add_ps(_mm_unpacklo_ps(a4, b4), _mm_unpackhi_ps(a4, b4));  // a, b, a, b
    const __m128d both = _mm_cvtps_pd(_mm_add_ps(pairs, _mm_movehl_ps(pairs, pairs)));
    _mm_storeu_pd(sums, _mm_add_pd(_mm_loadu_pd(sums), both));
  }
}

/// Loads kLanes<Arch, double> elements as doubles.
template <class Arch>
Batch<Arch, double> load_as_double(const double* p) {
  return Batch<Arch, double>::load_unaligned(p);
}
template <class Arch>
Batch<Arch, double> load_as_double(const float* p) {
  if constexpr (std::is_same_v<Arch, Avx512>) {
    return _mm512_cvtps_pd(_mm256_loadu_ps(p));
  } else if constexpr (std::is_same_v<Arch, Avx2>) {
    return _mm256_cvtps_pd(_mm_loadu_ps(p));
  } else {
    return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
}

}  // namespace evenkeel::kernels::simd
