#pragma once

#include "core/kernels/conv_depthwise.hpp"
#include "core/kernels/simd/batch.hpp"

namespace evenkeel::kernels {
namespace simd::conv_depthwise {

/// y at kSegments registers of pixels, from number `first` on, in `per_row` registers per row.
template <class Arch, class T, int kSegments>
void forward_segments(const DepthwiseForward<T>& job, std::int64_t per_row, std::int64_t first) {
  using V = Batch<Arch, T>;
  const T* x[kSegments];
  V sum[kSegments];
  for (int s = 0; s < kSegments; ++s) {
    x[s] = job.x + (first + s) / per_row * job.x_row + (first + s) % per_row * kLanes<Arch, T>;
    sum[s] = V(job.bias);
  }
  for (std::int64_t k = 0; k < job.step_count; ++k) {
    const V w(job.w[job.steps[k].a]);
    const std::int64_t step = job.steps[k].b;
    for (int s = 0; s < kSegments; ++s) {
      sum[s] = xsimd::fma(w, V::load_unaligned(x[s] + step), sum[s]);
    }
  }
  for (int s = 0; s < kSegments; ++s) {
    const std::int64_t column = (first + s) % per_row * kLanes<Arch, T>;
    T* y = job.y + (first + s) / per_row * job.y_row + column;
    if (job.columns - column >= kLanes<Arch, T>) {
      sum[s].store_unaligned(y);
    } else {
      store_partial<Arch, T>(sum[s], y, job.columns - column);
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
  const std::int64_t per_row = (job.columns + simd::kLanes<Arch, T> - 1) / simd::kLanes<Arch, T>;
  const std::int64_t segments = job.rows * per_row;
  std::int64_t first = 0;
  for (; first + kSegments <= segments; first += kSegments) {
    simd::conv_depthwise::forward_segments<Arch, T, kSegments>(job, per_row, first);
  }
  for (; first < segments; ++first) {
    simd::conv_depthwise::forward_segments<Arch, T, 1>(job, per_row, first);
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
