#pragma once

#include "autograd/tensor.hpp"

#include <vector>

namespace evenkeel::optim {

/// Scales all gradients by min(1, max_norm / (norm + 1e-6)), where norm is the p-norm of all gradients together (p =
/// norm_type > 0, or infinity), and returns it. Parameters without a gradient are skipped; no gradient at all: 0.
/// The norm is computed in double, so float32 gradients of 1e20 or 1e-25 give the right one. A NaN or infinite norm
/// spoils the gradients as in PyTorch, or throws std::invalid_argument and leaves them if error_if_nonfinite.
/// A scaled gradient is a new tensor, so arrays that a gradient shares with others do not change.
double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type = 2,
                       bool error_if_nonfinite = false);

/// Limits every element of every gradient to [-clip_value, clip_value]; NaN stays.
void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value);

}  // namespace evenkeel::optim
