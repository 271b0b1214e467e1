#pragma once

#include "core/kernels/conv.hpp"

#include <algorithm>

namespace evenkeel::kernels {

/// The ways to compute a convolution; each has the functions of core/kernels/conv.hpp in a class of its own.
/// The input gradient at stride 1 is a convolution itself (adjoint_geometry), so only the others need their own.
enum class ConvAlgorithm {
  columns,    ///< im2col and a matrix product per block of pixels; any geometry
  depthwise,  ///< plain loops over one channel; groups == channels
  direct,     ///< register tiles over a padded copy of x; stride 1
};

/// The table of shape conditions; depends on the geometry, the element type and the active instruction set only.
template <class T>
ConvAlgorithm choose_algorithm(const ConvGeometry& g);

/// The convolution that is the input gradient of `g` (stride 1 only): x and y change places, the weight is transposed
/// and flipped.
ConvGeometry adjoint_geometry(const ConvGeometry& g);

/// Units of parallel work per chunk, so that a chunk is worth waking a thread.
inline std::int64_t unit_grain(const ConvGeometry& g, std::int64_t units) {
  constexpr std::int64_t kChunkWork = 250'000;  // multiply-adds
  return std::max<std::int64_t>(1, kChunkWork / std::max<std::int64_t>(1, g.y_size() * g.patch() / units));
}

/// sum[i] = partials[0][i] + partials[1][i] + ..., in this order, for `parts` rows of `size` elements.
template <class T>
void add_partials(std::int64_t parts, std::int64_t size, const T* partials, T* sum);

template <class T>
struct ColumnConv {
  static void forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y);
  static void input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx);
  static void weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight);
};

template <class T>
struct DepthwiseConv {
  static void forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y);
  static void input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx);
  static void weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight);
};

template <class T>
struct DirectConv {
  static void forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y);
  static void weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight);
};

/// weight (group, O, C, KH, KW) -> (group, C, O, KH, KW) with the kernel turned by 180 degrees.
template <class T>
void flip_weight(const ConvGeometry& g, const T* weight, T* flipped);

}  // namespace evenkeel::kernels
