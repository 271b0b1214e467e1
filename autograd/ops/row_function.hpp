#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <cstdint>

namespace evenkeel {

// Functions of each element of x and of numbers that its row shares, in one pass each way: what composed norms do once
// their statistics are known. A row is `inner` neighbouring elements of the contiguous x (H * W of a plane), and a
// parameter of n elements gives row r its element r % n: one for all, one per channel, or one per sample and channel.
// Undefined parameters are left out (factors 1, summands 0). All get gradients. Parameters may be float64 beside a
// float32 x, as what is computed from group_moments() is; a row's numbers are rounded last. Throws: another dtype, a
// number of elements that does not divide the number of rows.

/// y = (x - mean) weight + bias. x - mean keeps the digits of a float32 x whose float64 mean is far from 0.
Tensor affine_rows(const Tensor& x, std::int64_t inner, const Tensor& mean, const Tensor& weight, const Tensor& bias);
/// y = tanh(alpha x) weight + bias
Tensor tanh_rows(const Tensor& x, std::int64_t inner, const Tensor& alpha, const Tensor& weight, const Tensor& bias);
/// y = erf(alpha x + shift) weight + bias
Tensor erf_rows(const Tensor& x, std::int64_t inner, const Tensor& alpha, const Tensor& shift, const Tensor& weight,
                const Tensor& bias);
/// y = max(x weight + bias, tau); a tie shares the gradient evenly.
Tensor threshold_rows(const Tensor& x, std::int64_t inner, const Tensor& weight, const Tensor& bias, const Tensor& tau);
/// y = x sigmoid(v x) weight + bias
Tensor swish_rows(const Tensor& x, std::int64_t inner, const Tensor& v, const Tensor& weight, const Tensor& bias);
/// y = x / max(left, v x + right) weight + bias; a tie shares the gradient evenly.
Tensor divide_rows_by_larger(const Tensor& x, std::int64_t inner, const Tensor& left, const Tensor& v,
                             const Tensor& right, const Tensor& weight, const Tensor& bias);

}  // namespace evenkeel
