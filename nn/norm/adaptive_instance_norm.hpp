#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel::nn::functional {

/// AdaIN: the content's instances with the style's statistics,
///   y = std(style) (x - mean(x)) / std(x) + mean(style),  std = sqrt(unbiased variance + eps), per sample and channel
///   over space. x, y: (N, C, *); style: (N, C, *) or (1, C, *), its space may have another size
/// Differentiable in both. Throws invalid_argument: fewer than 3 dims; N or C that do not fit; fewer than 2 spatial
/// elements. Huang & Belongie 2017, arXiv:1703.06868, equation 8; eps and the unbiased variance are the authors'
/// code's.
Tensor adaptive_instance_norm(const Tensor& x, const Tensor& style, double eps = 1e-5);

}  // namespace evenkeel::nn::functional
