#pragma once

#include "core/kernels/isa.hpp"

#include <cstdint>

namespace evenkeel::kernels {

// Direct convolution of stride 1. A part of x is copied into a padded block (channel, row, column) whose rows are long
// enough that every load of a full register stays inside and reads zeros beyond x; after that no product needs a test.
// A segment is one register of consecutive pixels of an output row; the last of a row may be partly filled.

/// Register tiles per instruction set: forward computes `outputs` channels of `segments` segments at a time, the weight
/// gradient `grad_outputs` channels by `grad_products` kernel cells.
template <class Arch, class T>
struct DirectTile {
  static constexpr std::int64_t lanes = 16 / static_cast<std::int64_t>(sizeof(T));
  static constexpr int outputs = 4, segments = 3, grad_outputs = 3, grad_products = 4;  // of 16 registers
};
template <class T>
struct DirectTile<Avx2, T> : DirectTile<Sse2, T> {
  static constexpr std::int64_t lanes = 32 / static_cast<std::int64_t>(sizeof(T));
};
template <class T>
struct DirectTile<Avx512, T> {
  static constexpr std::int64_t lanes = 64 / static_cast<std::int64_t>(sizeof(T));
  static constexpr int outputs = 8, segments = 3, grad_outputs = 4, grad_products = 6;  // of 32 registers
};

/// Sizes of a padded block and of the kernel that slides over it.
struct DirectBlock {
  std::int64_t channels = 0, rows = 0, width = 0;  ///< of x; of y: rows and columns in this block
  std::int64_t kernel_h = 0, kernel_w = 0, dilation_h = 0, dilation_w = 0;
  std::int64_t row_stride = 0, plane_stride = 0;  ///< of the padded block, in elements
};

template <class T>
struct DirectForward {
  DirectBlock block;
  const T* x = nullptr;       ///< the padded block
  const T* weight = nullptr;  ///< (tile of outputs, channel, kernel cell, output in the tile), filled up with 0
  const T* bias = nullptr;    ///< one per output of all tiles, filled up with 0
  T* y = nullptr;             ///< output 0, first row of the block
  std::int64_t outputs = 0, y_plane = 0;
};

/// dw of up to grad_outputs channels; sums over `images` padded blocks.
template <class T>
struct DirectWeightGradient {
  DirectBlock block;
  std::int64_t images = 0, x_image = 0, dy_image = 0;  ///< number, and distances in elements
  const T* x = nullptr;
  const T* dy = nullptr;  ///< (image, output, row, column); rows of whole registers, zeros beyond `width`
  std::int64_t outputs = 0, dy_plane = 0, dy_row = 0;
  T* dw = nullptr;  ///< (output, channel, kernel cell); added to
  std::int64_t dw_row = 0;
};

template <class Arch, class T>
struct ConvDirectKernels {
  static void forward(const DirectForward<T>& job);
  static void weight_gradient(const DirectWeightGradient<T>& job);
};

}  // namespace evenkeel::kernels
