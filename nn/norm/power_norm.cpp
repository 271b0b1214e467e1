#include "evenkeel/nn/norm/power_norm.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/norm/composite.hpp"
#include "evenkeel/nn/norm/norm_base.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {
namespace {

std::int64_t checked_warmup(std::int64_t steps) {
  require(steps >= 0, "PowerNorm", "warmup_steps must be at least 0, got ", steps);
  return steps;
}

/// The factor s = 1 / sqrt(running phi + eps), for a batch of n elements per channel whose mean square is `phi`.
/// Had s been the batch's own, its gradient to phi would be -n s^2 / 2 mean(dx_hat x_hat). The paper's backward puts
/// the running nu in place of that mean, and moves nu towards it.
Tensor approximate_scale(const Tensor& phi, const Tensor& scale, const Tensor& nu, double n, double t) {
  const Keep keep = Keep::input(0) | Keep::output();
  return record({.name = "power_norm", .inputs = {phi}, .keep = keep, .twice_differentiable = false}, scale.array(),
                [nu, n, t](const Saved& saved, const Tensor& ds) -> Grads {
                  const Tensor s = saved.output();
                  Tensor running = nu;  // not kept: each backward takes it as it is then, and moves it
                  const Tensor old = composite::in_double(running.detach());
                  const Tensor product = ds * s / n, power = saved.input(0).detach() * square(s);
                  const Tensor moved = old + (product - old * power) * t;
                  running.mutable_array().copy_(moved.array().to(running.dtype()));
                  return {old * square(s) * (-n / 2)};
                });
}

}  // namespace

PowerNorm::PowerNorm(std::int64_t features, PowerNormOptions opts)
    : num_features(checked_channels("PowerNorm", "num_features", features)),
      options{checked_eps("PowerNorm", opts.eps), checked_momentum("PowerNorm", opts.momentum), opts.affine,
              checked_warmup(opts.warmup_steps)},
      weight(parameter("weight", composite::value_if(opts.affine, features, 1))),
      bias(parameter("bias", composite::value_if(opts.affine, features, 0))),
      running_phi(buffer("running_phi", Array::ones({features}))),
      running_nu(buffer("running_nu", Array::zeros({features}))),
      num_batches_tracked(buffer("num_batches_tracked", Array::zeros({}, DType::int64))) {}

std::string PowerNorm::extra_repr() const {
  return concat(num_features, ", eps=", repr(options.eps), ", momentum=", composite::repr_momentum(options.momentum),
                ", affine=", repr(options.affine), ", warmup_steps=", options.warmup_steps);
}

Tensor PowerNorm::forward_training(const Tensor& x) {
  const std::int64_t inner = spatial_size(x.shape());
  const double t = composite::count_batch(num_batches_tracked, options.momentum);
  if (num_batches_tracked.array().item_int64() <= options.warmup_steps) {
    const Normalized result = normalize_groups(x, weight, bias, {1, x.size(0), num_features, inner},
                                               {num_features, inner}, {.eps = options.eps, .center = false});
    composite::move_toward(running_phi, result.var, 1, t);
    return result.y;
  }
  const Statistics channels = statistics(x, {1, x.size(0), num_features, inner}, false);
  const Tensor running = rsqrt(composite::in_double(running_phi.detach()) + options.eps);
  const std::int64_t count = x.numel() / num_features;
  const Tensor s = approximate_scale(channels.var, running, running_nu, static_cast<double>(count), t);
  composite::move_toward(running_phi, channels.var.array(), 1, t);
  return affine_rows(channels.x, inner, {}, composite::times_weight(s, weight), bias);
}

Tensor PowerNorm::forward(const Tensor& x) {
  composite::check_channels(*this, x, num_features, 0);
  if (x.numel() == 0) {
    return composite::empty_output(x, {weight, bias});
  }
  if (training()) {
    return forward_training(x);
  }
  const Tensor zero(Array::zeros({num_features}, running_phi.dtype()));
  return normalize_with(x, zero, running_phi, weight, bias, {num_features, spatial_size(x.shape())}, options.eps);
}

}  // namespace evenkeel::nn
