#pragma once

#include "evenkeel/core/kernels/conv/winograd_tiles.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace evenkeel::kernels {

/// Whether Winograd's may take x beside another factor whose largest sum of squares is `other`, as far as the numbers
/// of both are finite and their products do not overflow.
inline bool finite_product(const WinogradRange& x, double other) {
  return std::isfinite(x.norms) && x.largest * other <= kWinogradMost;
}

/// Whether no group exceeds the harmonic mean by more than the ratio (winograd.hpp).
inline bool is_even(const WinogradRange& x) { return std::sqrt(x.largest) <= kWinogradRatio * x.harmonic_mean(); }

/// Whether no group exceeds the mean by more than the ratio, or half the number of groups where they are few.
inline bool is_spread(const WinogradRange& x) {
  return std::sqrt(x.largest) * x.all <= std::min(kWinogradMeanRatio, x.all / 2) * x.norms;
}

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

/// Computes the tiles that Winograd's would spoil as plain sums, in the order of the other algorithms.
template <class Arch, class T>
class PlainTiles {
 public:
  /// in_width, out_width: whole registers of channels; largest_weight: sum of squares of the weight's groups.
  PlainTiles(const WinogradFilters<T>& filters, std::int64_t in_width, std::int64_t out_width, double largest_weight)
      : filters_(filters), in_width_(in_width), out_width_(out_width), largest_weight_(largest_weight) {}

  /// Of the `count` tiles of a block of `images` images puts those for Winograd's first, and returns how many they are.
  std::int64_t set_apart(const WinogradSpread<T>& spread, const WinogradOutput<T>& output, std::int64_t images,
                         WinogradTile* tiles, std::int64_t count) {
    WinogradTile* first = tiles;
    for (std::int64_t k = 0; k < images; ++k) {
      WinogradTile* const last = tiles + (k + 1) * count / images;
      const WinogradRange range = WinogradKernels<Arch, T>::range(spread.x + k * spread.image_stride,
                                                                  spread.rows * spread.columns * in_width_, in_width_);
      if (finite_product(range, largest_weight_) && is_even(range)) {
        first = std::rotate(first, tiles + k * count / images, last);
      } else {
        WinogradTile* const end = std::partition(tiles + k * count / images, last, [&](const WinogradTile& tile) {
          return suits(spread, output, tile, range.harmonic_mean() * range.harmonic_mean() / range.cells);
        });
        first = std::rotate(first, tiles + k * count / images, end);
      }
    }
    return first - tiles;
  }

  /// y of the tiles.
  void compute(const WinogradSpread<T>& spread, const WinogradOutput<T>& output, const WinogradTile* tiles,
               std::int64_t count) {
    for (std::int64_t t = 0; t < count; ++t) {
      Space& space = made_space();
      WinogradKernels<Arch, T>::window(spread, tiles[t], space.window.data(), space.squares);
      multiply(space);
      write(output, tiles[t], space.results.data());
    }
  }

 private:
  static constexpr std::int64_t kLanes = PanelTile<Arch, T>::lanes, kOutputs = kWinogradTile * kWinogradTile;

  /// What the first tile needs, made then.
  struct Space {
    Space(std::int64_t inputs, std::int64_t in_width, std::int64_t out_width)
        : window(kWinogradCells * in_width),
          results(kOutputs * out_width),
          weight(inputs * 9 * out_width),
          steps(inputs * 9) {}
    Workspace<T> window, results, weight;
    Workspace<PanelStep> steps;
    T squares[kWinogradCells];
    std::int64_t rows[kOutputs];
  };

  Space& made_space() {
    if (!space_.has_value()) {
      space_.emplace(filters_.inputs, in_width_, out_width_);
      filters_.template arrange<Arch>(0, filters_.inputs, out_width_, space_->weight.data());
      for (std::int64_t k = 0; k < filters_.inputs * 9; ++k) {
        const std::int64_t input = k / 9, tap = k % 9;
        space_->steps.data()[k] = {.a = (tap / 3 * kWinogradWindow + tap % 3) * in_width_ + input,
                                   .b = (input * 9 + (filters_.turned ? 8 - tap : tap)) * out_width_};
      }
      for (std::int64_t i = 0; i < kOutputs; ++i) {
        space_->rows[i] = (i / kWinogradTile * kWinogradWindow + i % kWinogradTile) * in_width_;
      }
    }
    return *space_;
  }

  /// Whether a tile does not exceed its smallest window, or one of values with that mean square, by more than the
  /// ratio.
  bool suits(const WinogradSpread<T>& spread, const WinogradOutput<T>& output, const WinogradTile& tile,
             double mean_square) {
    Space& space = made_space();
    WinogradKernels<Arch, T>::window(spread, tile, space.window.data(), space.squares);
    double all = 0, least = std::numeric_limits<double>::infinity();
    for (const T value : space.squares) {
      all += double{value};
    }
    for (std::int64_t p = 0; p < std::min(kWinogradTile, output.rows - tile.row); ++p) {
      for (std::int64_t q = 0; q < std::min(kWinogradTile, output.columns - tile.column); ++q) {
        double window = 0;
        for (std::int64_t tap = 0; tap < 9; ++tap) {
          window += double{space.squares[(p + tap / 3) * kWinogradWindow + q + tap % 3]};
        }
        least = std::min(least, window);
      }
    }
    const double scale = std::max(least, mean_square * static_cast<double>(9 * filters_.inputs));
    return all <= kWinogradRatio * kWinogradRatio * scale && all * largest_weight_ <= kWinogradMost;
  }

  void multiply(Space& space) {
    constexpr std::int64_t kSegments = PanelTile<Arch, T>::segments;
    for (std::int64_t column = 0; column < out_width_; column += kSegments * kLanes) {
      PanelProduct<T> product{.a = space.window.data(),
                              .a_rows = space.rows,
                              .steps = space.steps.data(),
                              .rows = kOutputs,
                              .step_count = filters_.inputs * 9,
                              .b = space.weight.data() + column,
                              .segments = std::min(kSegments, (out_width_ - column) / kLanes),
                              .c = space.results.data() + column,
                              .c_stride = out_width_};
      for (std::int64_t s = 0; s < product.segments; ++s) {
        product.segment[s] = {.b = s * kLanes, .c = s * kLanes, .columns = kLanes};
      }
      PanelsKernels<Arch, T>::multiply(product);
    }
  }

  void write(const WinogradOutput<T>& output, const WinogradTile& tile, const T* results) const {
    for (std::int64_t i = 0; i < kOutputs; ++i, results += out_width_) {
      const std::int64_t row = tile.row + i / kWinogradTile, column = tile.column + i % kWinogradTile;
      if (row < output.rows && column < output.columns) {
        T* y = output.y + tile.image * output.image_stride + (row * output.columns + column) * out_width_;
        std::transform(results, results + out_width_, output.bias, y, [](T sum, T bias) { return sum + bias; });
      }
    }
  }

  const WinogradFilters<T>& filters_;
  std::int64_t in_width_, out_width_;
  double largest_weight_;
  std::optional<Space> space_;
};

}  // namespace evenkeel::kernels
