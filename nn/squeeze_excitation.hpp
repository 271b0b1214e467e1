#pragma once

#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/drawing.hpp"
#include "evenkeel/nn/pool.hpp"

namespace evenkeel::nn {

struct SqueezeExcitationOptions {
  double ratio = 0.25;  ///< squeezed channels: max(1, floor(ratio channels))
};

/// y = x s, s = sigmoid(fc2(relu(fc1(mean of x over H and W)))): one factor in (0, 1) per sample and channel.
///   x, y: (N, C, H, W); fc1 and fc2 are 1x1 convolutions C -> C ratio -> C with bias
/// Names are torchvision's: avgpool, fc1, fc2, activation, scale_activation. Throws invalid_argument: C < 1; a ratio
/// outside (0, 1]; another rank than 4. Hu et al. 2018, arXiv:1709.01507, equations 2 to 4 (there ratio = 1/16).
class SqueezeExcitation : public Layer {
 public:
  using Options = SqueezeExcitationOptions;
  SqueezeExcitation(std::int64_t channels, const Drawing& generator, SqueezeExcitationOptions options = {});
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<SqueezeExcitation>(channels, unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;

  const SqueezeExcitationOptions options;
  const std::int64_t channels, squeezed_channels;
  Child<AdaptiveAvgPool2d> avgpool;
  Child<Conv2d> fc1;
  Child<Conv2d> fc2;
  Child<ReLU> activation;
  Child<Sigmoid> scale_activation;
};

}  // namespace evenkeel::nn
