#pragma once

#include "evenkeel/core/kernels/pool/sliding_pool.hpp"

#include <cstdint>

namespace evenkeel::kernels {

/// The SIMD side of a pool with is_halving_pool, per instruction set, for `planes` planes; cells as in sliding_max.
/// Averages are sums in T.
template <class Arch, class T>
struct HalvingPoolKernels {
  static void max(const SlidingPool& pool, std::int64_t planes, const T* x, T* y, std::uint8_t* cells);
  static void max_gradient(const SlidingPool& pool, std::int64_t planes, const T* dy, const std::uint8_t* cells, T* dx);
  static void average(const SlidingPool& pool, std::int64_t planes, const T* x, T* y);
  static void average_gradient(const SlidingPool& pool, std::int64_t planes, const T* dy, T* dx);
};

}  // namespace evenkeel::kernels
