#pragma once

#include "evenkeel/autograd/ops/conv.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/drawing.hpp"
#include "evenkeel/nn/norm/registry.hpp"

#include <memory>
#include <string>

namespace evenkeel::models {

struct FCNetworkOptions {
  std::int64_t in_features = 784;
  std::int64_t num_classes = 10;
  std::string norm = "bn";  ///< a name of nn/norm/registry.hpp
  nn::NormOptions norm_options = {};
  bool bias_before_norm = true;  ///< of layers in front of a norm; BatchNorm subtracts it again, so false loses nothing
};

/// Linear(256), norm, ReLU, Linear(128), norm, ReLU, Linear(num_classes), named network.0 to network.6.
///   x: (N, in_features), or images (N, C, H, W) with C H W = in_features; y: (N, num_classes)
/// 235,914 parameters for 784 features, 10 classes and BatchNorm1d; 235,530 without bias before norms.
class FCNetworkWithBatchNorm : public nn::Layer {
 public:
  using Options = FCNetworkOptions;
  explicit FCNetworkWithBatchNorm(const nn::Drawing& generator, const FCNetworkOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<FCNetworkWithBatchNorm>(unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;

  const FCNetworkOptions options;
  nn::Child<nn::Sequential> network;
};

struct CNNOptions {
  std::int64_t in_channels = 3;
  Size2 input_size = 32;  ///< height and width of the images, at least 4
  std::int64_t num_classes = 10;
  std::string norm = "bn";  ///< a name of nn/norm/registry.hpp
  nn::NormOptions norm_options = {};
  bool bias_before_norm = true;  ///< of layers in front of a norm; BatchNorm subtracts it again, so false loses nothing
};

/// features.0 to .7: twice (3x3 convolution, norm, ReLU, 2x2 max pooling) with 64 and 128 channels;
/// classifier.0 to .4: Flatten, Linear(256), norm, ReLU, Linear(num_classes).
///   x: (N, in_channels, H, W) of exactly input_size, y: (N, num_classes)
/// With BatchNorm 2,176,522 parameters for 3x32x32 and 10 classes (2,176,074 without bias before norms), 1,683,850 for
/// 1x28x28.
class CNNWithBatchNorm : public nn::Layer {
 public:
  using Options = CNNOptions;
  explicit CNNWithBatchNorm(const nn::Drawing& generator, const CNNOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<CNNWithBatchNorm>(unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;

  const CNNOptions options;
  nn::Child<nn::Sequential> features, classifier;
};

struct FcBlockOptions {
  double dropout = 0;       ///< above 0: a Dropout at the end
  std::string norm = "bn";  ///< a name of nn/norm/registry.hpp
  nn::NormOptions norm_options = {};
  bool bias_before_norm = true;  ///< of layers in front of a norm; BatchNorm subtracts it again, so false loses nothing
};
/// Linear, norm, ReLU (, Dropout).
std::unique_ptr<nn::Sequential> fc_block(std::int64_t in_features, std::int64_t out_features,
                                         const nn::Drawing& generator, const FcBlockOptions& options = {});

struct ConvBlockOptions {
  Size2 kernel_size = 3;
  Padding padding = 1;
  std::string norm = "bn";  ///< a name of nn/norm/registry.hpp
  nn::NormOptions norm_options = {};
  bool bias_before_norm = true;  ///< of layers in front of a norm; BatchNorm subtracts it again, so false loses nothing
};
/// Conv2d, norm, ReLU.
std::unique_ptr<nn::Sequential> conv_block(std::int64_t in_channels, std::int64_t out_channels,
                                           const nn::Drawing& generator, const ConvBlockOptions& options = {});

}  // namespace evenkeel::models
