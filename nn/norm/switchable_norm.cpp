#include "nn/norm/switchable_norm.hpp"

#include "autograd/ops.hpp"
#include "core/reduce.hpp"
#include "nn/norm/composite.hpp"
#include "nn/norm/norm_base.hpp"
#include "nn/norm/norm_common.hpp"
#include "nn/repr.hpp"

namespace evenkeel::nn {
namespace {

/// softmax(weights)_0 a + softmax(weights)_1 b + softmax(weights)_2 c
Tensor mixed(const Tensor& weights, const Tensor& a, const Tensor& b, const Tensor& c) {
  const Tensor w = softmax(weights, 0);
  return a * select(w, 0, 0) + b * select(w, 0, 1) + c * select(w, 0, 2);
}

}  // namespace

SwitchableNorm2d::SwitchableNorm2d(std::int64_t features, SwitchableNormOptions opts)
    : num_features(checked_channels("SwitchableNorm2d", "num_features", features)),
      options{checked_eps("SwitchableNorm2d", opts.eps), checked_momentum("SwitchableNorm2d", opts.momentum),
              opts.affine, opts.unbiased},
      weight(parameter("weight", composite::value_if(opts.affine, features, 1))),
      bias(parameter("bias", composite::value_if(opts.affine, features, 0))),
      mean_weight(parameter("mean_weight", Array::ones({3}))),
      var_weight(parameter("var_weight", Array::ones({3}))),
      running_mean(buffer("running_mean", Array::zeros({features}))),
      running_var(buffer("running_var", Array::zeros({features}))),
      num_batches_tracked(optional_buffer("num_batches_tracked", Array::zeros({}, DType::int64))) {}

std::string SwitchableNorm2d::extra_repr() const {
  return concat(num_features, ", eps=", repr(options.eps), ", momentum=", composite::repr_momentum(options.momentum),
                ", affine=", repr(options.affine), options.unbiased ? ", unbiased=True" : "");
}

/// As (1, C, 1), the mean less `shift`.
SwitchableNorm2d::Moments SwitchableNorm2d::batch_moments(const Moments& instance, const Tensor& shift) {
  if (!training()) {
    const Shape shape{1, num_features, 1};
    return {Tensor(running_mean.array().reshape(shape)) - shift, Tensor(running_var.array().clone().reshape(shape))};
  }
  Moments batch{mean(instance.mean, {0}, true), mean(instance.var, {0}, true) + var(instance.mean, {0}, 0, true)};
  const double t = composite::count_batch(num_batches_tracked, options.momentum);
  composite::move_toward(running_mean, (batch.mean.detach() + shift).array(), 1, t);
  composite::move_toward(running_var, batch.var.array(), 1, t);
  return batch;
}

Tensor SwitchableNorm2d::forward(const Tensor& x) {
  composite::check_channels(*this, x, num_features, 4);
  const std::int64_t inner = spatial_size(x.shape());
  if (training()) {
    composite::check_count(*this, x, x.size(0) * inner, "channel");
  }
  if (options.unbiased) {
    composite::check_count(*this, x, inner, "instance");
  }
  if (x.numel() == 0) {
    return composite::empty_output(x, {weight, bias, mean_weight, var_weight});
  }
  // One constant for the whole input: all means move with it alike, so the result and its gradient do not change.
  const Tensor shift(mean(x.array(), {}).reshape({1, 1, 1}));
  const Tensor z = reshape(x, {x.size(0), num_features, inner}) - shift;
  const Moments instance{mean(z, {2}, true), var(z, {2}, options.unbiased ? 1 : 0, true)};
  const Moments layer{mean(instance.mean, {1}, true), mean(instance.var, {1}, true) + var(instance.mean, {1}, 0, true)};
  const Moments batch = batch_moments(instance, shift);
  const Tensor m = mixed(mean_weight, instance.mean, layer.mean, batch.mean);
  const Tensor v = mixed(var_weight, instance.var, layer.var, batch.var);
  return reshape(composite::scale_and_shift((z - m) * rsqrt(v + options.eps), weight, bias), x.shape());
}

}  // namespace evenkeel::nn
