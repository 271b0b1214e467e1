#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel {

/// torch.matmul: vector, matrix and batched products; batch dims broadcast.
Tensor matmul(const Tensor& a, const Tensor& b);
/// y = x weight^T + bias. x: (*, in_features); weight: (out_features, in_features); bias: (out_features) or undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

}  // namespace evenkeel
