#pragma once

#include "evenkeel/core/kernels/simd/isa.hpp"

#include <cstdint>

namespace evenkeel::kernels {

/// out[c][i][j] = x[c][i][j stride].
template <class T>
struct StageCopy {
  const T* x = nullptr;
  T* out = nullptr;
  std::int64_t planes = 0, rows = 0, columns = 0, stride = 1;
  std::int64_t x_plane = 0, x_row = 0, out_plane = 0, out_row = 0;  ///< distances
};

template <class Arch, class T>
struct StageKernels {
  static void copy(const StageCopy<T>& job);
};

}  // namespace evenkeel::kernels
