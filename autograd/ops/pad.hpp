#pragma once

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/pad.hpp"

#include <vector>

namespace evenkeel {

/// torch.nn.functional.pad: x with cells around it; mode constant, with `value`, is the pad of ops/shape.hpp.
/// `padding`: (before, after) for the last axis, then for the one before it, ...; negative ones crop. In other modes x
/// is (N, C, L), (N, C, H, W) or (N, C, D, H, W), or one of these without N, and padding has two numbers for each
/// spatial axis; reflected, they are below its size; circular, at most the size that negative ones leave.
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& padding, PadMode mode, double value = 0);

}  // namespace evenkeel
