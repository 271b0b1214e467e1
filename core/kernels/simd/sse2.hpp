#pragma once

// SSE2, what every x86-64 machine has.

#include "evenkeel/core/kernels/simd/generic.hpp"
#include "evenkeel/core/kernels/simd/x86.hpp"

#include <emmintrin.h>

namespace evenkeel::kernels::simd {

template <>
struct Set<Sse2, float> : PlainSet<Sse2, float, 16> {
  static __m128 negate(__m128 a) { return _mm_xor_ps(a, _mm_set1_ps(-0.F)); }
  static __m128 abs(__m128 a) { return _mm_andnot_ps(_mm_set1_ps(-0.F), a); }
  static __m128 sqrt(__m128 a) { return _mm_sqrt_ps(a); }
  static __m128 min(__m128 a, __m128 b) { return _mm_min_ps(a, b); }
  static __m128 max(__m128 a, __m128 b) { return _mm_max_ps(a, b); }

  static __m128d load_as_double(const float* p) {
    return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  static __m128d widen(__m128 value, int half) { return _mm_cvtps_pd(half == 0 ? value : _mm_movehl_ps(value, value)); }
  static __m128 narrow(__m128d low, __m128d high) { return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high)); }

  static float lane_sum(__m128 value) {
    const __m128 halves = _mm_add_ps(value, _mm_movehl_ps(value, value));
    return _mm_cvtss_f32(_mm_add_ss(halves, _mm_shuffle_ps(halves, halves, 1)));
  }
  static void add_lane_sums(__m128 a, __m128 b, double* sums) { X86<Sse2>::add_lane_sums(a, b, sums); }

  static __m128 load_bytes(const std::uint8_t* p) {
    const __m128i zero = _mm_setzero_si128();
    return _mm_cvtepi32_ps(_mm_unpacklo_epi16(_mm_unpacklo_epi8(X86<Sse2>::load_bytes<kCount>(p), zero), zero));
  }
  static void store_bytes(__m128 value, std::uint8_t* p) { X86<Sse2>::store_bytes(_mm_cvtps_epi32(value), p); }

  static void transpose(const float* x, std::int64_t stride, float* b, std::int64_t width) {
    X86<Sse2>::transpose(x, stride, b, width);
  }
};

template <>
struct Set<Sse2, double> : PlainSet<Sse2, double, 16> {
  static __m128d negate(__m128d a) { return _mm_xor_pd(a, _mm_set1_pd(-0.)); }
  static __m128d abs(__m128d a) { return _mm_andnot_pd(_mm_set1_pd(-0.), a); }
  static __m128d sqrt(__m128d a) { return _mm_sqrt_pd(a); }
  static __m128d min(__m128d a, __m128d b) { return _mm_min_pd(a, b); }
  static __m128d max(__m128d a, __m128d b) { return _mm_max_pd(a, b); }

  static __m128d load_as_double(const double* p) { return _mm_loadu_pd(p); }
  static double lane_sum(__m128d value) { return _mm_cvtsd_f64(_mm_add_sd(value, _mm_unpackhi_pd(value, value))); }

  static __m128d load_bytes(const std::uint8_t* p) {
    const __m128i zero = _mm_setzero_si128();
    return _mm_cvtepi32_pd(_mm_unpacklo_epi16(_mm_unpacklo_epi8(X86<Sse2>::load_bytes<kCount>(p), zero), zero));
  }
  static void store_bytes(__m128d value, std::uint8_t* p) { X86<Sse2>::store_bytes(_mm_cvtpd_epi32(value), p); }

  static void transpose(const double* x, std::int64_t stride, double* b, std::int64_t width) {
    X86<Sse2>::transpose(x, stride, b, width);
  }
};

}  // namespace evenkeel::kernels::simd
