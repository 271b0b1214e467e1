#pragma once

#include "evenkeel/autograd/ops.hpp"

#include <optional>

/// The ops under the names of torch.nn.functional: F = nn::functional. The norms are declared here; all others
/// (F::relu, F::conv2d, F::cross_entropy) are the functions of autograd/ops, where their formulas stand. Parameters
/// that PyTorch passes one by one are gathered in the structs named there.
namespace evenkeel::nn::functional {

using namespace evenkeel;

struct BatchNormOptions {
  bool training = false;  ///< use the batch's statistics and, where there are running ones, move those
  double momentum = 0.1;  ///< weight of the new value
  double eps = 1e-5;
};
// The norms end with an activation that they apply in their own pass (see autograd/ops/normalize_groups.hpp).

/// BatchNorm of (N, C, *); see nn/norm/batch_norm.hpp for the formula. Running statistics: (C), both or neither;
/// without training they must be given. Training writes into them (the variance unbiased) unless the batch is empty;
/// they may be strided, but not share elements (expand), and must be floating. What throws leaves them as they were.
Tensor batch_norm(const Tensor& x, Tensor running_mean, Tensor running_var, const Tensor& weight = {},
                  const Tensor& bias = {}, BatchNormOptions options = {}, const FusedActivation& activation = {});

/// GroupNorm of (N, C, *); see nn/norm/group_norm.hpp. Refuses groups of a single element for one sample only.
Tensor group_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5, const FusedActivation& activation = {});

/// LayerNorm over the trailing dims `normalized_shape`; see nn/norm/layer_norm.hpp. weight, bias: of that shape.
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5, const FusedActivation& activation = {});

/// RMSNorm over the trailing dims `normalized_shape`; see nn/norm/rms_norm.hpp. No eps: the dtype's machine epsilon.
Tensor rms_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {},
                std::optional<double> eps = {}, const FusedActivation& activation = {});

struct InstanceNormOptions {
  bool use_input_stats = true;  ///< the instances' own statistics, which move the running ones where given
  double momentum = 0.1;        ///< weight of the new value
  double eps = 1e-5;
};
/// InstanceNorm of (N, C, *); see nn/norm/instance_norm.hpp. Running statistics: (C), both or neither; without
/// use_input_stats they must be given.
Tensor instance_norm(const Tensor& x, Tensor running_mean = {}, Tensor running_var = {}, const Tensor& weight = {},
                     const Tensor& bias = {}, InstanceNormOptions options = {}, const FusedActivation& activation = {});

struct LocalResponseNormOptions {
  double alpha = 1e-4, beta = 0.75, k = 1;
};
/// LocalResponseNorm of (N, C, *) over `size` neighbouring channels; see nn/norm/local_response_norm.hpp.
Tensor local_response_norm(const Tensor& x, std::int64_t size, LocalResponseNormOptions options = {});

}  // namespace evenkeel::nn::functional
