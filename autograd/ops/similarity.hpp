#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel {

/// x / max(||x||_p over dim, eps), p >= 1 or infinity: F.normalize. A shorter vector is divided by eps, and so is its
/// gradient.
Tensor normalize(const Tensor& x, double p = 2, std::int64_t dim = 1, double eps = 1e-12);
/// The cosine of the angle between the vectors along dim: sum(x1 x2) / (max(||x1||, eps) max(||x2||, eps)). x1 and x2
/// broadcast. As in PyTorch the gradient takes no notice of eps but in the values of the norms; at a vector of zeros
/// it is that of the other factor alone.
Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, std::int64_t dim = 1, double eps = 1e-8);

}  // namespace evenkeel
