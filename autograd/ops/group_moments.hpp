#pragma once

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/kernels/norm/views.hpp"

namespace evenkeel {

/// Mean and variance of groups as tensors, for norms that combine them by differentiable ops. They are float64 of shape
/// (slices * groups) whatever x is: few numbers, which keep their digits and do not overflow.
struct GroupMoments {
  Tensor x;     ///< the input: what else reads it should read this one, so that all gradients meet in one pass
  Tensor mean;  ///< m = sum(x) / n; undefined if not centred
  Tensor var;   ///< sum((x - m)^2) / n, or sum(x^2) / n if not centred
};

///   dx = dy + dmean / n + dvar 2 (x - m) / n,  dy the gradient of the result's x
/// Throws: a view that does not fit x, an empty x.
GroupMoments group_moments(const Tensor& x, GroupView view, bool center = true);

}  // namespace evenkeel
