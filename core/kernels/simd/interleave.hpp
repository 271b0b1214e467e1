#pragma once

#include "evenkeel/core/kernels/simd/batch.hpp"

namespace evenkeel::kernels::simd {

/// even = p[0], p[2], ..., odd = p[1], p[3], ... of two registers.
template <class Arch, class T>
void unzip(const Batch<Arch, T>& low, const Batch<Arch, T>& high, Batch<Arch, T>& even, Batch<Arch, T>& odd) {
  constexpr bool kFloat = sizeof(T) == sizeof(float);
  if constexpr (std::is_same_v<Arch, Avx512> && kFloat) {
    const __m512i first = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    even = _mm512_permutex2var_ps(low, first, high);
    odd = _mm512_permutex2var_ps(low, _mm512_add_epi32(first, _mm512_set1_epi32(1)), high);
  } else if constexpr (std::is_same_v<Arch, Avx512>) {
    const __m512i first = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    even = _mm512_permutex2var_pd(low, first, high);
    odd = _mm512_permutex2var_pd(low, _mm512_add_epi64(first, _mm512_set1_epi64(1)), high);
  } else if constexpr (std::is_same_v<Arch, Avx2> && kFloat) {
    const __m256d evens = _mm256_castps_pd(_mm256_shuffle_ps(low, high, 0x88));
    const __m256d odds = _mm256_castps_pd(_mm256_shuffle_ps(low, high, 0xDD));
    even = _mm256_castpd_ps(_mm256_permute4x64_pd(evens, 0xD8));
    odd = _mm256_castpd_ps(_mm256_permute4x64_pd(odds, 0xD8));
  } else if constexpr (std::is_same_v<Arch, Avx2>) {
    even = _mm256_permute4x64_pd(_mm256_unpacklo_pd(low, high), 0xD8);
    odd = _mm256_permute4x64_pd(_mm256_unpackhi_pd(low, high), 0xD8);
  } else if constexpr (kFloat) {
    even = _mm_shuffle_ps(low, high, 0x88);
    odd = _mm_shuffle_ps(low, high, 0xDD);
  } else {
    even = _mm_unpacklo_pd(low, high);
    odd = _mm_unpackhi_pd(low, high);
  }
}

/// The inverse of unzip.
template <class Arch, class T>
void zip(const Batch<Arch, T>& even, const Batch<Arch, T>& odd, Batch<Arch, T>& low, Batch<Arch, T>& high) {
  if constexpr (std::is_same_v<Arch, Avx512> && sizeof(T) == sizeof(float)) {
    const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    low = _mm512_permutex2var_ps(even, first, odd);
    high = _mm512_permutex2var_ps(even, _mm512_add_epi32(first, _mm512_set1_epi32(8)), odd);
  } else if constexpr (std::is_same_v<Arch, Avx512>) {
    const __m512i first = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
    low = _mm512_permutex2var_pd(even, first, odd);
    high = _mm512_permutex2var_pd(even, _mm512_add_epi64(first, _mm512_set1_epi64(4)), odd);
  } else if constexpr (std::is_same_v<Arch, Avx2> && sizeof(T) == sizeof(float)) {
    const __m256 first = _mm256_unpacklo_ps(even, odd);
    const __m256 second = _mm256_unpackhi_ps(even, odd);
    low = _mm256_permute2f128_ps(first, second, 0x20);
    high = _mm256_permute2f128_ps(first, second, 0x31);
  } else if constexpr (std::is_same_v<Arch, Avx2>) {
    const __m256d first = _mm256_unpacklo_pd(even, odd);
    const __m256d second = _mm256_unpackhi_pd(even, odd);
    low = _mm256_permute2f128_pd(first, second, 0x20);
    high = _mm256_permute2f128_pd(first, second, 0x31);
  } else {
    low = xsimd::zip_lo(even, odd);
    high = xsimd::zip_hi(even, odd);
  }
}

/// `count` elements or a register, zeros (nothing) behind them.
template <class Arch, class T>
Batch<Arch, T> load_some(const T* p, std::int64_t count) {
  using V = Batch<Arch, T>;
  return count >= kLanes<Arch, T> ? V::load_unaligned(p) : count > 0 ? load_partial<Arch, T>(p, count, T(0)) : V(T(0));
}
template <class Arch, class T>
void store_some(const Batch<Arch, T>& value, T* p, std::int64_t count) {
  if (count >= kLanes<Arch, T>) {
    value.store_unaligned(p);
  } else if (count > 0) {
    store_partial<Arch, T>(value, p, count);
  }
}

/// A register of numbers below 128, in the first bytes of the result.
template <class Arch, class T>
__m128i to_bytes(const Batch<Arch, T>& value) {
  constexpr bool kFloat = sizeof(T) == sizeof(float);
  if constexpr (std::is_same_v<Arch, Avx512> && kFloat) {
    return _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(value));
  } else if constexpr (std::is_same_v<Arch, Avx512>) {
    return _mm512_cvtepi64_epi8(_mm512_cvtpd_epi64(value));
  } else if constexpr (std::is_same_v<Arch, Avx2> && kFloat) {
    const __m256i words = _mm256_cvtps_epi32(value);
    const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    return _mm_packs_epi16(halves, halves);
  } else {
    __m128i words;
    if constexpr (kFloat) {
      words = _mm_cvtps_epi32(value);
    } else if constexpr (std::is_same_v<Arch, Avx2>) {
      words = _mm256_cvtpd_epi32(value);
    } else {
      words = _mm_cvtpd_epi32(value);
    }
    const __m128i halves = _mm_packs_epi32(words, words);
    return _mm_packs_epi16(halves, halves);
  }
}

/// Stores `count` numbers below 128, or a register of them, as bytes.
template <class Arch, class T>
void store_bytes(const Batch<Arch, T>& value, std::uint8_t* p, std::int64_t count) {
  alignas(16) std::uint8_t bytes[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(bytes), to_bytes<Arch, T>(value));
  if (count >= kLanes<Arch, T>) {
    __builtin_memcpy(p, bytes, kLanes<Arch, T>);
  } else {
    __builtin_memcpy(p, bytes, static_cast<std::size_t>(count));
  }
}

/// A register of numbers from bytes; reads one byte per lane.
template <class Arch, class T>
Batch<Arch, T> load_bytes(const std::uint8_t* p) {
  constexpr bool kFloat = sizeof(T) == sizeof(float);
  __m128i packed;
  if constexpr (kLanes<Arch, T> == 16) {
    packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  } else if constexpr (kLanes<Arch, T> == 8) {
    packed = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  } else {
    std::int32_t bytes = 0;
    __builtin_memcpy(&bytes, p, kLanes<Arch, T>);
    packed = _mm_cvtsi32_si128(bytes);
  }
  if constexpr (std::is_same_v<Arch, Avx512> && kFloat) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(packed));
  } else if constexpr (std::is_same_v<Arch, Avx512>) {
    return _mm512_cvtepi64_pd(_mm512_cvtepu8_epi64(packed));
  } else if constexpr (std::is_same_v<Arch, Avx2> && kFloat) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(packed));
  } else if constexpr (std::is_same_v<Arch, Avx2>) {
    return _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(packed));
  } else {
    const __m128i zero = _mm_setzero_si128();
    const __m128i words = _mm_unpacklo_epi16(_mm_unpacklo_epi8(packed, zero), zero);
    if constexpr (kFloat) {
      return _mm_cvtepi32_ps(words);
    } else {
      return _mm_cvtepi32_pd(words);
    }
  }
}

}  // namespace evenkeel::kernels::simd
