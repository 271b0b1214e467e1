#pragma once

// What the sets of x86 share, in registers of 16 bytes. Carries Arch, so that each set has its own copy.

#include <cstdint>
#include <emmintrin.h>

namespace evenkeel::kernels::simd {

template <class Arch>
struct X86 {
  /// The sums of a's and of b's lanes are added to two doubles at once.
  static void add_lane_sums(__m128 a, __m128 b, double* sums) {
    const __m128 pairs = _mm_add_ps(_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));  // a, b, a, b
    const __m128d both = _mm_cvtps_pd(_mm_add_ps(pairs, _mm_movehl_ps(pairs, pairs)));
    _mm_storeu_pd(sums, _mm_add_pd(_mm_loadu_pd(sums), both));
  }

  /// Four integers below 128 as bytes.
  static void store_bytes(__m128i words, std::uint8_t* p) {
    const __m128i halves = _mm_packs_epi32(words, words);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(halves, halves));
  }
  template <int kCount>
  static __m128i load_bytes(const std::uint8_t* p) {
    std::int32_t bytes = 0;
    __builtin_memcpy(&bytes, p, kCount);
    return _mm_cvtsi32_si128(bytes);
  }

  static void transpose(const float* x, std::int64_t stride, float* b, std::int64_t width) {
    __m128 r0 = _mm_loadu_ps(x), r1 = _mm_loadu_ps(x + stride);
    __m128 r2 = _mm_loadu_ps(x + 2 * stride), r3 = _mm_loadu_ps(x + 3 * stride);
    _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
    _mm_storeu_ps(b, r0);
    _mm_storeu_ps(b + width, r1);
    _mm_storeu_ps(b + 2 * width, r2);
    _mm_storeu_ps(b + 3 * width, r3);
  }
  static void transpose(const double* x, std::int64_t stride, double* b, std::int64_t width) {
    const __m128d r0 = _mm_loadu_pd(x), r1 = _mm_loadu_pd(x + stride);
    _mm_storeu_pd(b, _mm_unpacklo_pd(r0, r1));
    _mm_storeu_pd(b + width, _mm_unpackhi_pd(r0, r1));
  }
};

}  // namespace evenkeel::kernels::simd
