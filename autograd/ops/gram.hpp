#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel {

/// The products of all pairs of channels of a group, summed over batch and space, as a covariance needs them:
///   y[g,i,j] = sum_{n,l} x[n, g D + i, l] x[n, g D + j, l]
///   x: (N, C, L);  y: (groups, D, D), D = C / groups
/// Throws: another rank; C not divisible by groups.
Tensor gram(const Tensor& x, std::int64_t groups = 1);

}  // namespace evenkeel
