#pragma once

#include "evenkeel/core/kernels/conv/panel_plan.hpp"
#include "evenkeel/core/kernels/conv/stage_shape.hpp"
#include "evenkeel/core/kernels/conv/winograd.hpp"
#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"

#include <algorithm>
#include <cstdint>

namespace evenkeel::kernels {

/// Rows of windows (window x window cells, 4 apart, one per tile) over planes of a source that is 0 outside.
struct WindowSource {
  std::int64_t planes = 1;  ///< of one image
  std::int64_t height = 1, width = 1, pad_top = 0, pad_left = 0;
  std::int64_t window = kWinogradWindow;

  std::int64_t first_row(const PixelBlock& block) const {
    return std::clamp<std::int64_t>(kWinogradTile * block.first_row - pad_top, 0, height);
  }
  std::int64_t last_row(const PixelBlock& block) const {
    const std::int64_t last = kWinogradTile * (block.first_row + block.rows - 1) - pad_top + window;
    return std::clamp(last, first_row(block), height);
  }
  /// The most cells that a block of `rows` rows of windows has of one plane.
  std::int64_t block_cells(std::int64_t rows) const {
    return std::min(height, kWinogradTile * (rows - 1) + window) * width;
  }
};

/// Copies what the windows of a block read of `planes` consecutive planes from `source` on, in the block's first image,
/// to x (image, row, column, plane), with zeros behind the last plane up to `width`.
template <class Arch, class T>
WinogradSpread<T> stage_windows(const WindowSource& s, const PixelBlock& block, const T* source, std::int64_t planes,
                                std::int64_t width, T* x) {
  const std::int64_t first = s.first_row(block), rows = s.last_row(block) - first;
  for (std::int64_t k = 0; k < block.images; ++k) {
    PanelsKernels<Arch, T>::transpose({.x = source + k * s.planes * s.height * s.width + first * s.width,
                                       .x_stride = s.height * s.width,
                                       .columns = planes,
                                       .steps = rows * s.width,
                                       .b = x + k * rows * s.width * width,
                                       .b_stride = width,
                                       .width = width});
  }
  return {.x = x,
          .image_stride = rows * s.width * width,
          .rows = rows,
          .columns = s.width,
          .top = kWinogradTile * block.first_row - s.pad_top - first,
          .left = -s.pad_left,
          .width = width};
}

/// Lists the tiles of a block with `columns` tiles per row; returns how many they are.
inline std::int64_t list_tiles(const PixelBlock& block, std::int64_t columns, WinogradTile* tiles) {
  std::int64_t count = 0;
  for (std::int64_t k = 0; k < block.images; ++k) {
    for (std::int64_t i = 0; i < block.rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        tiles[count++] = {k, kWinogradTile * i, kWinogradTile * j};
      }
    }
  }
  return count;
}

/// Blocks of about `tiles` tiles, or fewer where there would not be `blocks` of them: bands of rows of one image, or
/// several whole images where one is small.
inline BlockPlan plan_tiles(std::int64_t batch, std::int64_t height, std::int64_t width, std::int64_t tiles,
                            std::int64_t blocks) {
  const std::int64_t rows = ceil_div(height, kWinogradTile), columns = ceil_div(width, kWinogradTile);
  tiles = std::clamp(batch * rows * columns / blocks, std::min(tiles, kWinogradRows), tiles);
  return {.batch = batch,
          .height = rows,
          .images = std::clamp<std::int64_t>(tiles / (rows * columns), 1, std::max<std::int64_t>(1, batch)),
          .rows = std::clamp<std::int64_t>(tiles / columns, 1, rows)};
}

/// Tiles whose transformed cells, `channels` per cell in all, stay in the second-level cache.
template <class T>
std::int64_t cached_tiles(std::int64_t channels) {
  constexpr std::int64_t kBytes = 256L * 1024, kLeast = kWinogradRows, kMost = 64;
  const std::int64_t tile_bytes = kWinogradCells * channels * static_cast<std::int64_t>(sizeof(T));
  return std::clamp(kBytes / tile_bytes / kLeast * kLeast, kLeast, kMost);
}

/// A transformed array in scratch memory: `rows` rows of `width` channels per cell, rounded up to whole tiles of rows.
template <class T>
class CellSpace {
 public:
  CellSpace(std::int64_t rows, std::int64_t width, std::int64_t lanes)
      : part_(round_up(rows, kWinogradRows) * lanes),
        cell_(width / lanes * part_ + lanes),
        space_(kWinogradCells * cell_) {}
  WinogradCells<T> cells() { return {space_.data(), cell_, part_}; }
  WinogradCells<const T> read() { return {space_.data(), cell_, part_}; }

 private:
  // A register more per cell, or the cells would often lie whole pages apart and evict each other from the cache.
  std::int64_t part_, cell_;
  Workspace<T> space_;
};

}  // namespace evenkeel::kernels
