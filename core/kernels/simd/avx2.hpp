#pragma once

// AVX2 with FMA3.

#include "evenkeel/core/kernels/simd/generic.hpp"
#include "evenkeel/core/kernels/simd/x86.hpp"

#include <immintrin.h>

namespace evenkeel::kernels::simd {

template <>
struct Set<Avx2, float> : PlainSet<Avx2, float, 32> {
  static constexpr bool kFusedMultiplyAdd = true;

  static __m256 negate(__m256 a) { return _mm256_xor_ps(a, _mm256_set1_ps(-0.F)); }
  static __m256 abs(__m256 a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.F), a); }
  static __m256 sqrt(__m256 a) { return _mm256_sqrt_ps(a); }
  static __m256 min(__m256 a, __m256 b) { return _mm256_min_ps(a, b); }
  static __m256 max(__m256 a, __m256 b) { return _mm256_max_ps(a, b); }
  static __m256 fma(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
  static __m256 fms(__m256 a, __m256 b, __m256 c) { return _mm256_fmsub_ps(a, b, c); }
  static __m256 fnma(__m256 a, __m256 b, __m256 c) { return _mm256_fnmadd_ps(a, b, c); }
  static __m256 fused(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
  static __m256 select(Mask mask, __m256 a, __m256 b) { return _mm256_blendv_ps(b, a, to_raw(mask)); }

  /// All ones in the first `count` lanes.
  static __m256i first_lanes(std::int64_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static __m256 load_partial(const float* p, std::int64_t count, float rest) {
    const __m256i mask = first_lanes(count);
    return _mm256_blendv_ps(_mm256_set1_ps(rest), _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
  }
  static void store_partial(__m256 value, float* p, std::int64_t count) {
    _mm256_maskstore_ps(p, first_lanes(count), value);
  }
  static __m256 keep_lanes(__m256 value, std::int64_t count) {
    return _mm256_and_ps(value, _mm256_castsi256_ps(first_lanes(count)));
  }

  static __m256d load_as_double(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
  static __m256d widen(__m256 value, int half) {
    return _mm256_cvtps_pd(half == 0 ? _mm256_castps256_ps128(value) : _mm256_extractf128_ps(value, 1));
  }
  static __m256 narrow(__m256d low, __m256d high) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(low)), _mm256_cvtpd_ps(high), 1);
  }

  static __m128 half_sum(__m256 value) {
    return _mm_add_ps(_mm256_castps256_ps128(value), _mm256_extractf128_ps(value, 1));
  }
  static float lane_sum(__m256 value) {
    const __m128 halves = half_sum(value), pairs = _mm_hadd_ps(halves, halves);
    return _mm_cvtss_f32(_mm_hadd_ps(pairs, pairs));
  }
  static void add_lane_sums(__m256 a, __m256 b, double* sums) {
    X86<Avx2>::add_lane_sums(half_sum(a), half_sum(b), sums);
  }

  static __m256 even_lanes(__m256 low, __m256 high) {
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps(low, high, 0x88)), 0xD8));
  }
  static __m256 odd_lanes(__m256 low, __m256 high) {
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps(low, high, 0xDD)), 0xD8));
  }
  static __m256 zip_low(__m256 even, __m256 odd) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(even, odd), _mm256_unpackhi_ps(even, odd), 0x20);
  }
  static __m256 zip_high(__m256 even, __m256 odd) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(even, odd), _mm256_unpackhi_ps(even, odd), 0x31);
  }

  static __m256 load_bytes(const std::uint8_t* p) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
  }
  static void store_bytes(__m256 value, std::uint8_t* p) {
    const __m256i words = _mm256_cvtps_epi32(value);
    const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(halves, halves));
  }

  static __m256 join(const float* all) { return _mm256_loadu_ps(all); }
  static __m256 join(const float* low, const float* high) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
  }
  static void split(__m256 value, float* all) { _mm256_storeu_ps(all, value); }
  static void split(__m256 value, float* low, float* high) {
    _mm_storeu_ps(low, _mm256_castps256_ps128(value));
    _mm_storeu_ps(high, _mm256_extractf128_ps(value, 1));
  }

  static void transpose(const float* x, std::int64_t stride, float* b, std::int64_t width) {
    X86<Avx2>::transpose(x, stride, b, width);
  }
};

