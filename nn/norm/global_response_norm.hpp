#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

struct GlobalResponseNormOptions {
  double eps = 1e-6;
};

/// y = x + x n weight + bias,  n_c = g_c / (mean of g over the channels + eps),  g_c = sqrt(sum x_c^2) over H and W:
/// channels of a sample compete by their responses.
///   x, y: (N, C, H, W); weight, bias (both from 0, so a new layer is the identity): (C)
/// eps stands outside the root. Independent of the batch, the same in train and eval. The gradient of g is 0 where a
/// channel is 0 everywhere. State names are timm's; the authors' file calls them gamma and beta.
/// Throws invalid_argument: wrong rank or C. Woo et al. 2023, arXiv:2301.00808, equations 1 to 3 and algorithm 1.
class GlobalResponseNorm : public Layer {
 public:
  using Options = GlobalResponseNormOptions;
  explicit GlobalResponseNorm(std::int64_t num_channels, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<GlobalResponseNorm>(num_channels, options);
  }
  Tensor forward(const Tensor& x) override;

  const std::int64_t num_channels;
  const GlobalResponseNormOptions options;
  Tensor& weight;
  Tensor& bias;
};

}  // namespace evenkeel::nn
