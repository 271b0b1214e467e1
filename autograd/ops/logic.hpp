#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel {

// Of each element, as booleans and without a gradient. Every dtype; of integers none is NaN or infinite.

Tensor isnan(const Tensor& x);
Tensor isinf(const Tensor& x);
Tensor isfinite(const Tensor& x);

// Numbers count as true unless they are 0. Two tensors broadcast, whatever their dtypes.
Tensor logical_not(const Tensor& x);
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);

}  // namespace evenkeel
