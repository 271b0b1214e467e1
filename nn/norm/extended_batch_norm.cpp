#include "evenkeel/nn/norm/extended_batch_norm.hpp"

#include "evenkeel/autograd/ops.hpp"

namespace evenkeel::nn {

ExtendedBatchNorm::ExtendedBatchNorm(std::int64_t num_features, Options options)
    : NormBase("ExtendedBatchNorm", kAnyRank, num_features,
               {.eps = options.eps, .momentum = options.momentum, .affine = options.affine}, {.var_shape = {1}}) {}

std::string ExtendedBatchNorm::extra_repr() const { return concat(num_features, repr_options(options)); }

Tensor ExtendedBatchNorm::forward(const Tensor& x) {
  check_channels(*this, x, num_features, ranks_);
  check_dtypes(*this, x, weight, bias);
  const std::int64_t inner = spatial_size(x.shape());
  if (training()) {
    check_count(*this, x, x.size(0) * inner, "channel");
  }
  if (x.numel() == 0) {
    return empty_output(x, {weight, bias});
  }
  const auto normalized = [&](const Tensor& input, const Tensor& m, const Tensor& v) {
    return affine_rows(input, inner, m, times_weight(rsqrt(v + options.eps), weight), bias);
  };
  if (!training()) {
    return normalized(x, in_double(running_mean.detach()), in_double(running_var.detach()));
  }
  const GroupMoments channels = group_moments(x, {1, x.size(0), num_features, inner});
  const Tensor variance = mean(channels.var) + var(channels.mean, {}, 0);
  const auto n = static_cast<double>(x.numel());
  Tensor y = normalized(channels.x, channels.mean, variance);
  move_running_stats(channels.mean.array(), variance.array(), n / (n - 1));
  return y;
}

}  // namespace evenkeel::nn
