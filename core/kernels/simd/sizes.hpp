#pragma once

#include <algorithm>
#include <cstdint>

namespace evenkeel::kernels {

/// How many units of b cover a: the quotient, rounded up. Always inlined, so that the sources of an instruction set may
/// use it (simd/batch.hpp says why).
[[gnu::always_inline]] constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The least multiple of `unit` that is not below `count`.
inline std::int64_t round_up(std::int64_t count, std::int64_t unit) { return ceil_div(count, unit) * unit; }

/// Units per chunk of a parallel loop over `units` units of `work` multiply-adds in all: enough to be worth waking a
/// thread.
inline std::int64_t work_grain(std::int64_t work, std::int64_t units) {
  constexpr std::int64_t kChunkWork = 250'000;
  return std::max<std::int64_t>(1, kChunkWork / std::max<std::int64_t>(1, work / units));
}

}  // namespace evenkeel::kernels
