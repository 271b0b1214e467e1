#pragma once

#include "evenkeel/core/kernels/conv/conv.hpp"
#include "evenkeel/core/kernels/matmul/panels.hpp"

#include <cstdint>

namespace evenkeel::kernels {

// Both walk over the pixels of staged planes a register at a time; the stage has zeros behind each row (its slack), so
// that every load of a full register stays inside.

/// y[i][j] = bias + sum_k w[steps[k].a] x[i x_row + j + steps[k].b].
template <class T>
struct DepthwiseForward {
  const T* x = nullptr;
  std::int64_t x_row = 0;
  const T* w = nullptr;
  const PanelStep* steps = nullptr;
  std::int64_t step_count = 0;
  T bias = 0;
  T* y = nullptr;
  std::int64_t y_row = 0, rows = 0, columns = 0;
};

/// dw[k] += sum over images, rows and columns of dy[n][i][j] x[n x_image + i x_row + j + x_steps[k]].
template <class T>
struct DepthwiseWeightGradient {
  const T* x = nullptr;
  const T* dy = nullptr;
  std::int64_t x_image = 0, x_row = 0, dy_image = 0;
  const std::int64_t* x_steps = nullptr;
  std::int64_t steps = 0;
  std::int64_t images = 0, rows = 0, columns = 0;  ///< rows of dy follow one another
  double* dw = nullptr;
};

template <class Arch, class T>
struct DepthwiseKernels {
  static void forward(const DepthwiseForward<T>& job);
  static void weight_gradient(const DepthwiseWeightGradient<T>& job);
};

/// Convolutions with one input channel per group.
template <class T>
struct DepthwiseConv {
  static void forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y);
  static void input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx);
  static void weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight);
};

}  // namespace evenkeel::kernels
