#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel {

/// A rank-0 constant of x's dtype, for formulas that select or compare with a number.
inline Tensor constant(double value, const Tensor& x) { return Tensor(Array::full({}, value, x.dtype())); }

}  // namespace evenkeel
