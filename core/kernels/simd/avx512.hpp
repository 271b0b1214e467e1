#pragma once

// AVX-512: F, CD, DQ and BW.

#include "evenkeel/core/kernels/simd/generic.hpp"
#include "evenkeel/core/kernels/simd/x86.hpp"

#include <immintrin.h>

namespace evenkeel::kernels::simd {

template <>
struct Set<Avx512, float> : PlainSet<Avx512, float, 64> {
  using Mask = __mmask16;
  static constexpr int kRegisters = 32;
  static constexpr bool kFusedMultiplyAdd = true;

  static __m512 negate(__m512 a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.F)); }
  static __m512 abs(__m512 a) { return _mm512_abs_ps(a); }
  static __m512 sqrt(__m512 a) { return _mm512_sqrt_ps(a); }
  static __m512 min(__m512 a, __m512 b) { return _mm512_min_ps(a, b); }
  static __m512 max(__m512 a, __m512 b) { return _mm512_max_ps(a, b); }
  static __m512 fms(__m512 a, __m512 b, __m512 c) { return _mm512_fmsub_ps(a, b, c); }
  static __m512 fused(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }

  static Mask less(__m512 a, __m512 b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static Mask less_equal(__m512 a, __m512 b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
  static Mask equal(__m512 a, __m512 b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  static Mask both(Mask a, Mask b) { return static_cast<Mask>(a & b); }
  static Mask either(Mask a, Mask b) { return static_cast<Mask>(a | b); }
  static Mask neither(Mask a) { return static_cast<Mask>(~a); }
  static __m512 select(Mask mask, __m512 a, __m512 b) { return _mm512_mask_blend_ps(mask, b, a); }

  static Mask first_lanes(std::int64_t count) { return static_cast<Mask>((1U << count) - 1); }
  static __m512 load_partial(const float* p, std::int64_t count, float rest) {
    return _mm512_mask_loadu_ps(_mm512_set1_ps(rest), first_lanes(count), p);
  }
  static void store_partial(__m512 value, float* p, std::int64_t count) {
    _mm512_mask_storeu_ps(p, first_lanes(count), value);
  }
  static __m512 keep_lanes(__m512 value, std::int64_t count) { return _mm512_maskz_mov_ps(first_lanes(count), value); }

  static __m512d load_as_double(const float* p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
  static __m512d widen(__m512 value, int half) {
    return _mm512_cvtps_pd(half == 0 ? _mm512_castps512_ps256(value) : _mm512_extractf32x8_ps(value, 1));
  }
  static __m512 narrow(__m512d low, __m512d high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
  }

  static __m128 quarter_sum(__m512 value) {
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(value), _mm512_extractf32x8_ps(value, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  }
  static float lane_sum(__m512 value) {
    const __m128 quarters = quarter_sum(value), pairs = _mm_hadd_ps(quarters, quarters);
    return _mm_cvtss_f32(_mm_hadd_ps(pairs, pairs));
  }
  static void lane_sums(__m512 a, __m512 b, __m512 c, __m512 d, float* sums) {
    const __m128 low = _mm_hadd_ps(quarter_sum(a), quarter_sum(b)), high = _mm_hadd_ps(quarter_sum(c), quarter_sum(d));
    _mm_storeu_ps(sums, _mm_hadd_ps(low, high));
  }
  static void add_lane_sums(__m512 a, __m512 b, double* sums) {
    X86<Avx512>::add_lane_sums(quarter_sum(a), quarter_sum(b), sums);
  }
  static float lane_max(__m512 value) { return _mm512_reduce_max_ps(value); }

  static __m512 even_lanes(__m512 low, __m512 high) {
    return _mm512_permutex2var_ps(low, _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30),
                                  high);
  }
  static __m512 odd_lanes(__m512 low, __m512 high) {
    return _mm512_permutex2var_ps(low, _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31),
                                  high);
  }
  static __m512 zip_low(__m512 even, __m512 odd) {
    return _mm512_permutex2var_ps(even, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), odd);
  }
  static __m512 zip_high(__m512 even, __m512 odd) {
    return _mm512_permutex2var_ps(even, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
                                  odd);
  }

  static __m512 load_bytes(const std::uint8_t* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  static void store_bytes(__m512 value, std::uint8_t* p) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(value)));
  }

  static __m512 join(const float* all) { return _mm512_loadu_ps(all); }
  static __m512 join(const float* low, const float* high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)), _mm256_loadu_ps(high), 1);
  }
  static __m512 join(const float* a, const float* b, const float* c, const float* d) {
    const __m512 ab = _mm512_insertf32x4(_mm512_castps128_ps512(_mm_loadu_ps(a)), _mm_loadu_ps(b), 1);
    return _mm512_insertf32x4(_mm512_insertf32x4(ab, _mm_loadu_ps(c), 2), _mm_loadu_ps(d), 3);
  }
  static void split(__m512 value, float* all) { _mm512_storeu_ps(all, value); }
  static void split(__m512 value, float* low, float* high) {
    _mm256_storeu_ps(low, _mm512_castps512_ps256(value));
    _mm256_storeu_ps(high, _mm512_extractf32x8_ps(value, 1));
  }
  static void split(__m512 value, float* a, float* b, float* c, float* d) {
    _mm_storeu_ps(a, _mm512_castps512_ps128(value));
    _mm_storeu_ps(b, _mm512_extractf32x4_ps(value, 1));
    _mm_storeu_ps(c, _mm512_extractf32x4_ps(value, 2));
    _mm_storeu_ps(d, _mm512_extractf32x4_ps(value, 3));
  }

  /// y 2^n, rounded once.
  static __m512 scale(__m512 y, __m512 n) { return _mm512_scalef_ps(y, n); }
  /// 1 / x to 1 ulp for 1 <= x <= 1e30, or NaN: an estimate and one step of Newton's.
  static __m512 inverse(__m512 x) {
    const __m512 r = _mm512_rcp14_ps(x);
    return fma(_mm512_fnmadd_ps(x, r, _mm512_set1_ps(1)), r, r);
  }

  static void transpose(const float* x, std::int64_t stride, float* b, std::int64_t width) {
    X86<Avx512>::transpose(x, stride, b, width);
  }
  /// The same for sixteen columns and steps: pairs of rows, then of pairs, then quarters of registers change places.
  static constexpr std::int64_t kWideSide = 16;
  static void transpose_wide(const float* x, std::int64_t stride, float* b, std::int64_t width) {
    __m512 r[16], t[16];
    for (int i = 0; i < 16; ++i) {
      r[i] = _mm512_loadu_ps(x + i * stride);
    }
    for (int i = 0; i < 16; i += 2) {
      t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
      for (int h = 0; h < 2; ++h) {
        const __m512d low = _mm512_castps_pd(t[i + h]), high = _mm512_castps_pd(t[i + h + 2]);
        r[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
        r[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
      }
    }
    for (int m = 0; m < 4; ++m) {
      const __m512 even_low = _mm512_shuffle_f32x4(r[m], r[m + 4], 0x88);
      const __m512 odd_low = _mm512_shuffle_f32x4(r[m], r[m + 4], 0xdd);
      const __m512 even_high = _mm512_shuffle_f32x4(r[m + 8], r[m + 12], 0x88);
      const __m512 odd_high = _mm512_shuffle_f32x4(r[m + 8], r[m + 12], 0xdd);
      _mm512_storeu_ps(b + m * width, _mm512_shuffle_f32x4(even_low, even_high, 0x88));
      _mm512_storeu_ps(b + (m + 4) * width, _mm512_shuffle_f32x4(odd_low, odd_high, 0x88));
      _mm512_storeu_ps(b + (m + 8) * width, _mm512_shuffle_f32x4(even_low, even_high, 0xdd));
      _mm512_storeu_ps(b + (m + 12) * width, _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd));
    }
  }
};

