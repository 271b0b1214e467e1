#pragma once

#include "evenkeel/core/kernels/conv/stage_shape.hpp"
#include "evenkeel/core/kernels/matmul/panels.hpp"

#include <cstdint>

namespace evenkeel::kernels {

/// Rows [first_row, first_row + rows) of windows of `images` images from `image` on; several images only whole.
struct PixelBlock {
  std::int64_t image = 0, images = 1;
  std::int64_t first_row = 0, rows = 0;
};

/// Equal cuts of a batch into blocks: bands of rows of one image, or several whole images where one is small.
struct BlockPlan {
  std::int64_t batch = 1, height = 1;  ///< images, and rows of windows per image
  std::int64_t images = 1, rows = 1;   ///< per block; the last ones may have fewer

  std::int64_t bands() const { return ceil_div(height, rows); }
  std::int64_t count() const { return ceil_div(batch, images) * bands(); }
  PixelBlock block(std::int64_t i) const {
    const std::int64_t image = i / bands() * images, row = i % bands() * rows;
    return {image, std::min(images, batch - image), row, std::min(rows, height - row)};
  }
};

/// Blocks whose staged input, `cell_bytes` per cell of all its planes, stays in the second-level cache; at least
/// `wanted` where there are rows or images enough, but no less than a tile's pixels in each.
BlockPlan plan_blocks(const StageShape& stage, std::int64_t batch, std::int64_t height, std::int64_t cell_bytes,
                      std::int64_t wanted);

/// Where a run of a panel lies in its block.
struct PanelRow {
  std::int64_t image, row, column;
};

/// Consecutive pixels of a block, as runs within rows.
struct Panel {
  static constexpr std::int64_t kMaxRuns = 48;  // the widest panel in pixels
  std::int64_t pixels = 0, segments = 1, run_count = 0;
  PanelRun runs[kMaxRuns];
  PanelRow rows[kMaxRuns];
};

/// Cuts the pixels of a block into panels of at most `segments` registers, about equal in width. by_rows: each run is
/// a register of its own, the last of a row partly filled; else the registers are filled across rows and images.
class PanelCutter {
 public:
  struct Tile {
    std::int64_t lanes, segments;
  };
  PanelCutter(const PixelBlock& block, const StageShape& stage, std::int64_t image_stride, Tile tile, bool by_rows);
  /// The next panel, valid until the next call; null at the end.
  const Panel* next();

 private:
  const PixelBlock& block_;
  std::int64_t columns_, row_stride_, image_stride_, lanes_;
  bool by_rows_;
  std::int64_t pixel_ = 0, pixels_, segments_left_, panels_left_;
  Panel panel_;
};

}  // namespace evenkeel::kernels
