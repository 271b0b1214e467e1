#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel {

/// y_c = x_c (k + alpha / size sum x_i^2)^(-beta), the sum over the channels i from c - size/2 to c + (size - 1)/2
/// (whole-number division) at the same place; channels beyond the ends count as 0.
///   x, y: (N, C, *), at least 3 dims
/// Throws: size < 1; fewer dims.
Tensor local_response(const Tensor& x, std::int64_t size, double alpha, double beta, double k);

}  // namespace evenkeel
