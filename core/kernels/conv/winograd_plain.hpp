#pragma once

#include "evenkeel/core/kernels/conv/winograd_tiles.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace evenkeel::kernels {

/// Whether Winograd's may take x beside another factor whose sum of squares is `other`, as far as the numbers of both
/// are finite and their products do not overflow.
inline bool finite_product(const WinogradRange& x, double other) {
  return std::isfinite(x.norms) && x.largest * other <= kWinogradMost;
}

/// Whether no group exceeds the least, zeros aside, by more than the ratio (winograd.hpp), and so none their mean.
inline bool is_even(const WinogradRange& x) { return x.largest <= kWinogradRatio * kWinogradRatio * x.least; }

/// Whether no group exceeds the mean by more than the ratio, or, where they are few, by half of what it would if only
/// one cell, which `shared` of them have, were not 0.
inline bool is_spread(const WinogradRange& x, double shared) {
  return std::sqrt(x.largest) * x.groups <= std::min(kWinogradMeanRatio, x.groups / (2 * shared)) * x.norms;
}

/// The harmonic means of the norms of each image's groups (winograd.hpp), zeros aside, in a block of tiles.
class HarmonicMeans {
 public:
  explicit HarmonicMeans(std::int64_t most_tiles) : images_(most_tiles) {}

  /// squares (register of tiles, kWinogradSquares, lane).
  template <class T>
  void measure(const WinogradBlock& block, const T* squares, std::int64_t lanes) {
    first_ = block.tiles[0].image;
    for (std::int64_t t = 0; t < block.tile_count; ++t) {
      first_ = std::min(first_, block.tiles[t].image);
    }
    count_ = 0;
    for (std::int64_t t = 0; t < block.tile_count; ++t) {
      const std::int64_t image = block.tiles[t].image - first_;
      for (; count_ <= image; ++count_) {
        images_.data()[count_] = {};
      }
      const T* of_tile = squares + t / lanes * kWinogradSquares * lanes + winograd_lane_of_tile(t % lanes, lanes);
      for (std::int64_t j = 0; j < kWinogradSquares; ++j) {
        images_.data()[image].add(double{of_tile[j * lanes]});
      }
    }
  }

  /// Of a tile's image: whether none of its groups needs a closer look, and the square of the mean.
  bool is_even(const WinogradTile& tile) const {
    return image(tile).largest <= kWinogradRatio * kWinogradRatio * square(tile);
  }
  double square(const WinogradTile& tile) const {
    const double mean = image(tile).inverse_norms > 0 ? image(tile).groups / image(tile).inverse_norms : 0;
    return mean * mean;
  }

 private:
  struct Image {
    double largest = 0, inverse_norms = 0, groups = 0;
    void add(double square) {
      if (square != 0) {  // NaN too: no image with one is even
        largest = std::max(square, largest);
        inverse_norms += 1 / std::sqrt(square);
        groups += 1;
      }
    }
  };
  const Image& image(const WinogradTile& tile) const { return images_.data()[tile.image - first_]; }

  std::int64_t first_ = 0, count_ = 0;
  Workspace<Image> images_;
};

/// The weight as the transforms and the plain sums take it: w (input, tap, output), `width` outputs per row.
template <class T>
struct WinogradFilters {
  const T* weight = nullptr;
  std::int64_t inputs = 0, outputs = 0;
  bool turned = false;  ///< the weight is (input, output, tap) instead of (output, input, tap)

  /// Those of inputs [first, first + count).
  template <class Arch>
  void arrange(std::int64_t first, std::int64_t count, std::int64_t width, T* w) const {
    PanelTranspose<T> turn{.columns = outputs, .b = w, .b_stride = width, .width = width};
    if (turned) {
      turn.x_stride = turn.steps = 9;
      for (std::int64_t i = 0; i < count; ++i) {
        turn.x = weight + (first + i) * outputs * 9;
        turn.b = w + i * 9 * width;
        PanelsKernels<Arch, T>::transpose(turn);
      }
    } else {
      turn.x = weight + first * 9;
      turn.x_stride = inputs * 9;
      turn.steps = count * 9;
      PanelsKernels<Arch, T>::transpose(turn);
    }
  }
};

