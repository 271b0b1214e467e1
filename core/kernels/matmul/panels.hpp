#pragma once

#include "evenkeel/core/kernels/simd/isa.hpp"

#include <cstdint>

namespace evenkeel::kernels {

// Matrix products C = A B whose factors stay where a convolution has them. A is read one element at a time through
// tables, a[rows[i] + steps[k].a], so that weights and staged inputs serve as they are. B is read a few registers at a
// time: from staged rows in place, or from a packed panel that stays in the first-level cache while all rows of A pass.

/// Register tile per instruction set: `rows` rows of A by `segments` registers of B.
template <class Arch, class T>
struct PanelTile {
  static constexpr std::int64_t lanes = 16 / static_cast<std::int64_t>(sizeof(T));
  static constexpr int rows = 4, segments = 3;  // of 16 registers
};
template <class T>
struct PanelTile<Avx2, T> : PanelTile<Sse2, T> {
  static constexpr std::int64_t lanes = 32 / static_cast<std::int64_t>(sizeof(T));
};
template <class T>
struct PanelTile<Avx512, T> {
  static constexpr std::int64_t lanes = 64 / static_cast<std::int64_t>(sizeof(T));
  static constexpr int rows = 8, segments = 3;  // of 32 registers
};

/// Whether the tile fits the set's registers. Generic's are the compiler's affair: products are OpenBLAS's there, and
/// convolutions im2col, which takes a third of the instructions of panels (64 to 64 channels 3x3 at 16x16, batch 2,
/// millions, im2col / panels: forward 6.7 / 21.4, weight gradient 8.5 / 21.5). Depthwise needs no tile.
template <class Arch>
inline constexpr bool kHasTunedTile = true;
template <>
inline constexpr bool kHasTunedTile<Generic> = false;

/// Where product number k of a sum finds its factors.
struct PanelStep {
  std::int64_t a = 0, b = 0;
};

/// One register of columns: where B has it, where C has it, and how many of its columns are written.
struct PanelSegment {
  std::int64_t b = 0, c = 0, columns = 0;
};

/// c[i c_stride + segment.c + j] = (accumulate ? its value : bias[i] or 0) + sum_k a[a_rows[i] + steps[k].a] b(k, j).
template <class T>
struct PanelProduct {
  const T* a = nullptr;
  const std::int64_t* a_rows = nullptr;
  const PanelStep* steps = nullptr;
  std::int64_t rows = 0, step_count = 0;
  const T* b = nullptr;  ///< packed: (step, segment, lane); else b(k, j) = b[segment.b + steps[k].b + j]
  bool packed = false;
  std::int64_t segments = 1;
  PanelSegment segment[3] = {};
  T* c = nullptr;
  std::int64_t c_stride = 0;
  const T* bias = nullptr;  ///< one per row, or null
  bool accumulate = false;
};

/// Elements [from, from + length) of the staged input go to columns [to, to + length) of the panel.
struct PanelRun {
  std::int64_t from = 0, to = 0, length = 0;
};

/// b[k b_stride + j] = x[j x_stride + k] for j < columns and k < steps; 0 for columns <= j < width.
template <class T>
struct PanelTranspose {
  const T* x = nullptr;
  std::int64_t x_stride = 0, columns = 0, steps = 0;
  T* b = nullptr;
  std::int64_t b_stride = 0, width = 0;
};

template <class Arch, class T>
struct PanelsKernels {
  static void multiply(const PanelProduct<T>& job);
  /// The same, not packed, for any number of registers of columns in place of job.segment: all of them pass before the
  /// next rows of A, so that each row of C is written from front to back.
  static void sweep(const PanelProduct<T>& job, const PanelSegment* segments, std::int64_t count);
  static void transpose(const PanelTranspose<T>& job);
};

}  // namespace evenkeel::kernels
