#pragma once

#include "evenkeel/core/kernels/matmul/gemm.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"

#include <cstdint>

namespace evenkeel::kernels {

/// C (m, n) = alpha op(A) op(B) + start, where start is bias[j], or beta C:
///   op(A)(i, k) = a[i a_row + k a_step],  op(B)(k, j) = b[k b_step + j b_column]
/// Of each pair of strides one is 1. All sizes are at least 1.
template <class T>
struct GemmJob {
  std::int64_t m = 0, n = 0, k = 0;
  const T* a = nullptr;
  std::int64_t a_row = 0, a_step = 0;
  const T* b = nullptr;
  std::int64_t b_step = 0, b_column = 0;
  T* c = nullptr;
  std::int64_t ldc = 0;
  T alpha = 1, beta = 0;
  const T* bias = nullptr;      ///< or null
  const T* row_bias = nullptr;  ///< or null; in panels only
};

/// c[i c_few + j c_many] = alpha sum_k x(i, k) y(j, k) + (accumulate ? its value : 0).
template <class T>
struct DotProducts {
  const T* x = nullptr;
  std::int64_t x_stride = 0, few = 0;
  const T* y = nullptr;
  std::int64_t y_stride = 0, many = 0;
  std::int64_t steps = 0;
  T* c = nullptr;
  std::int64_t c_few = 0, c_many = 0;
  T alpha = 1;
  bool accumulate = false;
};

/// c(i, j) = alpha sum_k a[i a_row + k a_step] b(k, j) + (accumulate ? its value : 0).
template <class T>
struct RowSums {
  std::int64_t rows = 0, columns = 0, steps = 0;
  const T* a = nullptr;
  std::int64_t a_row = 0, a_step = 0;
  const T* b = nullptr;
  std::int64_t b_step = 0;
  T* c = nullptr;
  std::int64_t ldc = 0;
  T alpha = 1;
  bool accumulate = false;
};

/// One panel of B, and rows of A in tiles of tile_height() rows, for some steps:
///   c(i, j) = alpha sum_k a(i, k) b[k b_step + j] + beta c(i, j) + bias[j] + row_bias[i]
/// where a(i, k) is a[i a_row + k a_step], or packed: the tile from row i on starts at a + i steps, step by step.
template <class T>
struct TileProduct {
  std::int64_t rows = 0, columns = 0, steps = 0, segments = 1;
  const T* a = nullptr;
  std::int64_t a_row = 0, a_step = 0;
  bool a_packed = false;
  const T* b = nullptr;
  std::int64_t b_step = 0;
  T* copy = nullptr;  ///< or null; where the first tile packs b on its way, for those after it
  T* c = nullptr;
  std::int64_t ldc = 0;
  T alpha = 1, beta = 0;
  const T* bias = nullptr;      ///< of the columns, or null
  const T* row_bias = nullptr;  ///< of the rows, or null
};

/// Rows of the next tile where `left` are left: as many as fill the registers, the last two tiles about equally high.
constexpr std::int64_t tile_height(std::int64_t left, std::int64_t most) {
  return left <= most ? left : left < 2 * most ? (left + 1) / 2 : most;
}

/// a of a TileProduct packed, from a[i + k a_step], i < rows, k < steps.
template <class T>
struct RowPacking {
  std::int64_t rows = 0, steps = 0;
  const T* a = nullptr;
  std::int64_t a_step = 0;
  T* packed = nullptr;
};

/// panel[k width + j] = b[k b_step + j] for j < columns and k < steps; 0 for columns <= j < width, whole registers.
template <class T>
struct ColumnPacking {
  std::int64_t columns = 0, steps = 0;
  const T* b = nullptr;
  std::int64_t b_step = 0;
  T* panel = nullptr;
  std::int64_t width = 0;
};

template <class Arch, class T>
struct OwnGemmKernels {
  static void multiply(const TileProduct<T>& job);
  static void pack_rows(const RowPacking<T>& job);
  static void pack_columns(const ColumnPacking<T>& job);
  static void dots(const DotProducts<T>& job);
  static void add_rows(const RowSums<T>& job);
};

/// Matrix products of our own; each fits other shapes (choose_gemm in core/kernels/matmul/gemm.cpp). They run on the
/// active instruction set and split C among the threads of parallel_for; each sum's order depends on the sizes only.
template <class T>
struct OwnGemm {
  /// The rows of A pass by panels of B, both packed or in place.
  static void panels(const GemmJob<T>& job);
  /// C^T = op(B)^T op(A)^T by panels: reads B in place and packs A. Ignores beta.
  static void transposed_panels(const GemmJob<T>& job);
  /// Each element a dot product, nothing packed; for few rows of A or few columns of B. a_step and b_step must be 1.
  static void dots(const GemmJob<T>& job);
  /// Rows of B are added to rows of C, nothing packed; for few rows of A or few steps. b_column must be 1.
  static void row_sums(const GemmJob<T>& job);
};

}  // namespace evenkeel::kernels