/// window (channel, cell) = what a tile reads, by the planes' map if they have one; 0 outside the planes.
template <class Arch, class T>
void gather_window(const WinogradPlanes<T>& p, const WinogradTile& tile, T* window) {
  const std::int64_t top = tile.row - p.pad_top, left = tile.column - p.pad_left;
  const T* x = p.x + tile.image * p.image_stride + top * p.width + left;
  const std::int64_t first = std::clamp<std::int64_t>(-top, 0, kWinogradWindow);
  const std::int64_t last = std::clamp<std::int64_t>(p.height - top, first, kWinogradWindow);
  const std::int64_t begin = std::clamp<std::int64_t>(-left, 0, kWinogradWindow);
  const std::int64_t end = std::clamp<std::int64_t>(p.width - left, begin, kWinogradWindow);
  const bool whole = last - first == kWinogradWindow && end - begin == kWinogradWindow;
  std::fill_n(window, whole ? 0 : p.channels * kWinogradCells, T(0));
  for (std::int64_t c = 0; c < p.channels; ++c, x += p.plane) {
    for (std::int64_t i = first; i < last; ++i) {
      const T* row = x + i * p.width;
      T* to = window + c * kWinogradCells + i * kWinogradWindow;
      if (whole) {  // six as twice four, which are a register
        std::copy_n(row, 4, to);
        std::copy_n(row + 2, 4, to + 2);
      } else {
        for (std::int64_t j = begin; j < end; ++j) {
          to[j] = row[j];
        }
      }
    }
  }
  if (!p.map) {
    return;
  }
  NormalizeKernels<Arch, T>::scale(window, window, {p.channels, kWinogradCells, 1, 0, kWinogradCells},
                                   PieceNumbers<T>{p.map.of(tile.image, 0), nullptr}, p.map.activation());
  for (std::int64_t i = 0; i < (whole ? 0 : p.channels * kWinogradCells); ++i) {
    const std::int64_t row = i % kWinogradCells / kWinogradWindow, column = i % kWinogradWindow;
    if (row < first || row >= last || column < begin || column >= end) {
      window[i] = T(0);
    }
  }
}

/// The sum over channels of a window's squares, of each cell.
template <class T>
struct WindowSquares {
  T cells[kWinogradCells] = {};

  WindowSquares(const T* window, std::int64_t channels) {
    for (std::int64_t c = 0; c < channels; ++c, window += kWinogradCells) {
      for (std::int64_t cell = 0; cell < kWinogradCells; ++cell) {
        cells[cell] += window[cell] * window[cell];
      }
    }
  }

  double all() const {
    double sum = 0;
    for (std::int64_t cell = 0; cell < kWinogradCells; ++cell) {
      sum += double{cells[cell]};
    }
    return sum;
  }

  /// Of the nine cells of the window of one output, the least of the first `rows` by `columns` outputs.
  double least(std::int64_t rows, std::int64_t columns) const {
    double threes[kWinogradTile][kWinogradWindow];  // one below the other
    for (std::int64_t i = 0; i < kWinogradTile; ++i) {
      for (std::int64_t j = 0; j < kWinogradWindow; ++j) {
        const T* top = cells + i * kWinogradWindow + j;
        threes[i][j] = double{top[0]} + double{top[kWinogradWindow]} + double{top[2 * kWinogradWindow]};
      }
    }
    double least = std::numeric_limits<double>::infinity();
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        least = std::min(least, threes[i][j] + threes[i][j + 1] + threes[i][j + 2]);
      }
    }
    return least;
  }
};

/// A product with so many columns, whose b is readable up to whole registers, a few registers at a time.
template <class Arch, class T>
void multiply_columns(PanelProduct<T> product, std::int64_t columns) {
  constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes, kPanel = PanelTile<Arch, T>::segments * kLanes;
  for (; columns > 0; columns -= kPanel, product.b += kPanel, product.c += kPanel) {
    product.segments = ceil_div(std::min(columns, kPanel), kLanes);
    for (std::int64_t s = 0; s < product.segments; ++s) {
      product.segment[s] = {.b = s * kLanes, .c = s * kLanes, .columns = std::min(kLanes, columns - s * kLanes)};
    }
    PanelsKernels<Arch, T>::multiply(product);
  }
}

/// Computes the tiles that Winograd's would spoil as plain sums, in the order of the other algorithms. A few at once,
/// outputs by pixels, of which 48 fill whole registers, with the weight as it is: all 128 tiles of 16 to 16 channels at
/// 32x32, two images, take 122 us instead of the 233 of pixels by outputs, a tile at a time (8 to 8 channels: 49 of
/// 100).
template <class Arch, class T>
class PlainTiles {
 public:
  /// largest_weight: the weight's sum of squares.
  PlainTiles(const WinogradFilters<T>& filters, const WinogradPlanes<T>& planes, std::int64_t most_tiles,
             double largest_weight)
      : filters_(filters), planes_(planes), means_(most_tiles), largest_weight_(largest_weight) {}

