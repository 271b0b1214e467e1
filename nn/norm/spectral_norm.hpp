#pragma once

#include "evenkeel/nn/weighted_layer.hpp"

#include <optional>

namespace evenkeel::nn {

struct SpectralNormOptions {
  std::int64_t n_power_iterations = 1;
  double eps = 1e-12;                    ///< lower limit of the norms in the power iteration
  std::optional<std::int64_t> dim = {};  ///< the rows of W; by default 0, for ConvTranspose2d 1
};

/// Divides the weight of a Linear, Conv2d or ConvTranspose2d by its largest singular value: w = W / sigma,
///   sigma = u^T W v, W as a matrix of dim against the rest; u <- W v / |W v|, v <- W^T u / |W^T u|.
/// Every forward in training iterates first (15 iterations are run here); eval() uses u and v as they are. The gradient
/// goes through W in sigma, u and v are constants in it. A weight of zeros gives NaN, as PyTorch's.
/// Names: parametrizations.weight.original (the tensor that `weight` was), parametrizations.weight.0._u and ._v
/// (buffers, drawn from `generator`); files of the older function (weight_orig, weight_u, weight_v) load. The optimizer
/// goes on working. remove_parametrization(layer) undoes it.
/// Throws ValueError: a layer without a weight; n_power_iterations < 1. StateError: a weight parametrized already.
/// Miyato et al. 2018, arXiv:1802.05957, Algorithm 1.
void spectral_norm(Module& layer, Generator& generator, const SpectralNormOptions& options = {});

}  // namespace evenkeel::nn
