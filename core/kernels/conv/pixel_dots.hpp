#pragma once

#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"

#include <cstdint>

namespace evenkeel::kernels {

/// The weight gradient as dot products along rows of pixels, which are the lanes: both factors are read in place, where
/// the panels of panel_conv_gradient.cpp must turn dy, whose outputs are their lanes.
///   sums[p sums_stride + o] = (accumulate ? its value : 0) + sum of x[products[p] + s.a + j] dy[o dy_output + s.b + j]
/// over steps s, of a register each, and lanes j; the tails behind them are steps of `tail` lanes, if any.
template <class T>
struct PixelDots {
  const T* x = nullptr;
  const std::int64_t* products = nullptr;
  std::int64_t product_count = 0;
  const T* dy = nullptr;
  std::int64_t outputs = 0, dy_output = 0;
  const PanelStep* steps = nullptr;
  const PanelStep* tails = nullptr;
  std::int64_t step_count = 0, tail_count = 0, tail = 0;
  T* sums = nullptr;
  std::int64_t sums_stride = 0;
  bool accumulate = false;
};

template <class Arch, class T>
struct PixelDotsKernels {
  static void add(const PixelDots<T>& job);
};

}  // namespace evenkeel::kernels