  /// Computes those of a block's tiles that Winograd's spoiled, given the squares of their windows; y has what it made
  /// of them. One glance at all of them is most often enough.
  void mend(const WinogradOutput<T>& output, const T* squares) {
    const WinogradBlock& block = output.block;
    const WinogradRange range = WinogradKernels<Arch, T>::range(squares, block.registers * kWinogradSquares * kLanes);
    const bool finite = finite_product(range, largest_weight_);
    if (finite && is_even(range)) {
      return;
    }
    means_.measure(block, squares, kLanes);
    for (std::int64_t i = 0; i < block.tile_count; ++i) {
      if (!finite || !means_.is_even(block.tiles[i])) {
        compute_if_spoiled(output, block.tiles[i], means_.square(block.tiles[i]) / kGroupCells);
      }
    }
    if (space_.has_value()) {
      compute(output);
    }
  }

 private:
  static constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes, kOutputs = kWinogradTile * kWinogradTile;
  static constexpr std::int64_t kTogether = 3, kColumns = kTogether * kOutputs;
  static constexpr double kGroupCells = kWinogradWindow;  // of a group, all channels of each

  /// What the first tile that is looked at needs, made then: a window (input, cell), tiles to compute, the pixels that
  /// meet each step's weight in a panel (step, tile, pixel), and what becomes of them (output, tile, pixel).
  struct Space {
    explicit Space(const WinogradFilters<T>& filters)
        : window(filters.inputs * kWinogradCells),
          panel(filters.inputs * 9 * kColumns),
          results(filters.outputs * kColumns),
          rows(filters.outputs),
          steps(filters.inputs * 9) {
      for (std::int64_t o = 0; o < filters.outputs; ++o) {
        rows.data()[o] = o * 9 * (filters.turned ? 1 : filters.inputs);
      }
      for (std::int64_t k = 0; k < filters.inputs * 9; ++k) {
        steps.data()[k] = {.a = filters.turned ? k / 9 * filters.outputs * 9 + 8 - k % 9 : k, .b = k * kColumns};
      }
    }
    Workspace<T> window, panel, results;
    Workspace<std::int64_t> rows;
    Workspace<PanelStep> steps;
    WinogradTile tiles[kTogether];
    std::int64_t tile_count = 0;
  };

  void compute_if_spoiled(const WinogradOutput<T>& output, const WinogradTile& tile, double mean_square) {
    if (!space_.has_value()) {
      space_.emplace(filters_);
    }
    gather_window<Arch>(planes_, tile, space_->window.data());
    if (!suits(output, tile, mean_square)) {
      pack_window(space_->panel.data() + space_->tile_count * kOutputs);
      space_->tiles[space_->tile_count++] = tile;
      if (space_->tile_count == kTogether) {
        compute(output);
      }
    }
  }

  /// Whether a tile does not exceed its smallest window, or one of values with that mean square, by more than the
  /// ratio.
  bool suits(const WinogradOutput<T>& output, const WinogradTile& tile, double mean_square) const {
    const WindowSquares<T> squares(space_->window.data(), filters_.inputs);
    const double all = squares.all(), least = squares.least(rows_of(output, tile), columns_of(output, tile));
    const double scale = std::max(least, mean_square * 9);
    return all <= kWinogradRatio * kWinogradRatio * scale && all * largest_weight_ <= kWinogradMost;
  }

  static std::int64_t rows_of(const WinogradOutput<T>& output, const WinogradTile& tile) {
    return std::min(kWinogradTile, output.height - tile.row);
  }
  static std::int64_t columns_of(const WinogradOutput<T>& output, const WinogradTile& tile) {
    return std::min(kWinogradTile, output.width - tile.column);
  }

  void pack_window(T* panel) const {
    const T* window = space_->window.data();
    for (std::int64_t input = 0; input < filters_.inputs; ++input, window += kWinogradCells) {
      for (std::int64_t tap = 0; tap < 9; ++tap, panel += kColumns) {
        const T* from = window + tap / 3 * kWinogradWindow + tap % 3;
        for (std::int64_t i = 0; i < kWinogradTile; ++i) {
          std::copy_n(from + i * kWinogradWindow, kWinogradTile, panel + i * kWinogradTile);
        }
      }
    }
  }

