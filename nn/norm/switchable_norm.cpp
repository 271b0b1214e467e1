#include "evenkeel/nn/norm/switchable_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/norm/composite.hpp"
#include "evenkeel/nn/norm/norm_base.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {
namespace {

/// softmax(weights)_0 a + softmax(weights)_1 b + softmax(weights)_2 c
Tensor mixed(const Tensor& weights, const Tensor& a, const Tensor& b, const Tensor& c) {
  const Tensor w = softmax(composite::in_double(weights), 0);
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

/// As (1, C).
SwitchableNorm2d::Moments SwitchableNorm2d::batch_moments(const Moments& instance) {
  if (!training()) {
    const Shape shape{1, num_features};
    return {reshape(composite::in_double(running_mean.detach()), shape),
            reshape(composite::in_double(running_var.detach()), shape)};
  }
  Moments batch{mean(instance.mean, {0}, true), mean(instance.var, {0}, true) + var(instance.mean, {0}, 0, true)};
  const double t = composite::count_batch(num_batches_tracked, options.momentum);
  composite::move_toward(running_mean, batch.mean.array(), 1, t);
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
  const GroupMoments planes = group_moments(x, {1, 1, x.size(0) * num_features, inner});
  const Shape by_plane{x.size(0), num_features};
  const auto n = static_cast<double>(inner);
  const Moments instance{reshape(planes.mean, by_plane),
                         reshape(planes.var, by_plane) * (options.unbiased ? n / (n - 1) : 1)};
  const Moments layer{mean(instance.mean, {1}, true), mean(instance.var, {1}, true) + var(instance.mean, {1}, 0, true)};
  const Moments batch = batch_moments(instance);
  const Tensor m = mixed(mean_weight, instance.mean, layer.mean, batch.mean);
  const Tensor v = mixed(var_weight, instance.var, layer.var, batch.var);
  return affine_rows(planes.x, inner, m, composite::times_weight(rsqrt(v + options.eps), weight), bias);
}

}  // namespace evenkeel::nn
