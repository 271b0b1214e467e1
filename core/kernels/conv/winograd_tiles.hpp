#pragma once

#include "evenkeel/core/kernels/conv/winograd.hpp"
#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"

#include <algorithm>
#include <cstdint>

namespace evenkeel::kernels {

/// The planes that the windows of y read, and those that the windows of dx read.
template <class T>
WinogradPlanes<T> x_planes(const ConvGeometry& g, const MappedPlanes<T>& x) {
  return {.x = x.x,
          .image_stride = g.channels * g.plane(),
          .plane = g.plane(),
          .height = g.height,
          .width = g.width,
          .channels = g.channels,
          .pad_top = g.pad_top,
          .pad_left = g.pad_left,
          .map = x.map};
}
template <class T>
WinogradPlanes<T> dy_planes(const ConvGeometry& g, const T* dy) {
  return {.x = dy,
          .image_stride = g.out_channels * g.pixels(),
          .plane = g.pixels(),
          .height = g.out_height,
          .width = g.out_width,
          .channels = g.out_channels,
          .pad_top = 2 - g.pad_top,
          .pad_left = 2 - g.pad_left};
}

/// dispatch_isa for so many tiles: a few that leave half of AVX-512's lanes unused take AVX2's (64 channels at 8x8,
/// batch 2: 180 instead of 140 GFLOP/s).
template <class F>
void dispatch_tiles(std::int64_t tiles, const F& f) {
  constexpr std::int64_t kLanes = PanelTile<Avx512, float>::lanes, kFew = 4 * kLanes;
  dispatch_isa([&]<class Arch>() {
    if constexpr (Arch::kIsa == Isa::avx512) {
      if (const std::int64_t rest = tiles % kLanes; tiles < kFew && rest > 0 && rest <= kLanes / 2) {
        f.template operator()<Avx2>();
        return;
      }
    }
    f.template operator()<Arch>();
  });
}

/// The tiles of a batch of outputs: row by row and image by image, or stacked (WinogradBlock) in registers of `lanes`.
struct TileGrid {
  std::int64_t batch = 1, height = 1, width = 1;  ///< of the outputs
  std::int64_t lanes = 1;
  bool stacked = false;

  /// Of the windows of `planes`; stacked where that leaves no lane unused.
  template <class T>
  static TileGrid of(const WinogradPlanes<T>& planes, std::int64_t batch, std::int64_t height, std::int64_t width,
                     std::int64_t lanes) {
    TileGrid grid{.batch = batch, .height = height, .width = width, .lanes = lanes};
    grid.stacked = planes.pad_top == 1 && planes.pad_left == 1 && planes.height == height && planes.width == width &&
                   width % kWinogradTile == 0 && batch * grid.columns() % lanes == 0;
    return grid;
  }

  std::int64_t rows() const { return ceil_div(height, kWinogradTile); }
  std::int64_t columns() const { return ceil_div(width, kWinogradTile); }
  std::int64_t count() const { return tile_count(batch, height, width); }
  WinogradTile tile(std::int64_t i) const {
    if (stacked) {
      const std::int64_t place = i / lanes / rows() * lanes + i % lanes;
      return {place / columns(), i / lanes % rows() * kWinogradTile, place % columns() * kWinogradTile};
    }
    const std::int64_t column = i % columns(), row = i / columns();
    return {row / rows(), row % rows() * kWinogradTile, column * kWinogradTile};
  }
  bool whole(const WinogradTile& tile) const {
    return tile.row + kWinogradTile <= height && tile.column + kWinogradTile <= width;
  }
  /// Tiles side by side from each multiple of it on.
  std::int64_t adjacent() const { return columns() % 4 == 0 ? 4 : columns() % 2 == 0 ? 2 : 1; }
};

/// Consecutive tiles that are transformed at once, and how many such blocks there are.
struct TileCut {
  std::int64_t tiles, blocks;

  /// About equal ones of whole registers, of at most `most` tiles.
  static TileCut of(const TileGrid& grid, std::int64_t most) {
    const std::int64_t tiles = round_up(ceil_div(grid.count(), ceil_div(grid.count(), most)), grid.lanes);
    return {tiles, ceil_div(grid.count(), tiles)};
  }
};

/// The lists of a WinogradBlock of at most `most` tiles, a multiple of a register.
class TileBlock {
 public:
  TileBlock(const TileGrid& grid, std::int64_t pad_left, std::int64_t most)
      : grid_(grid), pad_left_(pad_left), tiles_(most), runs_(most), strips_(most), whole_(most / grid.lanes) {}

  /// The most columns that the strips of `most` tiles of any grid have, and a register to write over.
  static std::int64_t strip_width(std::int64_t most, std::int64_t lanes) {
    return round_up(kUnused + (8 + lanes) * most + lanes, lanes);
  }

