#pragma once

#include "evenkeel/core/kernels/conv/conv.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"

#include <algorithm>

namespace evenkeel::kernels {

/// The ways to compute a convolution. Direct and panels read a staged copy of their input (stage_shape.hpp), a
/// padded block that stays in the cache, and multiply by the register tile of matmul/panels.hpp, which reads weights in
/// place: no column matrix of a whole image, no packed weights, no flipped kernels. Winograd stages its input with
/// channels side by side (winograd_tiles.hpp). GFLOP/s per core beside OpenBLAS's 120 (its AVX2 sgemm) on the
/// AVX-512 machine that they were tuned on.
enum class ConvAlgorithm {
  direct,     ///< tiles over staged rows in place, any stride; rows that fill registers: 200 to 255
  panels,     ///< the same tiles over packed columns; any geometry: 160 to 230; also every plain weight gradient
  winograd,   ///< F(4x4, 3x3): 240 to 690 of the plain count; float32 errors about 2.6 times those of a plain sum
  depthwise,  ///< one channel per group: bound by loads, 15 to 45
};

enum class ConvPass { forward, input_gradient, weight_gradient };

/// The table of shape conditions; depends on the geometry, the element type and the active instruction set only.
template <class T>
ConvAlgorithm choose_algorithm(const ConvGeometry& g, ConvPass pass);

/// dweight (output, product) of each group = the sum over parts of sums (part, group, product, output); changes sums.
template <class T>
void finish_weight_gradient(const ConvGeometry& g, std::int64_t parts, T* sums, T* dweight);

/// algorithm: direct or panels.
template <class T>
struct PanelConv {
  static void forward(const ConvGeometry& g, ConvAlgorithm algorithm, const T* x, const T* weight, const T* bias, T* y);
  static void input_gradient(const ConvGeometry& g, ConvAlgorithm algorithm, const T* dy, const T* weight,
                             const T* bias, T* dx);
  static void weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight);
};

/// 3x3, stride and dilation 1, one group.
template <class T>
struct WinogradConv {
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

}  // namespace evenkeel::kernels
