#pragma once

#include "evenkeel/core/array.hpp"

#include <cstdint>

namespace evenkeel {

/// How windows move along the depth of volumes, as a kernel's rows along the height of images: window i, i < count, has
/// the slices i stride - pad + k dilation, k < kernel; those outside of [0, size) are 0.
struct DepthWindows {
  std::int64_t size = 1, count = 1, kernel = 1, stride = 1, pad = 0, dilation = 1;
};

/// Every window as an image of its own: (N, C, size, plane) -> (N count, C kernel, plane), for a stride of 1 `kernel`
/// times the memory. x: float32 or float64.
Array unfold_depth(const Array& x, const DepthWindows& windows);
/// The adjoint: (N count, C kernel, plane) -> (N, C, size, plane), every slice the sum of what windows have of it, and
/// of its channel's number in `bias` (C), which may be undefined.
Array fold_depth(const Array& images, std::int64_t channels, const DepthWindows& windows, const Array& bias = {});

}  // namespace evenkeel
