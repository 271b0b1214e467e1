#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel {

// In training, what is drawn with probability p is dropped; else, and for p = 0, all are the identity and draw nothing.
// The number that is drawn for element or channel i depends on the generator's state and i alone. Throw unless
// 0 <= p <= 1.

/// Zeroes each element with probability p and scales the rest by 1/(1 - p); p = 1 gives zeros. Srivastava et al. 2014.
Tensor dropout(const Tensor& x, double p, bool training, Generator& generator);
/// The same for whole channels of (N, C, L) or (C, L) input; dropout2d: of (N, C, *); dropout3d: of (N, C, D, H, W) or
/// (C, D, H, W).
Tensor dropout1d(const Tensor& x, double p, bool training, Generator& generator);
Tensor dropout2d(const Tensor& x, double p, bool training, Generator& generator);
Tensor dropout3d(const Tensor& x, double p, bool training, Generator& generator);
/// Sets each element to SELU's lowest value, -s = -1.7580993408473766, with probability p, then takes all to a x + b so
/// that mean 0 and variance 1 stay: a = ((1 - p)(1 + p s^2))^-1/2, b = a p s. p = 1 gives zeros. Klambauer et al. 2017,
/// arXiv:1706.02515.
Tensor alpha_dropout(const Tensor& x, double p, bool training, Generator& generator);
/// The same for whole channels of (N, C, *) input.
Tensor feature_alpha_dropout(const Tensor& x, double p, bool training, Generator& generator);

}  // namespace evenkeel
