#pragma once

#include "evenkeel/nn/module.hpp"

#include <optional>

namespace evenkeel::nn {

struct PowerNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< weight of the new value: 1 - alpha of the paper; nullopt: cumulative
  bool affine = true;
  std::int64_t warmup_steps = 10000;  ///< training forwards that use the batch's own statistic (PN-V)
};

/// y = x / sqrt(phi + eps) * weight + bias, where phi is the quadratic mean per channel over batch and space
///   x, y: (N, C, *); weight (from 1), bias (from 0), running_phi (from 1), running_nu (from 0): (C)
/// Warm-up: phi of the batch, exact gradient. Then running_phi from before this step with the paper's approximate
/// backward, which is not the derivative of the forward (a numerical check fails) and moves a buffer:
///   dx = (q - nu x_hat) / sqrt(phi + eps),  q = dy weight,  nu <- nu (1 - t mean(x_hat^2)) + t mean(q x_hat),
/// t = momentum. Each backward counts, also one through a retained graph; there is no second derivative. Each training
/// forward moves running_phi. eval() reads it. Not in here: the authors' GroupScaling1D in front, and their code's
/// division of dx by the batch's statistic; their ema_gz is running_nu / momentum. Throws: wrong C, rank < 2.
/// Shen et al. 2020, arXiv:2003.07845, algorithm 2.
class PowerNorm : public Layer {
 public:
  using Options = PowerNormOptions;
  explicit PowerNorm(std::int64_t num_features, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<PowerNorm>(num_features, options);
  }
  Tensor forward(const Tensor& x) override;

  const std::int64_t num_features;
  const PowerNormOptions options;
  Tensor& weight;
  Tensor& bias;
  Tensor& running_phi;
  Tensor& running_nu;
  Tensor& num_batches_tracked;

 private:
  Tensor forward_training(const Tensor& x);
};

}  // namespace evenkeel::nn
