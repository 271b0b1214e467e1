#include "evenkeel/nn/norm/power_norm.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

#include <utility>

namespace evenkeel::nn {
namespace {

/// The factor s = 1 / sqrt(running phi + eps), for a batch of n elements per channel whose mean square is `phi`.
/// Had s been the batch's own, its gradient to phi would be -n s^2 / 2 mean(dx_hat x_hat). The paper's backward puts
/// the running nu in place of that mean, and moves nu towards it.
Tensor approximate_scale(const Tensor& phi, const Tensor& scale, const Tensor& nu, double n, double t) {
  const Keep keep = Keep::input(0) | Keep::output();
  return record({.name = "power_norm", .inputs = {phi}, .keep = keep, .twice_differentiable = false}, scale.array(),
                [nu, n, t](const Saved& saved, const Tensor& ds) -> Grads {
                  const Tensor s = saved.output();
                  Tensor running = nu;  // not kept: each backward takes it as it is then, and moves it
                  const Tensor old = in_double(running.detach());
                  const Tensor product = ds * s / n, power = saved.input(0).detach() * square(s);
                  const Tensor moved = old + (product - old * power) * t;
                  running.mutable_array().copy_(moved.array().to(running.dtype()));
                  return {old * square(s) * (-n / 2)};
                });
}

}  // namespace

PowerNorm::PowerNorm(std::int64_t num_features, Options options)
    : num_features(checked_channels("PowerNorm", "num_features", num_features)),
      options(checked("PowerNorm", options)),
      weight(parameter("weight", value_if(options.affine, {num_features}, 1))),
      bias(parameter("bias", value_if(options.affine, {num_features}, 0))),
      running_phi(buffer("running_phi", Array::ones({num_features}))),
      running_nu(buffer("running_nu", Array::zeros({num_features}))),
      num_batches_tracked(buffer("num_batches_tracked", Array::zeros({}, DType::int64))) {
  require(options.warmup_steps >= 0, "PowerNorm", "warmup_steps must be at least 0, got ", options.warmup_steps);
}

std::string PowerNorm::extra_repr() const {
  return concat(num_features, repr_options(options), ", warmup_steps=", options.warmup_steps);
}

Tensor PowerNorm::forward_training(const Tensor& x) {
  const std::int64_t inner = spatial_size(x.shape());
  if (num_batches_tracked.array().item_int64() < options.warmup_steps) {
    Normalized result = normalize_groups(x, weight, bias, {1, x.size(0), num_features, inner}, {num_features, inner},
                                         {.eps = options.eps, .center = false});
    move_and_count({{running_phi, result.var}}, num_batches_tracked, options.momentum);
    return std::move(result.y);
  }
  const GroupMoments channels = group_moments(x, {1, x.size(0), num_features, inner}, false);
  const Tensor running = rsqrt(in_double(running_phi.detach()) + options.eps);
  const std::int64_t count = x.numel() / num_features;
  const double t = next_batch_weight(num_batches_tracked, options.momentum);
  const Tensor s = approximate_scale(channels.var, running, running_nu, static_cast<double>(count), t);
  Tensor y = affine_rows(channels.x, inner, {}, times_weight(s, weight), bias);
  move_and_count({{running_phi, channels.var.array()}}, num_batches_tracked, options.momentum);
  return y;
}

Tensor PowerNorm::forward(const Tensor& x) {
  check_channels(*this, x, num_features, kAnyRank);
  check_dtypes(*this, x, weight, bias);
  if (x.numel() == 0) {
    return empty_output(x, {weight, bias});
  }
  if (training()) {
    return forward_training(x);
  }
  const Tensor zero(Array::zeros({num_features}, running_phi.dtype()));
  return normalize_with(x, zero, running_phi, weight, bias, {num_features, spatial_size(x.shape())}, options.eps);
}

}  // namespace evenkeel::nn
