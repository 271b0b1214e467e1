#pragma once

#include "evenkeel/core/kernels/simd/built_isas.hpp"

#include <string_view>

namespace evenkeel {

/// Instruction sets that SIMD kernels exist for; avx2 includes FMA3, avx512 means F, CD, DQ and BW. generic is code
/// without intrinsics, which runs on any machine; chosen only if asked for, or where nothing else is built.
enum class Isa { generic, sse2, avx2, avx512 };

/// Tags that select a kernel's instantiation.
struct Generic {
  static constexpr Isa kIsa = Isa::generic;
};
struct Sse2 {
  static constexpr Isa kIsa = Isa::sse2;
};
struct Avx2 {
  static constexpr Isa kIsa = Isa::avx2;
};
struct Avx512 {
  static constexpr Isa kIsa = Isa::avx512;
};

/// The best set that this machine has, unless set_isa() or the environment variable EVENKEEL_ISA (generic, sse2, avx2,
/// avx512; read once) chose another. With an unknown name, a set that the machine lacks or that the library was built
/// without, the program ends when it starts: one line on stderr, exit code 1.
Isa active_isa();
/// For tests and measurements; throws ValueError if the machine lacks the set or the library was built
/// without it.
void set_isa(Isa isa);
/// Whether the library has kernels for the set and the machine can run them.
bool isa_supported(Isa isa);
/// As in EVENKEEL_ISA.
std::string_view name(Isa isa);

namespace detail {

template <class F, class First, class... Rest>
decltype(auto) dispatch_isa(IsaList<First, Rest...>, Isa isa, F&& f) {
  if constexpr (sizeof...(Rest) == 0) {
    return f.template operator()<First>();
  } else {
    return isa == First::kIsa ? f.template operator()<First>() : dispatch_isa(IsaList<Rest...>(), isa, f);
  }
}

}  // namespace detail

/// Calls f.operator()<Arch>() with the tag of the active instruction set.
template <class F>
decltype(auto) dispatch_isa(F&& f) {
  return detail::dispatch_isa(BuiltIsas(), active_isa(), f);
}

}  // namespace evenkeel
