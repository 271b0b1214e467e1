#pragma once

#include "evenkeel/core/kernels/norm/plane_map.hpp"

#include <cstdint>
#include <type_traits>

namespace evenkeel {

/// A pool of few-celled windows without dilation over the last two axes. Cell (p, q) of a window has the number
/// p * kernel_w + q; cells beyond the input, in the padding or behind the end, never win and add nothing.
struct SlidingPool {
  std::int64_t planes = 0, height = 0, width = 0;  ///< of x
  std::int64_t out_height = 0, out_width = 0;      ///< of y
  std::int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;
  std::int64_t inputs() const { return height * width; }
  std::int64_t outputs() const { return out_height * out_width; }
};

namespace kernels {

inline constexpr std::int64_t kMaxPoolCells = 64;  ///< of a window

/// 2x2 windows side by side, all inside x: each cell is in one window at most, so x is read once and dx written once,
/// without a padded block. x may have a row and a column more.
inline bool is_halving_pool(const SlidingPool& p) {
  return p.kernel_h == 2 && p.kernel_w == 2 && p.stride_h == 2 && p.stride_w == 2 && p.pad_h == 0 && p.pad_w == 0 &&
         2 * p.out_height <= p.height && 2 * p.out_width <= p.width;
}

/// Cell numbers fit into bytes, and a row of outputs fills enough of a register to be faster than the general loops of
/// core/kernels/pool/pool.hpp, which give the same bits (averages of 2x2 cells, or of more than 15 in a row: up to
/// rounding).
inline bool is_sliding_pool(const SlidingPool& pool) {
  const bool fills_registers = pool.out_width >= (is_halving_pool(pool) ? 2 : 8);
  return pool.kernel_h * pool.kernel_w <= kMaxPoolCells && pool.stride_w <= 8 && fills_registers;
}

// Except in a halving pool, each plane is copied into a padded block whose columns are sorted by their remainder modulo
// the stride: what cell (p, q) of neighbouring windows reads is then contiguous, and outputs are computed a register at
// a time. Where x has a map, each plane is formed in scratch memory before it is read.

inline constexpr std::int64_t kCellSlack = 16;  ///< bytes that may be read behind the cells of all outputs

/// y = the largest cell of each window, cells = its number; the first in row order, NaN over all.
template <class T>
void sliding_max(const SlidingPool& pool, const std::type_identity_t<MappedPlanes<T>>& x, T* y, std::uint8_t* cells);
/// dx = 0, then += dy at every window's cell.
template <class T>
void sliding_max_gradient(const SlidingPool& pool, const T* dy, const std::uint8_t* cells, T* dx);
/// The adjoint: y = x at every window's cell.
template <class T>
void sliding_max_gather(const SlidingPool& pool, const T* x, const std::uint8_t* cells, T* y);
/// indices = where every window's cell is in its plane: row * width + column.
void sliding_max_indices(const SlidingPool& pool, const std::uint8_t* cells, std::int64_t* indices);

/// y = (sum of the window, in double) * share; one share per output of a plane.
template <class T>
void sliding_sum(const SlidingPool& pool, const double* shares, const std::type_identity_t<MappedPlanes<T>>& x, T* y);
/// dx = 0, then += dy * share in every cell of the window.
template <class T>
void sliding_sum_gradient(const SlidingPool& pool, const double* shares, const T* dy, T* dx);

/// The padded block of a plane: phase f of a row holds its columns f, f + stride, ...
struct PoolBlock {
  std::int64_t rows = 0, row_size = 0, phase_size = 0;
};

/// A plane of outputs for the backward: `margin` elements before each row and others behind it that send nothing (0)
/// and come from no cell (-1).
template <class T>
struct PoolOutputs {
  std::int64_t margin = 0, row_size = 0;
  T* sent = nullptr;  ///< gradients
  T* at = nullptr;    ///< cell numbers, of maxima
};

/// The SIMD side, per instruction set, for one plane.
template <class Arch, class T>
struct SlidingPoolKernels {
  /// Copies x into its place in the block.
  static void split(const SlidingPool& pool, const PoolBlock& layout, const T* x, T* block);
  static void max(const SlidingPool& pool, const PoolBlock& layout, const T* block, T* y, std::uint8_t* cells);
  static void sum(const SlidingPool& pool, const PoolBlock& layout, const double* shares, const T* block, T* y);
  /// Both fill in `outputs`' rows; `row` is room for a row of a block.
  static void max_gradient(const SlidingPool& pool, const PoolBlock& layout, const T* dy, const std::uint8_t* cells,
                           const PoolOutputs<T>& outputs, T* row, T* dx);
  static void sum_gradient(const SlidingPool& pool, const PoolBlock& layout, const double* shares, const T* dy,
                           const PoolOutputs<T>& outputs, T* row, T* dx);
};

}  // namespace kernels
}  // namespace evenkeel
