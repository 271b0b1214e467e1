#pragma once

#include "evenkeel/core/kernels/conv/algorithms.hpp"
#include "evenkeel/core/kernels/conv/panel_plan.hpp"

#include <cstdint>

namespace evenkeel::kernels {

/// Convolutions by the register tile of matmul/panels.hpp over a staged copy of the input; algorithm: direct, whose
/// tiles read rows of the stage in place, or panels, which packs them.
template <class T>
struct PanelConv {
  static void forward(const ConvGeometry& g, ConvAlgorithm algorithm, const T* x, const T* weight, const T* bias, T* y);
  static void input_gradient(const ConvGeometry& g, ConvAlgorithm algorithm, const T* dy, const T* weight,
                             const T* bias, T* dx);
  static void weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight);
  /// sums (channel, tap, output) += what the outputs of `rows` contribute to the gradient for `channels` channels from
  /// `first` on; one group.
  static void add_weight_gradient(const ConvGeometry& g, const PixelBlock& rows, std::int64_t first,
                                  std::int64_t channels, const T* x, const T* dy, T* sums);
};

/// dweight (output, product) of each group = the sum over parts of sums (part, group, product, output); changes sums.
template <class T>
void finish_weight_gradient(const ConvGeometry& g, std::int64_t parts, T* sums, T* dweight);

}  // namespace evenkeel::kernels
