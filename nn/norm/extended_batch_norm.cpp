#include "evenkeel/nn/norm/extended_batch_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/norm/composite.hpp"
#include "evenkeel/nn/norm/norm_base.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

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

Tensor ExtendedBatchNorm::forward(const Tensor& x) {
  composite::check_channels(*this, x, num_features, 0);
  const std::int64_t inner = spatial_size(x.shape());
  if (training()) {
    composite::check_count(*this, x, x.size(0) * inner, "channel");
  }
  if (x.numel() == 0) {
    return composite::empty_output(x, {weight, bias});
  }
  const auto normalized = [&](const Tensor& input, const Tensor& m, const Tensor& v) {
    return affine_rows(input, inner, m, composite::times_weight(rsqrt(v + options.eps), weight), bias);
  };
  if (!training()) {
    return normalized(x, composite::in_double(running_mean.detach()), composite::in_double(running_var.detach()));
  }
  const GroupMoments channels = group_moments(x, {1, x.size(0), num_features, inner});
  const Tensor variance = mean(channels.var) + var(channels.mean, {}, 0);
  const auto n = static_cast<double>(x.numel());
  const double t = composite::count_batch(num_batches_tracked, options.momentum);
  composite::move_toward(running_mean, channels.mean.array(), 1, t);
  composite::move_toward(running_var, variance.array().reshape({1}), n / (n - 1), t);
  return normalized(channels.x, channels.mean, variance);
}

}  // namespace evenkeel::nn
