#pragma once

#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/drawing.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/registry.hpp"

#include <string>

namespace evenkeel::models {

struct SmallCNNOptions {
  std::int64_t in_channels = 3;
  std::int64_t num_classes = 10;
  std::string norm = "bn";            ///< a name of nn/norm/registry.hpp
  std::int64_t g1 = 8, g2 = 16;       ///< GroupNorm's groups behind the first and the second convolution
  nn::NormOptions norm_options = {};  ///< its num_groups gives way to g1 and g2, those to its channels_per_group
};

/// Two 3x3 convolutions (32 and 64 channels), each with normalization and ReLU, global average pooling and one Linear.
///   x: (N, in_channels, H, W) of any size, y: (N, num_classes)
/// Names: net.0 conv, net.1 norm, net.2 ReLU, net.3 conv, net.4 norm, net.5 ReLU, net.6 pooling, fc.
/// 20,234 parameters with BatchNorm or GroupNorm, 3 channels and 10 classes.
class SmallCNN : public nn::Layer {
 public:
  using Options = SmallCNNOptions;
  explicit SmallCNN(const nn::Drawing& generator, const SmallCNNOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<SmallCNN>(unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;

  const SmallCNNOptions options;
  nn::Child<nn::Sequential> net;
  nn::Child<nn::Linear> fc;
};

/// SmallCNN with BatchNorm2d; `options.norm` is not looked at.
class SmallCNN_BN : public SmallCNN {  // NOLINT(readability-identifier-naming): its PyTorch name
 public:
  explicit SmallCNN_BN(const nn::Drawing& generator, const SmallCNNOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<SmallCNN_BN>(unused_generator(), options);
  }
};

/// SmallCNN with GroupNorm(g1, 32) and GroupNorm(g2, 64); `options.norm` is not looked at.
class SmallCNN_GN : public SmallCNN {  // NOLINT(readability-identifier-naming): its PyTorch name
 public:
  explicit SmallCNN_GN(const nn::Drawing& generator, const SmallCNNOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<SmallCNN_GN>(unused_generator(), options);
  }
};

}  // namespace evenkeel::models
