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

/// squares[cell] = the sum over channels of the squares of what a tile reads.
template <class T>
void window_squares(const WinogradPlanes<T>& p, const WinogradTile& tile, T* squares) {
  constexpr std::int64_t kColumns = 8;  // two more than a window has, for whole registers
  const std::int64_t top = tile.row - p.pad_top, left = tile.column - p.pad_left;
  const std::int64_t first = std::clamp<std::int64_t>(-top, 0, kWinogradWindow);
  const std::int64_t last = std::clamp<std::int64_t>(p.height - top, first, kWinogradWindow);
  T sums[kWinogradWindow][kColumns] = {};
  const T* const x = p.x + tile.image * p.image_stride + top * p.width + left;
  const auto add = [&](std::int64_t begin, std::int64_t end) __attribute__((always_inline)) {
    for (std::int64_t c = 0; c < p.channels; ++c) {
      for (std::int64_t i = first; i < last; ++i) {
        const T* row = x + c * p.plane + i * p.width;
        for (std::int64_t j = begin; j < end; ++j) {
          sums[i][j] += row[j] * row[j];
        }
      }
    }
  };
  if (left >= 0 && left + kColumns <= p.width) {
    add(0, kColumns);
  } else {
    const std::int64_t begin = std::clamp<std::int64_t>(-left, 0, kWinogradWindow);
    add(begin, std::clamp<std::int64_t>(p.width - left, begin, kWinogradWindow));
  }
  for (std::int64_t cell = 0; cell < kWinogradCells; ++cell) {
    squares[cell] = sums[cell / kWinogradWindow][cell % kWinogradWindow];
  }
}

/// window (cell, `width` channels) = what a tile reads; 0 outside the planes.
template <class T>
void gather_window(const WinogradPlanes<T>& p, const WinogradTile& tile, std::int64_t width, T* window) {
  for (std::int64_t cell = 0; cell < kWinogradCells; ++cell, window += width) {
    const std::int64_t row = tile.row - p.pad_top + cell / kWinogradWindow;
    const std::int64_t column = tile.column - p.pad_left + cell % kWinogradWindow;
    std::fill_n(window, width, T(0));
    if (row >= 0 && row < p.height && column >= 0 && column < p.width) {
      const T* x = p.x + tile.image * p.image_stride + row * p.width + column;
      for (std::int64_t c = 0; c < p.channels; ++c) {
        window[c] = x[c * p.plane];
      }
    }
  }
}

/// The window of a tile of planes with a map, formed as planes of its own.
template <class Arch, class T>
class MappedWindow {
 public:
  explicit MappedWindow(std::int64_t channels) : cells_(channels * kWinogradCells) {}

  /// Valid until the next call; the tile there is the first.
  WinogradPlanes<T> form(const WinogradPlanes<T>& p, const WinogradTile& tile) {
    each_cell(p, tile, [](T* cell, const T* x) { *cell = x != nullptr ? *x : T(0); });
    NormalizeKernels<Arch, T>::scale(cells_.data(), cells_.data(), {p.channels, kWinogradCells, 1, 0, kWinogradCells},
                                     PieceNumbers<T>{p.map.pieces + tile.image * p.map.image_step, nullptr},
                                     {.f = p.map.relu ? NormActivation::relu : NormActivation::none});
    each_cell(p, tile, [](T* cell, const T* x) { *cell = x != nullptr ? *cell : T(0); });
    return {.x = cells_.data(),
            .plane = kWinogradCells,
            .height = kWinogradWindow,
            .width = kWinogradWindow,
            .channels = p.channels};
  }

 private:
  /// f(cell, its place in x, or null outside)
  template <class F>
  void each_cell(const WinogradPlanes<T>& p, const WinogradTile& tile, const F& f) {
    T* cell = cells_.data();
    for (std::int64_t c = 0; c < p.channels; ++c) {
      for (std::int64_t i = 0; i < kWinogradCells; ++i) {
        const std::int64_t row = tile.row - p.pad_top + i / kWinogradWindow;
        const std::int64_t column = tile.column - p.pad_left + i % kWinogradWindow;
        const bool inside = row >= 0 && row < p.height && column >= 0 && column < p.width;
        f(cell++, inside ? p.x + tile.image * p.image_stride + c * p.plane + row * p.width + column : nullptr);
      }
    }
  }