  /// Tiles [first, first + count) of the grid.
  void list(std::int64_t first, std::int64_t count) {
    const std::int64_t lanes = grid_.lanes;
    registers_ = ceil_div(count_ = count, lanes);
    if (grid_.stacked) {
      list_stacks(first);
    } else {
      list_runs(first);
    }
    for (std::int64_t k = 0; k < registers_; ++k) {
      const WinogradTile* tiles = tiles_.data() + k * lanes;
      whole_.data()[k] = (k + 1) * lanes <= count &&
                         std::all_of(tiles, tiles + lanes, [&](const WinogradTile& tile) { return grid_.whole(tile); });
    }
  }

  WinogradBlock block() {
    return {.tiles = tiles_.data(),
            .tile_count = count_,
            .registers = registers_,
            .whole = whole_.data(),
            .adjacent = grid_.adjacent(),
            .stacked = grid_.stacked,
            .runs = runs_.data(),
            .run_count = run_count_,
            .strips = strips_.data()};
  }
  /// That the strips of the block have, and a register more.
  std::int64_t strip_columns() const { return strip_columns_; }

 private:
  static constexpr std::int64_t kUnused = 24;  // columns of zeros, what unused lanes read

  void list_stacks(std::int64_t first) {
    const std::int64_t width = grid_.columns() * kWinogradTile;
    for (std::int64_t k = 0; k < registers_; ++k) {
      WinogradTile tile = grid_.tile(first + k * grid_.lanes);
      for (std::int64_t i = 0; i < grid_.lanes; ++i) {
        tiles_.data()[k * grid_.lanes + i] = tile;
        tile.column += kWinogradTile;
        if (tile.column == width) {
          tile.column = 0;
          ++tile.image;
        }
      }
    }
  }

  void list_runs(std::int64_t first) {
    std::int64_t strip = kUnused;
    run_count_ = 0;
    for (std::int64_t i = 0; i < count_; ++run_count_) {
      WinogradRun& run = runs_.data()[run_count_];
      run.first = grid_.tile(first + i);
      run.tiles = std::min(count_ - i, grid_.columns() - run.first.column / kWinogradTile);
      const std::int64_t lead = std::max<std::int64_t>(0, pad_left_ - run.first.column);
      strip = run.strip = round_up(strip + lead, grid_.lanes) - lead;
      for (std::int64_t k = 0; k < run.tiles; ++k, ++i) {
        tiles_.data()[i] = {run.first.image, run.first.row, run.first.column + k * kWinogradTile};
        strips_.data()[i] = strip + k * kWinogradTile;
      }
      strip += kWinogradTile * (run.tiles + 1);
    }
    std::fill(strips_.data() + count_, strips_.data() + registers_ * grid_.lanes, 0);
    strip_columns_ = strip + grid_.lanes;
  }

  const TileGrid& grid_;
  std::int64_t pad_left_, count_ = 0, registers_ = 0, run_count_ = 0, strip_columns_ = 0;
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

  /// square_groups: squares are of kWinogradRows channels, else of all.
  TileInputs(const WinogradPlanes<T>& planes, const TileGrid& grid, std::int64_t most_tiles, bool square_groups)
      : block_(grid, planes.pad_left, most_tiles),
        width_(grid.stacked ? kWinogradPanel * kWinogradWindow * kLanes : TileBlock::strip_width(most_tiles, kLanes)),
        places_(most_tiles),
        zeros_(planes.width + kLanes),
        strips_(kWinogradWindow * width_),
        strip_squares_(width_),
        squares_((square_groups ? ceil_div(planes.channels, kWinogradRows) : 1) * most_tiles * kWinogradSquares) {
    std::fill_n(zeros_.data(), planes.width + kLanes, T(0));
    std::fill_n(strip_squares_.data(), width_, T(0));
    job_.planes = planes;
    job_.square_groups = square_groups;
    job_.zeros = zeros_.data();
    job_.places = places_.data();
    job_.strips = strips_.data();
    job_.strip_squares = strip_squares_.data();
    job_.squares = squares_.data();
  }

  /// v of tiles [first, first + count) of the grid.
  const WinogradBlock& transform(std::int64_t first, std::int64_t count, WinogradCells<T> v) {
    block_.list(first, count);
    job_.block = block_.block();
    job_.v = v;
    if (!job_.block.stacked) {
      job_.strip_width = block_.strip_columns();
      std::fill_n(strips_.data(), kWinogradWindow * job_.strip_width, T(0));
    }
    WinogradKernels<Arch, T>::input(job_);
    return job_.block;
  }

  /// Of the last block: kWinogradSquares per tile and lane, of group `group` of channels.
  const T* squares(std::int64_t group) const { return job_.squares + group * square_count(); }
  std::int64_t square_count() const { return job_.block.registers * kWinogradSquares * kLanes; }

 private:
  TileBlock block_;
  std::int64_t width_;
  Workspace<WinogradStrip<T>> places_;
  Workspace<T> zeros_, strips_, strip_squares_, squares_;
  WinogradInput<T> job_;
};

}  // namespace evenkeel::kernels
