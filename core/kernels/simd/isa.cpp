#include "evenkeel/core/kernels/simd/isa.hpp"

#include "evenkeel/core/error.hpp"

#include <atomic>
#include <cstdlib>
#include <string>

namespace evenkeel {
namespace {

constexpr Isa kAll[] = {Isa::avx512, Isa::avx2, Isa::sse2};

Isa best_isa() {
  for (const Isa isa : kAll) {
    if (isa_supported(isa)) {
      return isa;
    }
  }
  return Isa::sse2;
}

/// EVENKEEL_ISA if it is set. A set that this machine lacks, or an unknown name, is an error rather than a guess.
Isa initial_isa() {
  const char* variable = std::getenv("EVENKEEL_ISA");
  if (variable == nullptr || *variable == '\0') {
    return best_isa();
  }
  for (const Isa isa : kAll) {
    if (name(isa) == variable) {
      require(isa_supported(isa), "EVENKEEL_ISA", "this machine has no ", variable);
      return isa;
    }
  }
  fail("EVENKEEL_ISA", "expected sse2, avx2 or avx512, got ", variable);
}

std::atomic<Isa>& active() {
  static std::atomic<Isa> isa = initial_isa();
  return isa;
}

}  // namespace

bool isa_supported(Isa isa) {
  __builtin_cpu_init();
  switch (isa) {
    case Isa::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma");
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    default:
      return true;
  }
}

Isa active_isa() { return active().load(std::memory_order_relaxed); }

void set_isa(Isa isa) {
  require(isa_supported(isa), "set_isa", "this machine has no ", name(isa));
  active().store(isa, std::memory_order_relaxed);
}

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return "avx512";
    case Isa::avx2:
      return "avx2";
    default:
      return "sse2";
  }
}

}  // namespace evenkeel
