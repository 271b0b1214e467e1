#include "nn/norm/power_norm.hpp"

#include "autograd/node.hpp"
#include "autograd/ops.hpp"
#include "core/reduce.hpp"
#include "nn/norm/composite.hpp"
#include "nn/norm/norm_base.hpp"
#include "nn/norm/norm_common.hpp"
#include "nn/repr.hpp"

namespace evenkeel::nn {
namespace {

std::int64_t checked_warmup(std::int64_t steps) {
  require(steps >= 0, "PowerNorm", "warmup_steps must be at least 0, got ", steps);
  return steps;
}

/// x_hat = x s of (N, C, L), with the paper's backward, which reads and moves nu.
Tensor scale_approximately(const Tensor& x, const Tensor& s, const Tensor& nu, double t) {
  return record({.name = "power_norm", .inputs = {x}, .keep = Keep::output(), .twice_differentiable = false},
                (x.detach() * s).array(), [=](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor x_hat = saved.output().detach();
                  Tensor running = nu;
                  const Tensor old(running.array().clone().to(x_hat.dtype()).reshape({1, nu.numel(), 1}));
                  const Tensor power = mean(square(x_hat), {0, 2}, true);
                  const Tensor product = mean(dy * x_hat, {0, 2}, true);
                  const Tensor moved = old + (product - old * power) * t;
                  running.mutable_array().copy_(moved.array().reshape(running.shape()).to(running.dtype()));
                  return {(dy - old * x_hat) * s};
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
    const Normalized result = normalize(x, weight, bias, {1, x.size(0), num_features, inner}, {num_features, inner},
                                        {.eps = options.eps, .center = false});
    composite::move_toward(running_phi, result.var, 1, t);
    return result.y;
  }
  const Tensor flat = reshape(x, {x.size(0), num_features, inner});
  const Tensor s = rsqrt(Tensor(running_phi.array().reshape({1, num_features, 1})) + options.eps);
  const Tensor x_hat = scale_approximately(flat, s, running_nu, t);
  composite::move_toward(running_phi, mean(square(flat.detach()), {0, 2}).array(), 1, t);
  return reshape(composite::scale_and_shift(x_hat, weight, bias), x.shape());
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
