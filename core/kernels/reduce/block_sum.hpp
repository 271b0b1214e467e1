#pragma once

#include <cstdint>

namespace evenkeel::kernels {

/// Sum of n values: at most sixteen at a time in a lane of T, the rest in double; the error does not grow with n.
template <class T>
double block_sum(const T* x, std::int64_t n);

/// The SIMD side, per instruction set.
template <class Arch, class T>
struct BlockSumKernels {
  /// Sum of `runs` runs of n values, from x on, `stride` apart.
  static double sum(std::int64_t n, std::int64_t runs, std::int64_t stride, const T* x);
  /// The same for `count` runs of one value that follow one another.
  static void sum_columns(std::int64_t count, std::int64_t runs, std::int64_t stride, const T* x, T* sums);
};

}  // namespace evenkeel::kernels
