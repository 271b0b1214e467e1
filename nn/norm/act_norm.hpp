#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

struct ActNormOptions {
  double eps = 1e-6;  ///< outside the root
};

/// y = x * weight + bias per channel: no statistics but the first training batch's, which the parameters start from:
///   weight = 1 / (std + eps), bias = -mean * weight, with mean and biased std over batch and space
///   x, y: (N, C, *); weight, bias: (C); initialized: int64, 0 until then
/// Before, weight is 1 and bias 0, as in eval(). From the second batch on both are plain parameters that learn; the
/// gradients take them as such from the first on. `initialized` is in state_dict, so a loaded layer does not start
/// again (an empty batch starts nothing either).
/// Throws invalid_argument: rank < 2; wrong C; one value per channel in the first batch.
/// Kingma & Dhariwal 2018, arXiv:1807.03039, section 3.1.
class ActNorm : public Layer {
 public:
  using Options = ActNormOptions;
  explicit ActNorm(std::int64_t num_features, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<ActNorm>(num_features, options); }
  Tensor forward(const Tensor& x) override;

  const std::int64_t num_features;
  const ActNormOptions options;
  Tensor& weight;
  Tensor& bias;
  Tensor& initialized;

 private:
  void initialize(const Tensor& x);
};

}  // namespace evenkeel::nn
