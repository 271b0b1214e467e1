#pragma once

#include <algorithm>
#include <cstdint>

namespace evenkeel::kernels {

/// Sum of n values: blocks of 256 in T, sixteen ways (so that the compiler can use vector registers), the blocks in
/// double; the error does not grow with n.
template <class T>
double block_sum(const T* x, std::int64_t n) {
  constexpr std::int64_t kLanes = 16;
  constexpr std::int64_t kBlock = 256;
  double sum = 0;
  for (std::int64_t start = 0; start < n; start += kBlock) {
    const std::int64_t stop = std::min(start + kBlock, n);
    T lanes[kLanes] = {};
    std::int64_t i = start;
    for (; i + kLanes <= stop; i += kLanes) {
      for (std::int64_t lane = 0; lane < kLanes; ++lane) {
        lanes[lane] += x[i + lane];
      }
    }
    for (; i < stop; ++i) {
      lanes[stop - i - 1] += x[i];
    }
    for (const T lane : lanes) {
      sum += static_cast<double>(lane);
    }
  }
  return sum;
}

}  // namespace evenkeel::kernels
