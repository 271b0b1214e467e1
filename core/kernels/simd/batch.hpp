#pragma once

// For the per-instruction-set sources only. Every function in kernels/simd carries Arch as a template parameter: an
// inline function without it, compiled with -mavx512f and merged by the linker, would crash older machines.

#include "core/kernels/isa.hpp"

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

/// Loads the first `count` < kLanes elements; the other lanes are `rest`. With store_partial the last elements of an
/// array take the same path as all others, so a value never depends on its position.
template <class Arch, class T>
Batch<Arch, T> load_partial(const T* p, std::int64_t count, T rest) {
  alignas(64) T lanes[kLanes<Arch, T>];
  for (std::int64_t i = 0; i < kLanes<Arch, T>; ++i) {
    lanes[i] = i < count ? p[i] : rest;
  }
  return Batch<Arch, T>::load_aligned(lanes);
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

template <class Arch, class T>
void store_partial(const Batch<Arch, T>& value, T* p, std::int64_t count) {
  alignas(64) T lanes[kLanes<Arch, T>];
  value.store_aligned(lanes);
  for (std::int64_t i = 0; i < count; ++i) {
    p[i] = lanes[i];
  }
}

}  // namespace evenkeel::kernels::simd
