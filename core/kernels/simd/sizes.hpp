#pragma once

#include <cstdint>
#include <type_traits>

namespace evenkeel::kernels {

// Always inlined, so that the sources of an instruction set may use them (simd/batch.hpp says why).

/// How many units of b cover a: the quotient, rounded up.
template <class I>
[[gnu::always_inline]] constexpr I ceil_div(I a, std::type_identity_t<I> b) {
  return (a + b - 1) / b;
}

/// The least multiple of `unit` that is not below `count`.
template <class I>
[[gnu::always_inline]] constexpr I round_up(I count, std::type_identity_t<I> unit) {
  return ceil_div(count, unit) * unit;
}

/// Multiply-adds that are worth another thread: some 2.5 microseconds at a matrix product's rate.
inline constexpr std::int64_t kChunkWork = 125'000;

/// Units per chunk of a parallel loop over `units` units of `work` multiply-adds in all.
[[gnu::always_inline]] constexpr std::int64_t work_grain(std::int64_t work, std::int64_t units) {
  const std::int64_t each = work / units;
  return each >= kChunkWork ? 1 : each > 1 ? kChunkWork / each : kChunkWork;
}

}  // namespace evenkeel::kernels
