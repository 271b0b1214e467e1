#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <vector>

namespace evenkeel::optim {

/// Scales all gradients by min(1, max_norm / (norm + 1e-6)), where norm is the p-norm of all gradients together, with
/// p = norm_type > 0, or infinity, and returns it. Parameters without a gradient are skipped; no gradient at all: 0.
/// The norm is computed in double, so float32 gradients of 1e20 or 1e-25 give the right one. A NaN or infinite norm
/// spoils the gradients as in PyTorch, or throws ValueError and leaves them if error_if_nonfinite.
/// A scaled gradient is a new tensor, so arrays that a gradient shares with others do not change.
double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type = 2,
                       bool error_if_nonfinite = false);

/// Limits every element of every gradient to [-clip_value, clip_value]; NaN stays.
void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value);

/// Adaptive gradient clipping: limits the gradient of each unit to a share of the unit's weight,
///   g_i <- g_i max_i / |g_i| where |g_i| > max_i = clip_factor max(|w_i|, eps), with 2-norms.
/// A unit is what is left at one index of dim 0 (an output row, a filter); parameters of rank 0 and 1 are one unit, so
/// a gain of shape (C, 1, 1, 1) has C of them, as in timm, and not one, as in the authors' code. Returns the number of
/// units whose gradient was scaled. Leave out the classifier's last Linear, as the paper does. Norms, parameters
/// without a gradient and NaN are treated as by clip_grad_norm_. Brock et al. 2021, arXiv:2102.06171, section 4.
std::int64_t adaptive_clip_grad_(const std::vector<Tensor>& parameters, double clip_factor = 0.01, double eps = 1e-3);

}  // namespace evenkeel::optim
