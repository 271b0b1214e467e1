#include "evenkeel/nn/norm/switchable_norm.hpp"

#include "evenkeel/autograd/ops.hpp"

namespace evenkeel::nn {
namespace {

/// softmax(weights)_0 a + softmax(weights)_1 b + softmax(weights)_2 c
Tensor mixed(const Tensor& weights, const Tensor& a, const Tensor& b, const Tensor& c) {
  const Tensor w = softmax(in_double(weights), 0);
  return a * select(w, 0, 0) + b * select(w, 0, 1) + c * select(w, 0, 2);
}

}  // namespace

SwitchableNorm2d::SwitchableNorm2d(std::int64_t num_features, Options options)
    : NormBase("SwitchableNorm2d", kImages, num_features,
               {.eps = options.eps, .momentum = options.momentum, .affine = options.affine}, {.var = 0}),
      unbiased(options.unbiased),
      mean_weight(parameter("mean_weight", Array::ones({3}))),
      var_weight(parameter("var_weight", Array::ones({3}))) {}

std::string SwitchableNorm2d::extra_repr() const {
  return concat(num_features, repr_options(options), unbiased ? ", unbiased=True" : "");
}

/// As (1, C).
SwitchableNorm2d::Moments SwitchableNorm2d::batch_moments(const Moments& instance) const {
  if (!training()) {
    const Shape shape{1, num_features};
    return {reshape(in_double(running_mean.detach()), shape), reshape(in_double(running_var.detach()), shape)};
  }
  return {mean(instance.mean, {0}, true), mean(instance.var, {0}, true) + var(instance.mean, {0}, 0, true)};
}

Tensor SwitchableNorm2d::forward(const Tensor& x) {
  check_channels(*this, x, num_features, ranks_);
  check_dtypes(*this, x, weight, bias, mean_weight, var_weight);
  const std::int64_t inner = spatial_size(x.shape());
  if (training()) {
    check_count(*this, x, x.size(0) * inner, "channel");
  }
  if (unbiased) {
    check_count(*this, x, inner, "instance");
  }
  if (x.numel() == 0) {
    return empty_output(x, {weight, bias, mean_weight, var_weight});
  }
  const GroupMoments planes = group_moments(x, {1, 1, x.size(0) * num_features, inner});
  const Shape by_plane{x.size(0), num_features};
  const auto n = static_cast<double>(inner);
  const Moments instance{reshape(planes.mean, by_plane), reshape(planes.var, by_plane) * (unbiased ? n / (n - 1) : 1)};
  const Moments layer{mean(instance.mean, {1}, true), mean(instance.var, {1}, true) + var(instance.mean, {1}, 0, true)};
  const Moments batch = batch_moments(instance);
  const Tensor m = mixed(mean_weight, instance.mean, layer.mean, batch.mean);
  const Tensor v = mixed(var_weight, instance.var, layer.var, batch.var);
  Tensor y = affine_rows(planes.x, inner, m, times_weight(rsqrt(v + options.eps), weight), bias);
  if (training()) {
    move_running_stats(batch.mean.array(), batch.var.array(), 1);
  }
  return y;
}

}  // namespace evenkeel::nn
