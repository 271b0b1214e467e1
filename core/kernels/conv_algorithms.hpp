#pragma once

#include "core/kernels/conv.hpp"

#include <algorithm>

namespace evenkeel::kernels {

/// The ways to compute a convolution.
enum class ConvAlgorithm {
  direct,     ///< register tiles over staged rows in place; rows that fill registers
  panels,     ///< the same tiles over packed columns; any geometry
  winograd,   ///< F(2x2, 3x3): fewer products for more additions; 3x3 of stride 1
  depthwise,  ///< one channel per group
};

enum class ConvPass { forward, input_gradient, weight_gradient };

/// The table of shape conditions; depends on the geometry, the element type and the active instruction set only.
template <class T>
ConvAlgorithm choose_algorithm(const ConvGeometry& g, ConvPass pass);

/// Units per chunk of a parallel loop over `units` units of `work` multiply-adds in all: enough to be worth waking a
/// thread.
inline std::int64_t work_grain(std::int64_t work, std::int64_t units) {
  constexpr std::int64_t kChunkWork = 250'000;
  return std::max<std::int64_t>(1, kChunkWork / std::max<std::int64_t>(1, work / units));
}

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
