#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel {

// Results that run along a dim. Floating numbers are carried on in double; integers and bools give int64.

/// y_i = x_0 + ... + x_i
Tensor cumsum(const Tensor& x, std::int64_t dim);
/// y_i = x_0 ... x_i; the gradient is right where elements are 0, too.
Tensor cumprod(const Tensor& x, std::int64_t dim);
/// s_0 = b_0, s_i = b_i + a_i s_(i-1), or, in reverse, s_(n-1) = b_(n-1), s_i = b_i + a_i s_(i+1); the first a is not
/// read. What cumprod and the gradient of prod are made of. a, b: one shape and dtype.
Tensor linear_scan(const Tensor& a, const Tensor& b, std::int64_t dim, bool reverse = false);

}  // namespace evenkeel
