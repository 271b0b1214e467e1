#include "nn/norm/evo_norm.hpp"

#include "autograd/ops.hpp"
#include "nn/norm/composite.hpp"
#include "nn/norm/norm_base.hpp"
#include "nn/norm/norm_common.hpp"
#include "nn/repr.hpp"

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
  const Tensor groups = reshape(x, {x.size(0), num_groups, elements});
  const Tensor variance = var(composite::centred(groups, {2}), {2}, 0, true);
  const Tensor scaled = reshape(groups * rsqrt(variance + options.eps), x.shape());
  return composite::scale_and_shift(scaled * sigmoid(composite::scale_and_shift(x, v, {})), weight, bias);
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

/// Of x: (N, C, L), as (1, C, 1).
Tensor EvoNormB0::batch_variance(const Tensor& x) {
  if (!training()) {
    return Tensor(running_var.array().clone().reshape({1, num_features, 1}));
  }
  Tensor variance = var(composite::centred(x, {0, 2}), {0, 2}, 0, true);
  const auto n = static_cast<double>(x.size(0) * x.size(2));
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
  const Tensor flat = reshape(x, {x.size(0), num_features, inner});
  const Tensor instance = var(composite::centred(flat, {2}), {2}, 0, true);
  const Tensor left = sqrt(batch_variance(flat) + options.eps);
  const Tensor right = composite::scale_and_shift(flat, v, {}) + sqrt(instance + options.eps);
  return reshape(composite::scale_and_shift(flat / maximum(left, right), weight, bias), x.shape());
}

}  // namespace evenkeel::nn
