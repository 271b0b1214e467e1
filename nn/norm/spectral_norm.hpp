#pragma once

#include "evenkeel/nn/parametrize.hpp"

#include <optional>
#include <string>

namespace evenkeel::nn {

struct SpectralNormOptions {
  std::int64_t n_power_iterations = 1;
  double eps = 1e-12;                    ///< lower limit of the norms in the power iteration
  std::optional<std::int64_t> dim = {};  ///< the rows of W; by default 0, for ConvTranspose1d, 2d and 3d 1
};

/// Divides the parameter `name` of any layer, of at least 2 dims, by its largest singular value: w = W / sigma,
///   sigma = u^T W v, W as a matrix of dim against the rest; u <- W v / |W v|, v <- W^T u / |W^T u|.
/// Every forward in training iterates first (15 iterations are run here); eval() uses u and v as they are. The gradient
/// goes through W in sigma, u and v are constants in it. A weight of zeros gives NaN, as PyTorch's. A parametrization
/// (see nn/parametrize.hpp).
/// Names: parametrizations.weight.original (the tensor that `weight` was), parametrizations.weight.0._u and ._v
/// (buffers, drawn from `generator`); files of the older function (weight_orig, weight_u, weight_v) load. The optimizer
/// goes on working. remove_parametrizations(layer, name) undoes it.
/// Throws ValueError: a layer without such a parameter; n_power_iterations < 1. StateError: one that is parametrized
/// already. Miyato et al. 2018, arXiv:1802.05957, Algorithm 1.
void spectral_norm(Module& layer, Generator& generator, const SpectralNormOptions& options = {},
                   const std::string& name = "weight");

}  // namespace evenkeel::nn
