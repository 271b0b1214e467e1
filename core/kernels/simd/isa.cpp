#include "evenkeel/core/kernels/simd/isa.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/kernels/simd/environment.hpp"

#include <array>
#include <atomic>
#include <cstdlib>
#include <string>

namespace evenkeel {
namespace {

constexpr Isa kAll[] = {Isa::avx512, Isa::avx2, Isa::sse2, Isa::generic};

template <class... Arch>
constexpr std::array<Isa, sizeof...(Arch)> list(IsaList<Arch...>) {
  return {Arch::kIsa...};
}
constexpr auto kBuilt = list(BuiltIsas());  // the best first

bool is_built(Isa isa) {
  for (const Isa built : kBuilt) {
    if (built == isa) {
      return true;
    }
  }
  return false;
}

bool machine_has([[maybe_unused]] Isa isa) {
#ifdef __x86_64__
  __builtin_cpu_init();
  if (isa == Isa::avx512) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma");
  }
  if (isa == Isa::avx2) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  }
#endif
  return true;
}

void require_supported(Isa isa, std::string_view where) {
  require(is_built(isa), where, "this library was built without ", name(isa));
  require(machine_has(isa), where, "this machine has no ", name(isa));
}

/// EVENKEEL_ISA if it is set: what is not there is an error rather than a guess.
Isa initial_isa() {
  const char* variable = std::getenv("EVENKEEL_ISA");
  if (variable == nullptr || *variable == '\0') {
    for (const Isa isa : kBuilt) {
      if (machine_has(isa)) {
        return isa;
      }
    }
    return kBuilt.back();
  }
  for (const Isa isa : kAll) {
    if (name(isa) == variable) {
      require_supported(isa, "EVENKEEL_ISA");
      return isa;
    }
  }
  fail("EVENKEEL_ISA", "expected generic, sse2, avx2 or avx512, got ", variable);
}

std::atomic<Isa>& active() {
  static std::atomic<Isa> isa = from_environment(initial_isa);
  return isa;
}

// When the program starts, not at its first kernel.
[[maybe_unused]] const Isa at_start = active();

}  // namespace

bool isa_supported(Isa isa) { return is_built(isa) && machine_has(isa); }

Isa active_isa() { return active().load(std::memory_order_relaxed); }

void set_isa(Isa isa) {
  require_supported(isa, "set_isa");
  active().store(isa, std::memory_order_relaxed);
}

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return "avx512";
    case Isa::avx2:
      return "avx2";
    case Isa::sse2:
      return "sse2";
    default:
      return "generic";
  }
}

}  // namespace evenkeel
