#pragma once

#include "evenkeel/core/kernels/conv/winograd.hpp"
#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"

#include <algorithm>
#include <cstdint>

namespace evenkeel::kernels {

/// The tiles of a batch of outputs, row by row and image by image.
struct TileGrid {
  std::int64_t batch = 1, height = 1, width = 1;  ///< of the outputs

  std::int64_t rows() const { return ceil_div(height, kWinogradTile); }
  std::int64_t columns() const { return ceil_div(width, kWinogradTile); }
  std::int64_t count() const { return batch * rows() * columns(); }
  WinogradTile tile(std::int64_t i) const {
    const std::int64_t column = i % columns(), row = i / columns();
    return {row / rows(), row % rows() * kWinogradTile, column * kWinogradTile};
  }
  bool whole(const WinogradTile& tile) const {
    return tile.row + kWinogradTile <= height && tile.column + kWinogradTile <= width;
  }
  /// Tiles side by side from each multiple of it on.
  std::int64_t adjacent() const { return columns() % 4 == 0 ? 4 : columns() % 2 == 0 ? 2 : 1; }
};

/// The lists of a WinogradBlock of at most `most` tiles, a multiple of a register.
class TileBlock {
 public:
  TileBlock(const TileGrid& grid, std::int64_t pad_left, std::int64_t most, std::int64_t lanes)
      : grid_(grid),
        pad_left_(pad_left),
        lanes_(lanes),
        tiles_(most),
        runs_(most),
        strips_(most),
        whole_(most / lanes) {}

  /// The most columns that the strips of `most` tiles of any grid have, and a register to write over.
  static std::int64_t strip_width(std::int64_t most, std::int64_t lanes) {
    return round_up(kUnused + (8 + lanes) * most, lanes);
  }

  /// Tiles [first, first + count) of the grid. Returns the columns that the strips have.
  std::int64_t list(std::int64_t first, std::int64_t count) {
    std::int64_t strip = kUnused;
    run_count_ = 0;
    count_ = count;
    for (std::int64_t i = 0; i < count; ++run_count_) {
      WinogradRun& run = runs_.data()[run_count_];
      run.first = grid_.tile(first + i);
      run.tiles = std::min(count - i, grid_.columns() - run.first.column / kWinogradTile);
      const std::int64_t lead = std::max<std::int64_t>(0, pad_left_ - run.first.column);
      strip = run.strip = round_up(strip + lead, lanes_) - lead;
      for (std::int64_t k = 0; k < run.tiles; ++k, ++i) {
        tiles_.data()[i] = {run.first.image, run.first.row, run.first.column + k * kWinogradTile};
        strips_.data()[i] = strip + k * kWinogradTile;
      }
      strip += kWinogradTile * (run.tiles + 1);
    }
    const std::int64_t registers = ceil_div(count, lanes_);
    std::fill(strips_.data() + count, strips_.data() + registers * lanes_, 0);
    for (std::int64_t k = 0; k < registers; ++k) {
      const WinogradTile* tiles = tiles_.data() + k * lanes_;
      whole_.data()[k] = (k + 1) * lanes_ <= count && std::all_of(tiles, tiles + lanes_, [&](const WinogradTile& tile) {
                           return grid_.whole(tile);
                         });
    }
    return strip;
  }

  WinogradBlock block() {
    return {.tiles = tiles_.data(),
            .runs = runs_.data(),
            .tile_count = count_,
            .run_count = run_count_,
            .registers = ceil_div(count_, lanes_),
            .strips = strips_.data(),
            .whole = whole_.data(),
            .adjacent = grid_.adjacent()};
  }

 private:
  static constexpr std::int64_t kUnused = 24;  // columns of zeros, what unused lanes read

  const TileGrid& grid_;
  std::int64_t pad_left_, lanes_, count_ = 0, run_count_ = 0;
  Workspace<WinogradTile> tiles_;
  Workspace<WinogradRun> runs_;
  Workspace<std::int64_t> strips_;
  Workspace<bool> whole_;
};

/// The inputs of blocks of tiles, transformed in scratch memory that is the caller's.
template <class Arch, class T>
class TileInputs {
 public:
  static constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes;

  /// square_groups: ranges are of kWinogradRows channels, else of all.
  TileInputs(const WinogradPlanes<T>& planes, std::int64_t most_tiles, bool square_groups)
      : width_(TileBlock::strip_width(most_tiles, kLanes)),
        groups_(square_groups ? ceil_div(planes.channels, kWinogradRows) : 1),
        places_(most_tiles),
        zeros_(planes.width + kLanes),
        strips_(kWinogradWindow * width_),
        squares_(groups_ * 2 * width_) {
    std::fill_n(zeros_.data(), planes.width + kLanes, T(0));
    job_.planes = planes;
    job_.zeros = zeros_.data();
    job_.places = places_.data();
    job_.strips = strips_.data();
    job_.squares = squares_.data();
    job_.square_groups = square_groups;
  }

  /// v of a block whose strips have `columns` columns.
  void transform(const WinogradBlock& block, std::int64_t columns, WinogradCells<T> v) {
    job_.block = block;
    job_.v = v;
    job_.strip_width = columns + kLanes;
    std::fill_n(strips_.data(), kWinogradWindow * job_.strip_width, T(0));
    std::fill_n(squares_.data(), groups_ * 2 * job_.strip_width, T(0));
    WinogradKernels<Arch, T>::input(job_);
  }

  /// Of the last block's runs [first, last) and a group of channels: columns of three rows each, all_columns of them.
  WinogradRange range(std::int64_t first, std::int64_t last, std::int64_t group, std::int64_t& all_columns) const {
    const WinogradRun &begin = job_.block.runs[first], &end = job_.block.runs[last - 1];
    const std::int64_t columns = end.strip + kWinogradTile * (end.tiles + 1) - begin.strip;
    const T* squares = job_.squares + group * 2 * job_.strip_width + begin.strip;
    WinogradRange all = WinogradKernels<Arch, T>::range(squares, columns);
    const WinogradRange lower = WinogradKernels<Arch, T>::range(squares + job_.strip_width, columns);
    all.largest = std::max(all.largest, lower.largest);
    all.norms += lower.norms;
    all.inverse_norms += lower.inverse_norms;
    all.groups += lower.groups;
    all_columns = 2 * columns;
    return all;
  }

 private:
  std::int64_t width_, groups_;
  Workspace<WinogradStrip<T>> places_;
  Workspace<T> zeros_, strips_, squares_;
  WinogradInput<T> job_;
};

/// Calls f(first, last) for the runs of each image of a block.
template <class F>
void each_image(const WinogradBlock& block, const F& f) {
  for (std::int64_t first = 0, last = 0; first < block.run_count; first = last) {
    const std::int64_t image = block.runs[first].first.image;
    while (last < block.run_count && block.runs[last].first.image == image) {
      ++last;
    }
    f(first, last);
  }
}

}  // namespace evenkeel::kernels