  /// The tiles whose windows are packed. output has outputs of its own from the filters' `first` on.
  void compute(const WinogradOutput<T>& output) {
    Space& space = *space_;
    multiply_columns<Arch, T>({.a = filters_.weight,
                               .a_rows = space.rows.data() + output.first,
                               .steps = space.steps.data(),
                               .rows = output.outputs,
                               .step_count = filters_.inputs * 9,
                               .b = space.panel.data(),
                               .c = space.results.data(),
                               .c_stride = kColumns,
                               .bias = output.bias},
                              space.tile_count * kOutputs);
    for (std::int64_t t = 0; t < space.tile_count; ++t) {
      const WinogradTile& tile = space.tiles[t];
      const std::int64_t rows = rows_of(output, tile), columns = columns_of(output, tile);
      if (rows == kWinogradTile && columns == kWinogradTile) {
        write(output, tile, kWinogradTile, kWinogradTile, space.results.data() + t * kOutputs);
      } else {
        write(output, tile, rows, columns, space.results.data() + t * kOutputs);
      }
    }
    space.tile_count = 0;
  }

  [[gnu::always_inline]] static void write(const WinogradOutput<T>& output, const WinogradTile& tile, std::int64_t rows,
                                           std::int64_t columns, const T* results) {
    T* y = output.y + tile.image * output.image_stride + tile.row * output.width + tile.column;
    for (std::int64_t o = 0; o < output.outputs; ++o, y += output.plane, results += kColumns) {
      for (std::int64_t i = 0; i < rows; ++i) {
        std::copy_n(results + i * kWinogradTile, columns, y + i * output.width);
      }
    }
  }

  const WinogradFilters<T>& filters_;
  WinogradPlanes<T> planes_;
  HarmonicMeans means_;
  double largest_weight_;
  std::optional<Space> space_;
};

/// Adds what a tile contributes to a weight's gradient as plain sums.
template <class Arch, class T>
class PlainGradient {
 public:
  PlainGradient(std::int64_t inputs, std::int64_t outputs)
      : inputs_(inputs),
        out_width_(round_up(outputs, kLanes)),
        window_(inputs * kWinogradCells),
        dy_(kOutputs * out_width_),
        rows_(inputs * 9) {
    for (std::int64_t k = 0; k < inputs * 9; ++k) {
      const std::int64_t tap = k % 9;
      rows_.data()[k] = k / 9 * kWinogradCells + tap / 3 * kWinogradWindow + tap % 3;
    }
  }

  /// sums (input, tap, output), `stride` outputs per row.
  void add(const WinogradPlanes<T>& x, const WinogradPlanes<T>& dy, const WinogradTile& tile, std::int64_t stride,
           T* sums) {
    gather_window<Arch>(x, tile, window_.data());
    gather_outputs(dy, tile);
    multiply_columns<Arch, T>({.a = window_.data(),
                               .a_rows = rows_.data(),
                               .steps = steps_,
                               .rows = inputs_ * 9,
                               .step_count = step_count_,
                               .b = dy_.data(),
                               .c = sums,
                               .c_stride = stride,
                               .accumulate = true},
                              dy.channels);
  }

 private:
  static constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes, kOutputs = kWinogradTile * kWinogradTile;

  /// Those outside the planes have no steps: 0 times NaN would be one.
  void gather_outputs(const WinogradPlanes<T>& p, const WinogradTile& tile) {
    std::fill_n(dy_.data(), kOutputs * out_width_, T(0));
    step_count_ = 0;
    for (std::int64_t i = 0; i < kOutputs; ++i) {
      const std::int64_t row = tile.row + i / kWinogradTile, column = tile.column + i % kWinogradTile;
      if (row < p.height && column < p.width) {
        steps_[step_count_++] = {.a = i / kWinogradTile * kWinogradWindow + i % kWinogradTile, .b = i * out_width_};
        const T* x = p.x + tile.image * p.image_stride + row * p.width + column;
        for (std::int64_t c = 0; c < p.channels; ++c) {
          dy_.data()[i * out_width_ + c] = x[c * p.plane];
        }
      }
    }
  }

  std::int64_t inputs_, out_width_, step_count_ = 0;
  Workspace<T> window_, dy_;
  Workspace<std::int64_t> rows_;
  PanelStep steps_[kOutputs];
};

}  // namespace evenkeel::kernels