  Workspace<T> cells_;
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

/// Computes the tiles that Winograd's would spoil as plain sums, in the order of the other algorithms.
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
  }

 private:
  static constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes, kOutputs = kWinogradTile * kWinogradTile;
  static constexpr double kGroupCells = kWinogradWindow;  // of a group, all channels of each

  /// What the first tile needs, made then.
  struct Space {
    Space(std::int64_t inputs, std::int64_t out_width)
        : in_width(round_up(inputs, kLanes)),
          window(kWinogradCells * in_width),
          results(kOutputs * out_width),
          weight(inputs * 9 * out_width),
          steps(inputs * 9) {}
    std::int64_t in_width;
    Workspace<T> window, results, weight;
    Workspace<PanelStep> steps;
    std::int64_t rows[kOutputs];
  };

  std::int64_t out_width() const { return round_up(filters_.outputs, kLanes); }

  Space& made_space() {
    if (!space_.has_value()) {
      space_.emplace(filters_.inputs, out_width());
      filters_.template arrange<Arch>(0, filters_.inputs, out_width(), space_->weight.data());
      for (std::int64_t k = 0; k < filters_.inputs * 9; ++k) {
        const std::int64_t input = k / 9, tap = k % 9;
        space_->steps.data()[k] = {.a = (tap / 3 * kWinogradWindow + tap % 3) * space_->in_width + input,
                                   .b = (input * 9 + (filters_.turned ? 8 - tap : tap)) * out_width()};
      }
      for (std::int64_t i = 0; i < kOutputs; ++i) {
        space_->rows[i] = (i / kWinogradTile * kWinogradWindow + i % kWinogradTile) * space_->in_width;
      }
    }
    return *space_;
  }

  void compute_if_spoiled(const WinogradOutput<T>& output, const WinogradTile& tile, double mean_square) {
    if (planes_.map && !mapped_.has_value()) {
      mapped_.emplace(planes_.channels);
    }
    const WinogradPlanes<T> planes = planes_.map ? mapped_->form(planes_, tile) : planes_;
    const WinogradTile place = planes_.map ? WinogradTile() : tile;
    T squares[kWinogradCells];
    window_squares(planes, place, squares);
    if (!suits(output, tile, squares, mean_square)) {
      Space& space = made_space();
      gather_window(planes, place, space.in_width, space.window.data());
      multiply(space);
      write(output, tile, space.results.data());
    }
  }

  /// Whether a tile does not exceed its smallest window, or one of values with that mean square, by more than the
  /// ratio.
  bool suits(const WinogradOutput<T>& output, const WinogradTile& tile, const T* squares, double mean_square) const {
    double all = 0, least = std::numeric_limits<double>::infinity();
    for (std::int64_t cell = 0; cell < kWinogradCells; ++cell) {
      all += double{squares[cell]};
    }
    for (std::int64_t p = 0; p < std::min(kWinogradTile, output.height - tile.row); ++p) {
      for (std::int64_t q = 0; q < std::min(kWinogradTile, output.width - tile.column); ++q) {
        double window = 0;
        for (std::int64_t tap = 0; tap < 9; ++tap) {
          window += double{squares[(p + tap / 3) * kWinogradWindow + q + tap % 3]};
        }
        least = std::min(least, window);
      }
    }
    const double scale = std::max(least, mean_square * 9);
    return all <= kWinogradRatio * kWinogradRatio * scale && all * largest_weight_ <= kWinogradMost;
  }

  void multiply(Space& space) const {
    multiply_columns<Arch, T>({.a = space.window.data(),
                               .a_rows = space.rows,
                               .steps = space.steps.data(),
                               .rows = kOutputs,
                               .step_count = filters_.inputs * 9,
                               .b = space.weight.data(),
                               .c = space.results.data(),
                               .c_stride = out_width()},
                              out_width());
  }

  /// output has outputs of its own from the filters' `first` on.
  void write(const WinogradOutput<T>& output, const WinogradTile& tile, const T* results) const {
    for (std::int64_t i = 0; i < kOutputs; ++i, results += out_width()) {
      const std::int64_t row = tile.row + i / kWinogradTile, column = tile.column + i % kWinogradTile;
      if (row < output.height && column < output.width) {
        T* y = output.y + tile.image * output.image_stride + row * output.width + column;
        for (std::int64_t o = 0; o < output.outputs; ++o) {
          y[o * output.plane] = results[output.first + o] + output.bias[o];
        }
      }
    }
  }

  const WinogradFilters<T>& filters_;
  WinogradPlanes<T> planes_;
  HarmonicMeans means_;
  double largest_weight_;
  std::optional<Space> space_;
  std::optional<MappedWindow<Arch, T>> mapped_;
};

/// Adds what a tile contributes to a weight's gradient as plain sums.
template <class Arch, class T>
class PlainGradient {
 public:
  PlainGradient(std::int64_t inputs, std::int64_t outputs)
      : inputs_(inputs),
        in_width_(round_up(inputs, kLanes)),
        out_width_(round_up(outputs, kLanes)),
        window_(kWinogradCells * in_width_),
        dy_(kOutputs * out_width_),
        rows_(inputs * 9),
        mapped_(inputs) {
    for (std::int64_t k = 0; k < inputs * 9; ++k) {
      const std::int64_t tap = k % 9;
      rows_.data()[k] = (tap / 3 * kWinogradWindow + tap % 3) * in_width_ + k / 9;
    }
  }

  /// sums (input, tap, output), `stride` outputs per row.
  void add(const WinogradPlanes<T>& x, const WinogradPlanes<T>& dy, const WinogradTile& tile, std::int64_t stride,
           T* sums) {
    gather_window(x.map ? mapped_.form(x, tile) : x, x.map ? WinogradTile() : tile, in_width_, window_.data());
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
        steps_[step_count_++] = {.a = (i / kWinogradTile * kWinogradWindow + i % kWinogradTile) * in_width_,
                                 .b = i * out_width_};
        const T* x = p.x + tile.image * p.image_stride + row * p.width + column;
        for (std::int64_t c = 0; c < p.channels; ++c) {
          dy_.data()[i * out_width_ + c] = x[c * p.plane];
        }
      }
    }
  }

  std::int64_t inputs_, in_width_, out_width_, step_count_ = 0;
  Workspace<T> window_, dy_;
  Workspace<std::int64_t> rows_;
  MappedWindow<Arch, T> mapped_;
  PanelStep steps_[kOutputs];
};

}  // namespace evenkeel::kernels