template <>
struct Set<Avx2, double> : PlainSet<Avx2, double, 32> {
  static constexpr bool kFusedMultiplyAdd = true;

  static __m256d negate(__m256d a) { return _mm256_xor_pd(a, _mm256_set1_pd(-0.)); }
  static __m256d abs(__m256d a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.), a); }
  static __m256d sqrt(__m256d a) { return _mm256_sqrt_pd(a); }
  static __m256d min(__m256d a, __m256d b) { return _mm256_min_pd(a, b); }
  static __m256d max(__m256d a, __m256d b) { return _mm256_max_pd(a, b); }
  static __m256d fma(__m256d a, __m256d b, __m256d c) { return _mm256_fmadd_pd(a, b, c); }
  static __m256d fms(__m256d a, __m256d b, __m256d c) { return _mm256_fmsub_pd(a, b, c); }
  static __m256d fnma(__m256d a, __m256d b, __m256d c) { return _mm256_fnmadd_pd(a, b, c); }
  static __m256d fused(__m256d a, __m256d b, __m256d c) { return _mm256_fmadd_pd(a, b, c); }
  static __m256d select(Mask mask, __m256d a, __m256d b) { return _mm256_blendv_pd(b, a, to_raw(mask)); }

  /// All ones in the first `count` lanes.
  static __m256i first_lanes(std::int64_t count) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
  }
  static __m256d load_partial(const double* p, std::int64_t count, double rest) {
    const __m256i mask = first_lanes(count);
    return _mm256_blendv_pd(_mm256_set1_pd(rest), _mm256_maskload_pd(p, mask), _mm256_castsi256_pd(mask));
  }
  static void store_partial(__m256d value, double* p, std::int64_t count) {
    _mm256_maskstore_pd(p, first_lanes(count), value);
  }
  static __m256d keep_lanes(__m256d value, std::int64_t count) {
    return _mm256_and_pd(value, _mm256_castsi256_pd(first_lanes(count)));
  }

  static __m256d load_as_double(const double* p) { return _mm256_loadu_pd(p); }
  static double lane_sum(__m256d value) {
    const __m128d halves = _mm_add_pd(_mm256_castpd256_pd128(value), _mm256_extractf128_pd(value, 1));
    return _mm_cvtsd_f64(_mm_hadd_pd(halves, halves));
  }

  static __m256d even_lanes(__m256d low, __m256d high) {
    return _mm256_permute4x64_pd(_mm256_unpacklo_pd(low, high), 0xD8);
  }
  static __m256d odd_lanes(__m256d low, __m256d high) {
    return _mm256_permute4x64_pd(_mm256_unpackhi_pd(low, high), 0xD8);
  }
  static __m256d zip_low(__m256d even, __m256d odd) {
    return _mm256_permute2f128_pd(_mm256_unpacklo_pd(even, odd), _mm256_unpackhi_pd(even, odd), 0x20);
  }
  static __m256d zip_high(__m256d even, __m256d odd) {
    return _mm256_permute2f128_pd(_mm256_unpacklo_pd(even, odd), _mm256_unpackhi_pd(even, odd), 0x31);
  }

  static __m256d load_bytes(const std::uint8_t* p) {
    return _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(X86<Avx2>::load_bytes<kCount>(p)));
  }
  static void store_bytes(__m256d value, std::uint8_t* p) { X86<Avx2>::store_bytes(_mm256_cvtpd_epi32(value), p); }

  static void transpose(const double* x, std::int64_t stride, double* b, std::int64_t width) {
    X86<Avx2>::transpose(x, stride, b, width);
  }
};

}  // namespace evenkeel::kernels::simd
