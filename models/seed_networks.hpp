#pragma once

#include "autograd/ops/conv.hpp"
#include "nn/container.hpp"
#include "nn/module.hpp"

#include <memory>

namespace evenkeel::models {

struct FCNetworkOptions {
  std::int64_t in_features = 784;
  std::int64_t num_classes = 10;
};

/// Linear(256), BatchNorm1d, ReLU, Linear(128), BatchNorm1d, ReLU, Linear(num_classes), named network.0 to network.6.
///   x: (N, in_features), or images (N, C, H, W) with C H W = in_features; y: (N, num_classes)
/// 235,914 parameters for 784 features and 10 classes.
class FCNetworkWithBatchNorm : public nn::Layer {
 public:
  explicit FCNetworkWithBatchNorm(Generator& generator, FCNetworkOptions opts = {});
  std::string type_name() const override { return "FCNetworkWithBatchNorm"; }
  Tensor forward(const Tensor& x) override;

  const FCNetworkOptions options;
  nn::Slot& network;
};

struct CNNOptions {
  std::int64_t in_channels = 3;
  Size2 input_size = 32;  ///< height and width of the images, at least 4
  std::int64_t num_classes = 10;
};

/// features.0 to .7: twice (3x3 convolution, BatchNorm2d, ReLU, 2x2 max pooling) with 64 and 128 channels;
/// classifier.0 to .4: Flatten, Linear(256), BatchNorm1d, ReLU, Linear(num_classes).
///   x: (N, in_channels, H, W) of exactly input_size, y: (N, num_classes)
/// 2,176,522 parameters for 3x32x32 and 10 classes, 1,683,850 for 1x28x28.
class CNNWithBatchNorm : public nn::Layer {
 public:
  explicit CNNWithBatchNorm(Generator& generator, CNNOptions opts = {});
  std::string type_name() const override { return "CNNWithBatchNorm"; }
  Tensor forward(const Tensor& x) override;

  const CNNOptions options;
  nn::Slot& features;
  nn::Slot& classifier;
};

struct FcBlockOptions {
  double dropout = 0;  ///< above 0: a Dropout at the end
};
/// Linear, BatchNorm1d, ReLU (, Dropout).
std::unique_ptr<nn::Sequential> fc_block(std::int64_t in_features, std::int64_t out_features, Generator& generator,
                                         FcBlockOptions options = {});

struct ConvBlockOptions {
  Size2 kernel_size = 3;
  Padding padding = 1;
};
/// Conv2d, BatchNorm2d, ReLU.
std::unique_ptr<nn::Sequential> conv_block(std::int64_t in_channels, std::int64_t out_channels, Generator& generator,
                                           ConvBlockOptions options = {});

}  // namespace evenkeel::models