template <>
struct Set<Avx512, double> : PlainSet<Avx512, double, 64> {
  using Mask = __mmask8;
  static constexpr int kRegisters = 32;
  static constexpr bool kFusedMultiplyAdd = true;

  static __m512d negate(__m512d a) { return _mm512_xor_pd(a, _mm512_set1_pd(-0.)); }
  static __m512d abs(__m512d a) { return _mm512_abs_pd(a); }
  static __m512d sqrt(__m512d a) { return _mm512_sqrt_pd(a); }
  static __m512d min(__m512d a, __m512d b) { return _mm512_min_pd(a, b); }
  static __m512d max(__m512d a, __m512d b) { return _mm512_max_pd(a, b); }
  static __m512d fms(__m512d a, __m512d b, __m512d c) { return _mm512_fmsub_pd(a, b, c); }
  static __m512d fused(__m512d a, __m512d b, __m512d c) { return _mm512_fmadd_pd(a, b, c); }

  static Mask less(__m512d a, __m512d b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
  static Mask less_equal(__m512d a, __m512d b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }
  static Mask equal(__m512d a, __m512d b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
  static Mask both(Mask a, Mask b) { return static_cast<Mask>(a & b); }
  static Mask either(Mask a, Mask b) { return static_cast<Mask>(a | b); }
  static Mask neither(Mask a) { return static_cast<Mask>(~a); }
  static __m512d select(Mask mask, __m512d a, __m512d b) { return _mm512_mask_blend_pd(mask, b, a); }

  static Mask first_lanes(std::int64_t count) { return static_cast<Mask>((1U << count) - 1); }
  static __m512d load_partial(const double* p, std::int64_t count, double rest) {
    return _mm512_mask_loadu_pd(_mm512_set1_pd(rest), first_lanes(count), p);
  }
  static void store_partial(__m512d value, double* p, std::int64_t count) {
    _mm512_mask_storeu_pd(p, first_lanes(count), value);
  }
  static __m512d keep_lanes(__m512d value, std::int64_t count) {
    return _mm512_maskz_mov_pd(first_lanes(count), value);
  }

  static __m512d load_as_double(const double* p) { return _mm512_loadu_pd(p); }
  static double lane_sum(__m512d value) {
    const __m256d half = _mm256_add_pd(_mm512_castpd512_pd256(value), _mm512_extractf64x4_pd(value, 1));
    const __m128d quarter = _mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1));
    return _mm_cvtsd_f64(_mm_hadd_pd(quarter, quarter));
  }
  static double lane_max(__m512d value) { return _mm512_reduce_max_pd(value); }

  static __m512d even_lanes(__m512d low, __m512d high) {
    return _mm512_permutex2var_pd(low, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), high);
  }
  static __m512d odd_lanes(__m512d low, __m512d high) {
    return _mm512_permutex2var_pd(low, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), high);
  }
  static __m512d zip_low(__m512d even, __m512d odd) {
    return _mm512_permutex2var_pd(even, _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), odd);
  }
  static __m512d zip_high(__m512d even, __m512d odd) {
    return _mm512_permutex2var_pd(even, _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15), odd);
  }

  static __m512d load_bytes(const std::uint8_t* p) {
    return _mm512_cvtepi64_pd(_mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  static void store_bytes(__m512d value, std::uint8_t* p) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm512_cvtepi64_epi8(_mm512_cvtpd_epi64(value)));
  }

  /// y 2^n, rounded once.
  static __m512d scale(__m512d y, __m512d n) { return _mm512_scalef_pd(y, n); }

  static void transpose(const double* x, std::int64_t stride, double* b, std::int64_t width) {
    X86<Avx512>::transpose(x, stride, b, width);
  }
};

}  // namespace evenkeel::kernels::simd
