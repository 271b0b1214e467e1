#pragma once

#include "evenkeel/core/kernels/simd/isa.hpp"

#include <vector>

namespace evenkeel {

/// The instruction sets that were built and that this machine has.
inline std::vector<Isa> supported_isas() {
  std::vector<Isa> isas;
  for (const Isa isa : {Isa::generic, Isa::sse2, Isa::avx2, Isa::avx512}) {
    if (isa_supported(isa)) {
      isas.push_back(isa);
    }
  }
  return isas;
}

/// Chooses an instruction set for a scope.
class IsaGuard {
 public:
  explicit IsaGuard(Isa isa) : before_(active_isa()) { set_isa(isa); }
  ~IsaGuard() { set_isa(before_); }
  IsaGuard(const IsaGuard&) = delete;
  IsaGuard& operator=(const IsaGuard&) = delete;

 private:
  Isa before_;
};

}  // namespace evenkeel
