#pragma once

#include "autograd/ops.hpp"

/// The ops under the names of torch.nn.functional: F = nn::functional. They are the functions of autograd/ops, where
/// their formulas stand; parameters that PyTorch passes one by one are gathered in the structs named there.
namespace evenkeel::nn::functional {

using evenkeel::conv2d;
using evenkeel::conv_transpose2d;
using evenkeel::linear;

using evenkeel::elu;
using evenkeel::gelu;
using evenkeel::hardswish;
using evenkeel::leaky_relu;
using evenkeel::log_softmax;
using evenkeel::relu;
using evenkeel::relu_;
using evenkeel::sigmoid;
using evenkeel::silu;
using evenkeel::silu_;
using evenkeel::softmax;
using evenkeel::softplus;
using evenkeel::tanh;

using evenkeel::adaptive_avg_pool2d;
using evenkeel::avg_pool2d;
using evenkeel::max_pool2d;

using evenkeel::dropout;
using evenkeel::dropout2d;
using evenkeel::pad;

using evenkeel::binary_cross_entropy_with_logits;
using evenkeel::cross_entropy;
using evenkeel::l1_loss;
using evenkeel::mse_loss;
using evenkeel::nll_loss;
using evenkeel::smooth_l1_loss;

}  // namespace evenkeel::nn::functional
