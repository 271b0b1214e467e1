#include "nn/norm/extended_batch_norm.hpp"

#include "autograd/ops.hpp"
#include "core/reduce.hpp"
#include "nn/norm/composite.hpp"
#include "nn/norm/norm_base.hpp"
#include "nn/norm/norm_common.hpp"
#include "nn/repr.hpp"

namespace evenkeel::nn {

ExtendedBatchNorm::ExtendedBatchNorm(std::int64_t features, ExtendedBatchNormOptions opts)
    : num_features(checked_channels("ExtendedBatchNorm", "num_features", features)),
      options{checked_eps("ExtendedBatchNorm", opts.eps), checked_momentum("ExtendedBatchNorm", opts.momentum),
              opts.affine},
      weight(parameter("weight", composite::value_if(opts.affine, features, 1))),
      bias(parameter("bias", composite::value_if(opts.affine, features, 0))),
      running_mean(buffer("running_mean", Array::zeros({features}))),
      running_var(buffer("running_var", Array::ones({1}))),
      num_batches_tracked(optional_buffer("num_batches_tracked", Array::zeros({}, DType::int64))) {}

std::string ExtendedBatchNorm::extra_repr() const {
  return concat(num_features, ", eps=", repr(options.eps), ", momentum=", composite::repr_momentum(options.momentum),
                ", affine=", repr(options.affine));
}

/// Of x: (N, C, L).
Tensor ExtendedBatchNorm::x_hat(const Tensor& x) {
  if (!training()) {
    const Tensor mean(running_mean.array().reshape({1, num_features, 1}));
    return (x - mean) * rsqrt(Tensor(running_var.array()) + options.eps);
  }
  const Tensor near_zero = composite::centred(x, {0, 2});
  const Tensor deviation = near_zero - mean(near_zero, {0, 2}, true);
  const Tensor variance = var(composite::centred(x, {}), {}, 0);
  const auto n = static_cast<double>(x.numel());
  const double t = composite::count_batch(num_batches_tracked, options.momentum);
  composite::move_toward(running_mean, mean(x.array(), {0, 2}), 1, t);
  composite::move_toward(running_var, variance.array(), n / (n - 1), t);
  return deviation * rsqrt(variance + options.eps);
}

Tensor ExtendedBatchNorm::forward(const Tensor& x) {
  composite::check_channels(*this, x, num_features, 0);
  const std::int64_t inner = spatial_size(x.shape());
  if (training()) {
    composite::check_count(*this, x, x.size(0) * inner, "channel");
  }
  if (x.numel() == 0) {
    return composite::empty_output(x, {weight, bias});
  }
  const Tensor flat = reshape(x, {x.size(0), num_features, inner});
  return reshape(composite::scale_and_shift(x_hat(flat), weight, bias), x.shape());
}

}  // namespace evenkeel::nn
