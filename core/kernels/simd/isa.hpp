#pragma once

#include <string_view>

namespace evenkeel {

/// Instruction sets that the SIMD kernels are built for; avx2 includes FMA3, avx512 means F, CD, DQ and BW.
enum class Isa { sse2, avx2, avx512 };

/// Tags that select a kernel's instantiation.
struct Sse2 {};
struct Avx2 {};
struct Avx512 {};

/// The best set that this machine has, unless set_isa() or the environment variable EVENKEEL_ISA (sse2, avx2, avx512;
/// read once) chose a lower one.
Isa active_isa();
/// For tests and measurements; throws if the machine lacks the set.
void set_isa(Isa isa);
bool isa_supported(Isa isa);
std::string_view name(Isa isa);

/// Calls f.operator()<Arch>() with the tag of the active instruction set.
template <class F>
decltype(auto) dispatch_isa(F&& f) {
  switch (active_isa()) {
    case Isa::avx512:
      return f.template operator()<Avx512>();
    case Isa::avx2:
      return f.template operator()<Avx2>();
    default:
      return f.template operator()<Sse2>();
  }
}

}  // namespace evenkeel
