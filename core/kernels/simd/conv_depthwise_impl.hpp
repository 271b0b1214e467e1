#pragma once

#include "core/kernels/conv_depthwise.hpp"
#include "core/kernels/simd/batch.hpp"

namespace evenkeel::kernels {
namespace simd::conv_depthwise {

/// y at kSegments registers of pixels from `row` and `column` on, which move behind them.
template <class Arch, class T, int kSegments>
void forward_segments(const DepthwiseForward<T>& job, std::int64_t& row, std::int64_t& column) {
  using V = Batch<Arch, T>;
  const T* x[kSegments];
  T* y[kSegments];
  std::int64_t count[kSegments];
  V sum[kSegments];
  for (int s = 0; s < kSegments; ++s) {
    x[s] = job.x + row * job.x_row + column;
    y[s] = job.y + row * job.y_row + column;
    count[s] = job.columns - column;
    sum[s] = V(job.bias);
    column += kLanes<Arch, T>;
    if (column >= job.columns) {
      column = 0;
      ++row;
    }
  }
  for (std::int64_t k = 0; k < job.step_count; ++k) {
    const V w(job.w[job.steps[k].a]);
    const std::int64_t step = job.steps[k].b;
    for (int s = 0; s < kSegments; ++s) {
      sum[s] = xsimd::fma(w, V::load_unaligned(x[s] + step), sum[s]);
    }
  }
  for (int s = 0; s < kSegments; ++s) {
    if (count[s] >= kLanes<Arch, T>) {
      sum[s].store_unaligned(y[s]);
    } else {
      store_partial<Arch, T>(sum[s], y[s], count[s]);
    }
  }
}

/// Sums of the products of kSteps kernel cells from number `first` on; beyond the last the last is computed again and
/// dropped.
template <class Arch, class T, int kSteps>
void add_gradient(const DepthwiseWeightGradient<T>& job, std::int64_t first) {
  using V = Batch<Arch, T>;
  std::int64_t steps[kSteps];
  V sum[kSteps];
  for (int k = 0; k < kSteps; ++k) {
    steps[k] = job.x_steps[first + k < job.steps ? first + k : job.steps - 1];
    sum[k] = V(T(0));
  }
  const std::int64_t rest = job.columns % kLanes<Arch, T>, whole = job.columns - rest;
  for (std::int64_t n = 0; n < job.images; ++n) {
    const T* dy = job.dy + n * job.dy_image;
    for (std::int64_t i = 0; i < job.rows; ++i, dy += job.columns) {
      const T* x = job.x + n * job.x_image + i * job.x_row;
      for (std::int64_t j = 0; j < whole; j += kLanes<Arch, T>) {
        const V gradient = V::load_unaligned(dy + j);
        for (int k = 0; k < kSteps; ++k) {
          sum[k] = xsimd::fma(gradient, V::load_unaligned(x + j + steps[k]), sum[k]);
        }
      }
      if (rest > 0) {  // a NaN of x behind the row's last window must not meet the zeros of dy
        const V gradient = load_partial<Arch, T>(dy + whole, rest, T(0));
        for (int k = 0; k < kSteps; ++k) {
          sum[k] = xsimd::fma(gradient, load_partial<Arch, T>(x + whole + steps[k], rest, T(0)), sum[k]);
        }
      }
    }
  }
  for (int k = 0; k < kSteps && first + k < job.steps; ++k) {
    job.dw[first + k] += static_cast<double>(xsimd::hadd(sum[k]));
  }
}

}  // namespace simd::conv_depthwise

template <class Arch, class T>
void ConvDepthwiseKernels<Arch, T>::forward(const DepthwiseForward<T>& job) {
  constexpr int kSegments = 4;
  std::int64_t left = job.rows * ((job.columns + simd::kLanes<Arch, T> - 1) / simd::kLanes<Arch, T>);
  std::int64_t row = 0, column = 0;
  for (; left >= kSegments; left -= kSegments) {
    simd::conv_depthwise::forward_segments<Arch, T, kSegments>(job, row, column);
  }
  for (; left > 0; --left) {
    simd::conv_depthwise::forward_segments<Arch, T, 1>(job, row, column);
  }
}

template <class Arch, class T>
void ConvDepthwiseKernels<Arch, T>::weight_gradient(const DepthwiseWeightGradient<T>& job) {
  constexpr int kSteps = 9;  // a 3x3 kernel at once
  for (std::int64_t first = 0; first < job.steps; first += kSteps) {
    simd::conv_depthwise::add_gradient<Arch, T, kSteps>(job, first);
  }
}

}  // namespace evenkeel::kernels
