#pragma once

#include "evenkeel/core/kernels/conv/conv.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"

#include <cstdint>

namespace evenkeel::kernels {

// Winograd's F(4x4, 3x3): a tile of 4x4 outputs of a 3x3 convolution from 6x6 inputs with 36 products instead of 144,
//   y = A^T ((G w G^T) * (B^T x B)) A  (A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, 2016),
// where the products of all channels are 36 matrix products. Its gradient is dw = G^T ((A dy A^T) * (B^T x B)) G.
// The matrices are those of the points 0, +-sqrt(1/2), +-sqrt(2) and infinity, whose rounding errors are half as large
// as those of the paper's 0, +-1, +-2. Registers run over neighbouring channels.
//
// Accuracy. A plain sum errs by about eps |w| |window|, norms over the products of one output; a tile shares its
// rounding, so that it errs by about 1.3 eps |w| |tile|: 2.6 times as much where all 6x6 cells are of one size. So that
// one large cell does not spoil outputs that do not read it, and NaN and infinity reach exactly those that do, each
// image of a block is looked at (WinogradRange): where the norms of groups of cells of up to 8 pixels exceed their
// harmonic mean, zeros aside, more than kWinogradRatio times, its tiles are looked at one by one, and those that exceed
// their smallest window, or one of the harmonic mean, by that ratio are computed as plain sums. So an output errs
//   2.6 times as much as a plain sum among values of one size, be most of them 0;
//   10 times in a tile that was looked at, 20 times, at worst, in an image that passed,
// as a plain sum would in its own window or one of the image's typical (harmonic mean) values, whichever is larger: 0
// beside large values is exact to their rounding only. Gradients of weights, sums over all pixels, take turns as plain
// sums where a group of an image exceeds the mean by kWinogradMeanRatio. Numbers below 1e-22 count as 0.

constexpr std::int64_t kWinogradTile = 4, kWinogradWindow = 6, kWinogradCells = 36;

/// Tile of a block: its image, and its first output row and column in the block.
struct WinogradTile {
  std::int64_t image = 0, row = 0, column = 0;
};

// Transformed cells are blocks of registers, (cell, register of channels, row, lane), where a row is a tile or, of
// weights, a channel of the other side: the distances `cell` and `part` are those from one cell and from one register
// of channels to the next.

/// A transformed array.
template <class T>
struct WinogradCells {
  T* data = nullptr;
  std::int64_t cell = 0, part = 0;
};

/// u (output register, input row) = cells of G w G^T for the filters w[(r 9 + tap) width + j] of input r and output j,
/// turned by 180 degrees if `turned`.
template <class T>
struct WinogradWeight {
  const T* w = nullptr;
  std::int64_t rows = 0, width = 0;
  bool turned = false;
  WinogradCells<T> u = {};
};

/// v (channel register, tile) = cells of B^T x B (or A x A^T) for the windows of the tiles in x (image, row, column,
/// channel), which begin `top` and `left` after a tile's row and column; x is 0 outside.
template <class T>
struct WinogradSpread {
  const T* x = nullptr;
  std::int64_t image_stride = 0, rows = 0, columns = 0, top = 0, left = 0, width = 0;
  const WinogradTile* tiles = nullptr;
  std::int64_t tile_count = 0;
  WinogradCells<T> v = {};
};

/// Per cell c (output register, row) = or += a b, for the rows of c and `steps` products. Forward, a is (input
/// register, tile), b (output register, input), the rows are tiles; of the gradient, a is (input register, tile), b
/// (output register, tile), the rows are inputs. Computes whole tiles of rows: a is readable and c writable for
/// kWinogradRows - 1 rows more.
template <class T>
struct WinogradProduct {
  bool gradient = false, accumulate = false;
  std::int64_t rows = 0, steps = 0, width = 0;  ///< width: columns of c
  WinogradCells<const T> a = {}, b = {};
  WinogradCells<T> c = {};
};
constexpr std::int64_t kWinogradRows = 16;

/// y (image, row, column, o) of the tiles = A^T m A + bias for m (output register, tile).
template <class T>
struct WinogradOutput {
  WinogradCells<const T> m = {};
  std::int64_t width = 0;
  const T* bias = nullptr;  ///< `width` of them
  const WinogradTile* tiles = nullptr;
  std::int64_t tile_count = 0;
  T* y = nullptr;
  std::int64_t image_stride = 0, rows = 0, columns = 0;
};

/// dw[(c 9 + tap) outputs + o] = tap of G^T n G for n (output register, c).
template <class T>
struct WinogradWeightGradient {
  WinogradCells<const T> n = {};
  std::int64_t channels = 0, outputs = 0;
  T* dw = nullptr;
};

/// What groups of up to kWinogradGroup numbers of one lane, of at most 8 pixels, have: sums of squares and their roots,
/// the norms.
struct WinogradRange {
  double largest = 0;        ///< sum of squares; a NaN may be passed over
  double norms = 0;          ///< sum; NaN or infinite if a number is, or its square
  double inverse_norms = 0;  ///< sum of 1 / norm of those that are not 0
  double groups = 0;         ///< with a norm that is not 0
  double all = 0;            ///< groups
  double cells = 1;          ///< of a group

  double harmonic_mean() const { return inverse_norms > 0 ? groups / inverse_norms : 0; }
};
constexpr std::int64_t kWinogradGroup = 16;
constexpr double kWinogradRatio = 8, kWinogradMeanRatio = 16;
/// Of the largest sums of squares of both factors: up to here no sum of a tile overflows.
constexpr double kWinogradMost = 1e58;

/// Every width and distance is a multiple of a register.
template <class Arch, class T>
struct WinogradKernels {
  static void weight(const WinogradWeight<T>& job);
  static void input(const WinogradSpread<T>& job);
  static void multiply(const WinogradProduct<T>& job);
  static void output(const WinogradOutput<T>& job);
  static void output_gradient(const WinogradSpread<T>& job);
  static void weight_gradient(const WinogradWeightGradient<T>& job);
  /// Of x (pixel, `width` channels), count numbers in all.
  static WinogradRange range(const T* x, std::int64_t count, std::int64_t width);
  /// window (6, 6, job.width) = what the tile reads; squares[cell] = the sum of squares over channels.
  static void window(const WinogradSpread<T>& job, const WinogradTile& tile, T* window, T* squares);
};

/// Convolutions with 3x3 weights, stride and dilation 1, one group.
template <class T>
struct WinogradConv {
  static void forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y);
  static void input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx);
  static void weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight);
};

}  // namespace evenkeel::kernels
