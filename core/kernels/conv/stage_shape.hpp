#pragma once

#include "evenkeel/core/kernels/conv/conv.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"

#include <algorithm>
#include <cstdint>

namespace evenkeel::kernels {

/// How parts of an array of planes are copied ("staged") for kernels that slide windows over them: with zeros where a
/// window leaves the plane, and with the columns of each phase of the stride side by side, so that what neighbouring
/// windows read for one kernel cell is consecutive in memory and needs no test.
struct StageShape {
  std::int64_t planes = 1, height = 1, width = 1;  ///< of one image of the source
  std::int64_t source_stride = 1;                  ///< elements from one plane to the next
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_top = 0, pad_left = 0;  ///< cells before the plane; negative: cropped
  std::int64_t span_h = 1, span_w = 1;     ///< cells that a window covers
  std::int64_t columns = 1;                ///< windows per row
  std::int64_t slack = 0;                  ///< zeros after each phase of a row, for loads of whole registers

  std::int64_t phase_stride() const { return columns + (span_w - 1) / stride_w + slack; }
  std::int64_t row_stride() const { return phase_stride() * std::min(stride_w, span_w); }
  /// Rows between the windows of two output rows: windows of one row share none, so that only theirs are staged.
  std::int64_t row_step() const { return span_h == 1 ? 1 : stride_h; }
  std::int64_t staged_rows(std::int64_t rows) const { return (rows - 1) * row_step() + span_h; }
  std::int64_t plane_stride(std::int64_t rows) const { return staged_rows(rows) * row_stride(); }
  /// Where the window at row and column 0 finds its cell (row, column).
  std::int64_t offset(std::int64_t row, std::int64_t column) const {
    return row * row_stride() + column % stride_w * phase_stride() + column / stride_w;
  }
};

/// What conv2d reads of x.
StageShape input_stage(const ConvGeometry& g);

/// Stages what `rows` rows of windows from `first_row` on need of `planes` consecutive planes from `source` on;
/// `plane_stride` elements per plane. zeroed: `staged` is 0 wherever nothing of the source goes.
template <class T>
void fill_stage(const StageShape& shape, const T* source, std::int64_t planes, std::int64_t first_row,
                std::int64_t rows, std::int64_t plane_stride, T* staged, bool zeroed = false);

}  // namespace evenkeel::kernels
