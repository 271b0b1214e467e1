#pragma once

#include "core/kernels/isa.hpp"

#include <cstdint>

namespace evenkeel::kernels {

// Winograd's F(2x2, 3x3): a tile of 2x2 outputs of a 3x3 convolution from 4x4 inputs with 16 products instead of 36,
//   y = A^T ((G w G^T) * (B^T x B)) A  (A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, 2016),
// where the products of all channels are 16 matrix products. Its gradient is dw = G^T ((A dy A^T) * (B^T x B)) G.
// Registers run over neighbouring tiles.

/// u[cell u_cell + f] = cell of G w G^T for filters w (filter, 3, 3), cells in the order of rows.
template <class T>
struct WinogradWeight {
  const T* w = nullptr;
  std::int64_t filters = 0;
  T* u = nullptr;
  std::int64_t u_cell = 0;
};

/// Tiles of one row of tiles: `x` in the staged input, `column` in the panel, and in y.
struct WinogradRun {
  std::int64_t x = 0, column = 0, tiles = 0;
  std::int64_t y = 0, y_rows = 0, y_columns = 0;  ///< start, and how much of the tiles is inside
};

/// v[cell v_cell + c width + run.column + j] = cell of B^T x B for tile j of a run of channel c. x is staged with
/// stride 2, so that the even columns of a row come before its odd ones, `x_odd` later.
template <class T>
struct WinogradInput {
  const T* x = nullptr;
  std::int64_t channels = 0, x_plane = 0, x_row = 0, x_odd = 0;
  const WinogradRun* runs = nullptr;
  std::int64_t run_count = 0;
  T* v = nullptr;
  std::int64_t v_cell = 0, width = 0;
};

/// y = A^T m A + bias for m (cell, output, column of the panel).
template <class T>
struct WinogradOutput {
  const T* m = nullptr;
  std::int64_t m_cell = 0, width = 0, outputs = 0;
  const T* bias = nullptr;  ///< one per output, or null
  const WinogradRun* runs = nullptr;
  std::int64_t run_count = 0;
  T* y = nullptr;
  std::int64_t y_plane = 0, y_row = 0;
};

/// e[cell e_cell + (i tile_columns + j) width + o] = cell of A dy A^T for tile (i, j), where dy is (pixel, o), 0
/// outside.
template <class T>
struct WinogradOutputGradient {
  const T* dy = nullptr;
  std::int64_t rows = 0, columns = 0;  ///< of dy
  std::int64_t tile_rows = 0, tile_columns = 0, width = 0;
  T* e = nullptr;
  std::int64_t e_cell = 0;
};

/// dw[(c 9 + tap) outputs + o] = tap of G^T n G for n[cell n_cell + c outputs + o].
template <class T>
struct WinogradWeightGradient {
  const T* n = nullptr;
  std::int64_t n_cell = 0, channels = 0, outputs = 0;
  T* dw = nullptr;
};

/// A run has at most a register of tiles. v and m are readable for a register beyond their end.
template <class Arch, class T>
struct ConvWinogradKernels {
  static void weight(const WinogradWeight<T>& job);
  static void input(const WinogradInput<T>& job);
  static void output(const WinogradOutput<T>& job);
  static void output_gradient(const WinogradOutputGradient<T>& job);
  static void weight_gradient(const WinogradWeightGradient<T>& job);
};

}  // namespace evenkeel::kernels
