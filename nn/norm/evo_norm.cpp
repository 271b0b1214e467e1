#include "evenkeel/nn/norm/evo_norm.hpp"

#include "evenkeel/autograd/ops.hpp"

namespace evenkeel::nn {

EvoNormSBase::EvoNormSBase(const char* layer, std::int64_t num_features, const Options& options, bool learned_slope,
                           bool centered)
    : num_features(checked_channels(layer, "num_features", num_features)),
      num_groups(checked_groups(layer, num_features, options.num_groups, options.channels_per_group)),
      options(checked(layer, options)),
      weight(parameter("weight", value_if(options.affine, {num_features}, 1))),
      bias(parameter("bias", value_if(options.affine, {num_features}, 0))),
      v(parameter("v", value_if(learned_slope, {num_features}, 1))),
      centered_(centered) {}

std::string EvoNormSBase::extra_repr() const {
  return concat(num_features, ", groups=", num_groups, repr_options(options));
}

Tensor EvoNormSBase::forward(const Tensor& x) {
  check_channels(*this, x, num_features, kImages);
  check_dtypes(*this, x, weight, bias, v);
  const std::int64_t elements = num_features / num_groups * spatial_size(x.shape());
  if (training() && centered_) {
    check_count(*this, x, elements, "group");
  }
  if (x.numel() == 0) {
    return empty_output(x, {weight, bias, v});
  }
  const std::int64_t groups = x.size(0) * num_groups, width = num_features / num_groups;
  const GroupMoments s = group_moments(x, {1, 1, groups, elements}, centered_);
  const Tensor by_channel = flatten(expand(reshape(rsqrt(s.var + options.eps), {groups, 1}), {groups, width}));
  return swish_rows(s.x, spatial_size(x.shape()), v, times_weight(by_channel, weight), bias);
}

EvoNormBBase::EvoNormBBase(const char* layer, std::int64_t num_features, const Options& options, bool learned_slope)
    : num_features(checked_channels(layer, "num_features", num_features)),
      options(checked(layer, options)),
      weight(parameter("weight", value_if(options.affine, {num_features}, 1))),
      bias(parameter("bias", value_if(options.affine, {num_features}, 0))),
      v(parameter("v", value_if(learned_slope, {num_features}, 1))),
      running_var(buffer("running_var", Array::ones({num_features}))),
      num_batches_tracked(optional_buffer("num_batches_tracked", Array::zeros({}, DType::int64))) {}

std::string EvoNormBBase::extra_repr() const { return concat(num_features, repr_options(options)); }

Tensor EvoNormBBase::root_mean_square(const GroupMoments& planes) const {
  return sqrt(planes.var + square(planes.mean) + options.eps);
}

Tensor EvoNormBBase::batch_variance(const GroupMoments& planes) const {
  if (!training()) {
    return in_double(running_var.detach());
  }
  const Shape shape{planes.var.numel() / num_features, num_features};
  return mean(reshape(planes.var, shape), {0}) + var(reshape(planes.mean, shape), {0}, 0);
}

Tensor EvoNormBBase::forward(const Tensor& x) {
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
  const auto [slope, shift] = right(planes);
  Tensor y = divide_rows_by_larger(planes.x, inner, sqrt(variance + options.eps), slope, shift, weight, bias);
  if (training()) {
    const auto n = static_cast<double>(x.size(0) * inner);
    move_and_count({{running_var, variance.array(), n / (n - 1)}}, num_batches_tracked, options.momentum);
  }
  return y;
}

EvoNormB0::EvoNormB0(std::int64_t num_features, const Options& options)
    : EvoNormBBase("EvoNormB0", num_features,
                   {.eps = options.eps, .momentum = options.momentum, .affine = options.affine}, true) {}

auto EvoNormB0::right(const GroupMoments& planes) const -> Line { return {v, sqrt(planes.var + options.eps)}; }

auto EvoNormB1::right(const GroupMoments& planes) const -> Line {
  const Tensor rms = root_mean_square(planes);
  return {rms, rms};
}

auto EvoNormB2::right(const GroupMoments& planes) const -> Line {
  const Tensor rms = root_mean_square(planes);
  return {Tensor(Array::full({1}, -1, DType::float64)), rms};
}

}  // namespace evenkeel::nn
