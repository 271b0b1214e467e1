#pragma once

#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"

#include <cstdint>

namespace evenkeel::kernels {

/// out[c][i][j] = x[c][i][j stride]; where there is an odd_out, stride is 2, and odd_out[c][i][j] = x[c][i][2 j + 1]
/// (both in one pass: 3x3 with stride 2, 32 to 64 channels at 16x16 51 us instead of 56, depthwise 63 instead of 86).
template <class T>
struct StageCopy {
  const T* x = nullptr;
  T* out = nullptr;
  T* odd_out = nullptr;
  std::int64_t planes = 0, rows = 0, columns = 0, stride = 1;
  std::int64_t x_plane = 0, x_row = 0, out_plane = 0, out_row = 0;  ///< distances
};

/// b[k][run.to + j] = x[run.from + steps[k].b + j] for all runs, which follow each other; columns behind the last are
/// set to 0. Moves whole registers, so that x and b have one more behind them: twice to four times as fast as registers
/// with masks on rows of 4 and 8 pixels. Runs of half a register are joined in pairs: 3x3 with stride 2, 32 to 64
/// channels at 16x16, 95 GFLOP/s instead of 91 forward, 82 instead of 77 backward (AVX-512).
template <class T>
struct StagePacking {
  const T* x = nullptr;
  const PanelStep* steps = nullptr;
  std::int64_t step_count = 0;
  const PanelRun* runs = nullptr;
  std::int64_t run_count = 0;
  std::int64_t segments = 1;
  T* b = nullptr;
};

/// out[i][2 j] = even[i][j] and out[i][2 j + 1] = odd[i][j], `columns` elements per row of out: the column phases of a
/// gradient with stride 2. 3x3, 32 to 64 channels at 16x16: 79 GFLOP/s instead of 75 (AVX2).
template <class T>
struct PhaseZip {
  const T* even = nullptr;
  const T* odd = nullptr;
  T* out = nullptr;
  std::int64_t rows = 0, columns = 0;
  std::int64_t row_stride = 0, out_stride = 0;
};

template <class Arch, class T>
struct StageKernels {
  static void copy(const StageCopy<T>& job);
  static void zip(const PhaseZip<T>& job);
  static void pack(const StagePacking<T>& job);
};

}  // namespace evenkeel::kernels
