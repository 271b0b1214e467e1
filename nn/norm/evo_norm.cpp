#include "evenkeel/nn/norm/evo_norm.hpp"

#include "evenkeel/autograd/ops.hpp"

namespace evenkeel::nn {

EvoNormS0::EvoNormS0(std::int64_t num_features, const Options& options)
    : num_features(checked_channels("EvoNormS0", "num_features", num_features)),
      num_groups(checked_groups("EvoNormS0", num_features, options.num_groups)),
      options(checked("EvoNormS0", options)),
      weight(parameter("weight", value_if(options.affine, {num_features}, 1))),
      bias(parameter("bias", value_if(options.affine, {num_features}, 0))),
      v(parameter("v", Array::ones({num_features}))) {}

std::string EvoNormS0::extra_repr() const {
  return concat(num_features, ", groups=", num_groups, repr_options(options));
}

Tensor EvoNormS0::forward(const Tensor& x) {
  check_channels(*this, x, num_features, kImages);
  check_dtypes(*this, x, weight, bias, v);
  const std::int64_t elements = num_features / num_groups * spatial_size(x.shape());
  if (training()) {
    check_count(*this, x, elements, "group");
  }
  if (x.numel() == 0) {
    return empty_output(x, {weight, bias, v});
  }
  const std::int64_t groups = x.size(0) * num_groups, width = num_features / num_groups;
  const GroupMoments s = group_moments(x, {1, 1, groups, elements});
  const Tensor by_channel = flatten(expand(reshape(rsqrt(s.var + options.eps), {groups, 1}), {groups, width}));
  return swish_rows(s.x, spatial_size(x.shape()), v, times_weight(by_channel, weight), bias);
}

EvoNormB0::EvoNormB0(std::int64_t num_features, Options options)
    : num_features(checked_channels("EvoNormB0", "num_features", num_features)),
      options(checked("EvoNormB0", options)),
      weight(parameter("weight", value_if(options.affine, {num_features}, 1))),
      bias(parameter("bias", value_if(options.affine, {num_features}, 0))),
      v(parameter("v", Array::ones({num_features}))),
      running_var(buffer("running_var", Array::ones({num_features}))),
      num_batches_tracked(optional_buffer("num_batches_tracked", Array::zeros({}, DType::int64))) {}

std::string EvoNormB0::extra_repr() const { return concat(num_features, repr_options(options)); }

Tensor EvoNormB0::batch_variance(const GroupMoments& planes) const {
  if (!training()) {
    return in_double(running_var.detach());
  }
  const Shape shape{planes.var.numel() / num_features, num_features};
  return mean(reshape(planes.var, shape), {0}) + var(reshape(planes.mean, shape), {0}, 0);
}

Tensor EvoNormB0::forward(const Tensor& x) {
  check_channels(*this, x, num_features, kImages);
  check_dtypes(*this, x, weight, bias, v);
  const std::int64_t inner = spatial_size(x.shape());
  if (training()) {
    check_count(*this, x, x.size(0) * inner, "channel");
  }
  if (x.numel() == 0) {
    return empty_output(x, {weight, bias, v});
  }
  const GroupMoments planes = group_moments(x, {1, 1, x.size(0) * num_features, inner});
  const Tensor variance = batch_variance(planes);
  const Tensor batch_deviation = sqrt(variance + options.eps);
  const Tensor instance_deviation = sqrt(planes.var + options.eps);
  Tensor y = divide_rows_by_larger(planes.x, inner, batch_deviation, v, instance_deviation, weight, bias);
  if (training()) {
    const auto n = static_cast<double>(x.size(0) * inner);
    move_and_count({{running_var, variance.array(), n / (n - 1)}}, num_batches_tracked, options.momentum);
  }
  return y;
}

}  // namespace evenkeel::nn
