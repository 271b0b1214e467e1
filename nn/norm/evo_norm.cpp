#include "evenkeel/nn/norm/evo_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/norm/composite.hpp"
#include "evenkeel/nn/norm/norm_base.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {
EvoNormS0::EvoNormS0(std::int64_t channels, EvoNormS0Options opts)
    : num_features(checked_channels("EvoNormS0", "num_features", channels)),
      num_groups(composite::checked_groups("EvoNormS0", channels, opts.num_groups)),
      options{opts.num_groups, checked_eps("EvoNormS0", opts.eps), opts.affine},
      weight(parameter("weight", composite::value_if(opts.affine, channels, 1))),
      bias(parameter("bias", composite::value_if(opts.affine, channels, 0))),
      v(parameter("v", Array::ones({channels}))) {}

std::string EvoNormS0::extra_repr() const {
  return concat(num_features, ", groups=", num_groups, ", eps=", repr(options.eps), ", affine=", repr(options.affine));
}

Tensor EvoNormS0::forward(const Tensor& x) {
  composite::check_channels(*this, x, num_features, 4);
  const std::int64_t elements = num_features / num_groups * spatial_size(x.shape());
  if (training()) {
    composite::check_count(*this, x, elements, "group");
  }
  if (x.numel() == 0) {
    return composite::empty_output(x, {weight, bias, v});
  }
  const std::int64_t groups = x.size(0) * num_groups, width = num_features / num_groups;
  const GroupMoments s = group_moments(x, {1, 1, groups, elements});
  const Tensor by_channel = flatten(expand(reshape(rsqrt(s.var + options.eps), {groups, 1}), {groups, width}));
  return swish_rows(s.x, spatial_size(x.shape()), v, composite::times_weight(by_channel, weight), bias);
}

EvoNormB0::EvoNormB0(std::int64_t channels, EvoNormB0Options opts)
    : num_features(checked_channels("EvoNormB0", "num_features", channels)),
      options{checked_eps("EvoNormB0", opts.eps), checked_momentum("EvoNormB0", opts.momentum), opts.affine},
      weight(parameter("weight", composite::value_if(opts.affine, channels, 1))),
      bias(parameter("bias", composite::value_if(opts.affine, channels, 0))),
      v(parameter("v", Array::ones({channels}))),
      running_var(buffer("running_var", Array::ones({channels}))),
      num_batches_tracked(optional_buffer("num_batches_tracked", Array::zeros({}, DType::int64))) {}

std::string EvoNormB0::extra_repr() const {
  return concat(num_features, ", eps=", repr(options.eps), ", momentum=", composite::repr_momentum(options.momentum),
                ", affine=", repr(options.affine));
}

Tensor EvoNormB0::batch_variance(const GroupMoments& planes) {
  if (!training()) {
    return composite::in_double(running_var.detach());
  }
  const Shape shape{planes.var.numel() / num_features, num_features};
  Tensor variance = mean(reshape(planes.var, shape), {0}) + var(reshape(planes.mean, shape), {0}, 0);
  const std::int64_t count = planes.x.numel() / num_features;
  const auto n = static_cast<double>(count);
  const double t = composite::count_batch(num_batches_tracked, options.momentum);
  composite::move_toward(running_var, variance.array(), n / (n - 1), t);
  return variance;
}

Tensor EvoNormB0::forward(const Tensor& x) {
  composite::check_channels(*this, x, num_features, 4);
  const std::int64_t inner = spatial_size(x.shape());
  if (training()) {
    composite::check_count(*this, x, x.size(0) * inner, "channel");
  }
  if (x.numel() == 0) {
    return composite::empty_output(x, {weight, bias, v});
  }
  const GroupMoments planes = group_moments(x, {1, 1, x.size(0) * num_features, inner});
  const Tensor batch_deviation = sqrt(batch_variance(planes) + options.eps);
  const Tensor instance_deviation = sqrt(planes.var + options.eps);
  return divide_rows_by_larger(planes.x, inner, batch_deviation, v, instance_deviation, weight, bias);
}

}  // namespace evenkeel::nn
