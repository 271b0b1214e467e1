#pragma once

// For the per-instruction-set sources only. Every function in kernels/simd carries Arch as a template parameter: an
// inline function without it, compiled with -mavx512f and merged by the linker, would crash older machines.

#include <cstddef>
#include <xsimd/xsimd.hpp>

#include "core/kernels/isa.hpp"

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

/// A SIMD register of T for the instruction set Arch.
template <class Arch, class T>
using Batch = xsimd::batch<T, typename XsimdArch<Arch>::type>;

}  // namespace evenkeel::kernels::simd
