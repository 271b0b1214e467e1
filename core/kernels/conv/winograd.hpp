#pragma once

#include "evenkeel/core/kernels/conv/conv.hpp"
#include "evenkeel/core/kernels/norm/plane_map.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"

#include <cstdint>

namespace evenkeel::kernels {

// Winograd's F(4x4, 3x3): a tile of 4x4 outputs of a 3x3 convolution from 6x6 inputs with 36 products instead of 144,
//   y = A^T ((G w G^T) * (B^T x B)) A  (A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, 2016),
// where the products of all channels are 36 matrix products. Its gradient is dw = G^T ((A dy A^T) * (B^T x B)) G.
// The matrices are those of the points 0, +-sqrt(1/2), +-sqrt(2) and infinity, whose rounding errors are half as large
// as those of the paper's 0, +-1, +-2. A register has a tile per lane; loops run over channels.
//
// Accuracy. A plain sum errs by about eps |w| |window|, norms over the products of one output; a tile shares its
// rounding, so that it errs by about 1.3 eps |w| |tile|: 2.7 times as much where all 6x6 cells are of one size. That is
// for 64 channels; with few the transforms' own rounding counts, so that all these factors are 1.25 times as large with
// 16 and 1.5 times with 8.
//
// So that one large cell does not spoil outputs that do not read it, and NaN and infinity reach exactly those that do,
// the windows of a block of tiles are looked at: the norms of groups, the columns of each window or, where tiles are
// stacked (WinogradBlock), its rows, six cells of all channels. Where groups of an image exceed their harmonic mean in
// the block, zeros aside, more than kWinogradRatio times, its tiles are looked at one by one, and those that exceed
// their smallest window, or one of the harmonic mean, by that ratio are computed as plain sums. So an output errs
//   2.7 times as much as a plain sum among values of one size, be most of them 0;
//   10 times in a tile that was looked at, 20 times, at worst, in an image that passed (measured, root mean squares of
//   bright cells, rows, columns and channels, checkerboards and ramps: up to 9),
// as a plain sum would in its own window or one of the block's typical (harmonic mean) groups, whichever is larger: 0
// beside large values is exact to their rounding only, and so is what lies between stripes that all groups have.
// Gradients of weights are sums over all pixels. Where a group of kWinogradRows channels exceeds the mean of its block
// by kWinogradMeanRatio, those channels take turns as plain sums. Taps that do not read a border err as if they did.
// Numbers below 1e-22 count as 0.

constexpr std::int64_t kWinogradTile = 4, kWinogradWindow = 6, kWinogradCells = 36;

/// Tiles of a batch of outputs.
[[gnu::always_inline]] constexpr std::int64_t tile_count(std::int64_t batch, std::int64_t height, std::int64_t width) {
  return batch * ceil_div(height, kWinogradTile) * ceil_div(width, kWinogradTile);
}

/// A tile: its image, and its first output row and column.
struct WinogradTile {
  std::int64_t image = 0, row = 0, column = 0;
};

/// Tiles side by side in a block, and where their strip begins: the columns of their windows, 4 per tile and 2 more,
/// then 2 that are 0.
struct WinogradRun {
  WinogradTile first;
  std::int64_t tiles = 0, strip = 0;
};

/// Tiles that are transformed, multiplied and transformed back at once. A register has a tile per lane, in the order
/// of winograd_lane_of_tile(). Blocks are consecutive tiles, row by row and image by image; or stacked: each register
/// has tiles of one row of one or more images, and the next register those below them.
struct WinogradBlock {
  const WinogradTile* tiles = nullptr;
  std::int64_t tile_count = 0, registers = 0;
  const bool* whole = nullptr;        ///< per register: all its tiles have 4x4 outputs
  std::int64_t adjacent = 1;          ///< 1, 2 or 4: how many tiles lie side by side, from each multiple of it on
  bool stacked = false;               ///< with a padding of 1, and whole columns: out of and into planes of one size
  const WinogradRun* runs = nullptr;  ///< if not stacked
  std::int64_t run_count = 0;
  const std::int64_t* strips =
      nullptr;  ///< per tile, also of the last register's unused lanes: where its columns begin
};

/// The lane of a register's tile: with f = lanes / 4, tiles 0, f, 2 f and 3 f are the first four lanes, tiles 1, f + 1,
/// ... the next. So registers of four columns each of f tiles, from tiles 0, f, 2 f and 3 f on, become one register per
/// column by transposing fours (simd/batch.hpp).
[[gnu::always_inline]] constexpr std::int64_t winograd_lane_of_tile(std::int64_t tile, std::int64_t lanes) {
  return tile % (lanes / 4) * 4 + tile / (lanes / 4);
}

// Transformed arrays are (cell, part, row, lanes): `cell` and `part` are the distances from one cell and from one part
// to the next. Of inputs (v) and products (m), a part is kWinogradPanel registers of tiles, and a row a channel. Of
// weights (u), output gradients (d) and weight gradients (n), a part is a register of outputs, and a row an input, a
// tile (in the order of lanes) and an input.

/// Registers of tiles that pass through the product at once, and what rows of channels are cut by.
constexpr std::int64_t kWinogradPanel = 3, kWinogradRows = 16;

/// A transformed array.
template <class T>
struct WinogradCells {
  T* data = nullptr;
  std::int64_t cell = 0, part = 0;
};

/// u = cells of G w G^T for the filters w[(r 9 + tap) width + j] of input r and output j, turned by 180 degrees if
/// `turned`.
template <class T>
struct WinogradWeight {
  const T* w = nullptr;
  std::int64_t rows = 0, width = 0;
  bool turned = false;
  WinogradCells<T> u = {};
};

/// Planes that windows are read from, 0 outside: map(x)[image image_stride + channel plane + row width + column].
template <class T>
struct WinogradPlanes {
  const T* x = nullptr;
  std::int64_t image_stride = 0, plane = 0, height = 0, width = 0, channels = 0;
  std::int64_t pad_top = 0, pad_left = 0;  ///< a tile's window begins so many rows and columns before the tile
  PlaneMap<T> map = {};                    ///< of the first channel
};

/// What a run's strip is made of: `columns` of six rows, from `first` on in the strips, and how far a row is from its
/// place in the next channel.
template <class T>
struct WinogradStrip {
  const T* rows[6] = {};
  std::int64_t steps[6] = {}, columns = 0, first = 0;
};

/// Sums of squares, which winograd_plain.hpp looks at, are (register of tiles, kWinogradSquares, lane): of the columns
/// of a tile's window, or, of stacked tiles, of its rows, 0 for those that the register above has in the same lanes. So
/// a block knows of every cell that it reads.
constexpr std::int64_t kWinogradSquares = 6;

/// v = cells of B^T x B for the windows of a block; squares: over all channels, or for each kWinogradRows channels if
/// `square_groups`. Stacked tiles need `strips` for the rows of three registers. Else each channel goes by way of its
/// strips, (6, strip_width) cells B^T x.
template <class T>
struct WinogradInput {
  WinogradPlanes<T> planes = {};
  WinogradBlock block = {};
  bool square_groups = false;
  const T* zeros = nullptr;            ///< a row of them, of planes.width and a register
  WinogradStrip<T>* places = nullptr;  ///< scratch for a block's runs
  T* strips = nullptr;                 ///< 0 outside the planes, which stays
  T* strip_squares = nullptr;          ///< (strip_width), 0
  std::int64_t strip_width = 0;
  T* squares = nullptr;
  WinogradCells<T> v = {};
};

/// m (outputs) = u (outputs, inputs) v (inputs), per cell. Computes whole tiles of rows: m is writable up to the next
/// multiple of kWinogradRows outputs. m may begin a cell before v.
template <class T>
struct WinogradProduct {
  std::int64_t outputs = 0, inputs = 0, registers = 0;
  WinogradCells<const T> u = {}, v = {};
  WinogradCells<T> m = {};
};

/// y[image image_stride + o plane + row width + column] of a block's tiles = A^T m A + bias[o].
template <class T>
struct WinogradOutput {
  WinogradCells<const T> m = {};
  WinogradBlock block = {};
  const T* bias = nullptr;
  T* y = nullptr;
  std::int64_t first = 0;  ///< which of the filters is the first output
  std::int64_t outputs = 0, image_stride = 0, plane = 0, height = 0, width = 0;
};

/// d = cells of A dy A^T for the tiles of a block, 0 for unused lanes; squares (each kWinogradRows outputs, register of
/// tiles, lane): of all 16 cells.
template <class T>
struct WinogradOutputGradient {
  WinogradPlanes<T> planes = {};
  WinogradBlock block = {};
  T* squares = nullptr;
  WinogradCells<T> d = {};
};

/// n (inputs, outputs) = or += v (inputs, tiles) d (tiles, outputs), per cell; as in WinogradProduct, v is readable and
/// n writable up to the next multiple of kWinogradRows inputs.
template <class T>
struct WinogradGradientProduct {
  bool accumulate = false;
  std::int64_t inputs = 0, outputs = 0, registers = 0;
  WinogradCells<const T> v = {}, d = {};
  WinogradCells<T> n = {};
};

/// dw[(c 9 + tap) outputs + o] = tap of G^T n G.
template <class T>
struct WinogradWeightGradient {
  WinogradCells<const T> n = {};
  std::int64_t inputs = 0, outputs = 0;
  T* dw = nullptr;
};

/// What the groups of a block have, given their sums of squares: those, and their roots, the norms.
struct WinogradRange {
  double least = 0, largest = 0;  ///< sums of squares that are not 0; a NaN may be passed over
  double norms = 0;               ///< sum; NaN or infinite if a number is, or its square
  double groups = 0;              ///< how many have a norm that is not 0
};
/// How far a group may exceed the harmonic mean of an image's groups, and the mean of a block's (Accuracy, above).
constexpr double kWinogradRatio = 8, kWinogradMeanRatio = 16;
/// Up to here no sum of a tile overflows: the product of both factors' sums of squares.
constexpr double kWinogradMost = 1e58;

/// What the jobs above say, one each; all data aligned to registers but the planes and y.
template <class Arch, class T>
struct WinogradKernels {
  static void weight(const WinogradWeight<T>& job);
  static void input(const WinogradInput<T>& job);
  static void multiply(const WinogradProduct<T>& job);
  static void output(const WinogradOutput<T>& job);
  static void output_gradient(const WinogradOutputGradient<T>& job);
  static void multiply_gradient(const WinogradGradientProduct<T>& job);
  static void weight_gradient(const WinogradWeightGradient<T>& job);
  /// Of `count` sums of squares, whole registers.
  static WinogradRange range(const T* squares, std::int64_t count);
  static double sum_of_squares(const T* x, std::int64_t count);
};

/// The passes of conv.hpp for 3x3 weights, stride and dilation 1, one group. T is float: float64 takes plain sums.
template <class T>
struct WinogradConv {
  static void forward(const ConvGeometry& g, const MappedPlanes<T>& x, const T* weight, const T* bias, T* y);
  static void input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx);
  static void weight_gradient(const ConvGeometry& g, const MappedPlanes<T>& x, const T* dy, T* dweight);
};

}  // namespace evenkeel::kernels
