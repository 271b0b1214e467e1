#pragma once

#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/drawing.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/registry.hpp"
#include "evenkeel/nn/pool.hpp"

#include <memory>
#include <string>
#include <vector>

namespace evenkeel::models {

/// How a residual block carries its input past a change of size. He et al. 2015, section 3.3.
enum class Shortcut {
  padded,  ///< option A: every second pixel, new channels of 0, half of them before and half behind the old; no weights
  projection,  ///< option B: 1x1 convolution and normalization, named downsample.0 and downsample.1
};

struct BasicBlockOptions {
  std::int64_t stride = 1;
  Shortcut shortcut = Shortcut::projection;
  std::string norm = "bn";  ///< a name of nn/norm/registry.hpp; "none" gives the convolutions a bias
  nn::NormOptions norm_options = {};
};

/// y = relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)), both convolutions 3x3, the first one with the stride.
///   x: (N, in, H, W), y: (N, out, ceil(H / stride), ceil(W / stride))
/// The shortcut is x itself where stride is 1 and in = out. Names are torchvision's: conv1, bn1, relu, conv2, bn2,
/// downsample. Throws invalid_argument: option A with an odd number of new channels, or with fewer.
class BasicBlock : public nn::Layer {
 public:
  using Options = BasicBlockOptions;
  BasicBlock(std::int64_t in, std::int64_t out, const nn::Drawing& generator, const BasicBlockOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<BasicBlock>(in_channels, out_channels, unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;

  const std::int64_t in_channels, out_channels;
  const BasicBlockOptions options;
  nn::Child<nn::Conv2d> conv1;
  nn::Child<nn::Layer> bn1;
  nn::Child<nn::ReLU> relu;
  nn::Child<nn::Conv2d> conv2;
  nn::Child<nn::Layer> bn2;
  nn::Child<nn::Sequential> downsample;  ///< none where there are no weights

 private:
  Tensor shortcut(const Tensor& x);
};

/// `blocks` BasicBlocks in a row, named "0", "1", ...; the stride is that of the first one.
std::unique_ptr<nn::Sequential> basic_stage(std::int64_t in, std::int64_t out, std::int64_t blocks,
                                            Generator& generator, const BasicBlockOptions& options);

/// He et al. 2015, arXiv:1502.01852, as torchvision's ResNets start: the weights of all convolutions below `module`
/// normal with variance 2 / fan_out, biases 0. With `zero_last_norm` every BasicBlock's bn2 starts from weight 0, so
/// that the block is the identity at first (Goyal et al. 2017, arXiv:1706.02677, section 5.1).
void init_resnet_(nn::Module& module, Generator& generator, bool zero_last_norm = false);

struct ResNetOptions {
  std::int64_t in_channels = 3;
  std::int64_t num_classes = 1000;
  /// Blocks of each stage; every stage has twice the channels of the last.
  std::vector<std::int64_t> layers = {2, 2, 2, 2};
  std::int64_t width = 64;          ///< channels of the first stage
  bool small_images = false;        ///< conv1 3x3 with stride 1 and no pooling behind, for images such as 32x32
  bool zero_init_residual = false;  ///< see init_resnet_
  std::string norm = "bn";          ///< a name of nn/norm/registry.hpp; "none" gives the convolutions a bias
  nn::NormOptions norm_options = {};
};

/// Residual network of BasicBlocks with option B shortcuts; the state dict's names and shapes are torchvision's:
/// conv1 (7x7, stride 2), bn1, relu, maxpool (3x3, stride 2), layer1.0.conv1 to layer4, avgpool, fc.
///   x: (N, in_channels, H, W) of any size, y: (N, num_classes)
/// By default ResNet-18 with 11,689,512 parameters; 11,173,962 with 10 classes and small_images.
/// He et al. 2015, arXiv:1512.03385, table 1.
class ResNet : public nn::Layer {
 public:
  using Options = ResNetOptions;
  explicit ResNet(const nn::Drawing& generator, const ResNetOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<ResNet>(unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;

  const ResNetOptions options;
  nn::Child<nn::Conv2d> conv1;
  nn::Child<nn::Layer> bn1, relu, maxpool;
  const std::vector<nn::Child<nn::Sequential>> stages;  ///< layer1, layer2, ...
  nn::Child<nn::AdaptiveAvgPool2d> avgpool;
  nn::Child<nn::Linear> fc;

 private:
  std::vector<nn::Child<nn::Sequential>> make_stages(Generator& generator);
};

/// ResNet with layers (2, 2, 2, 2), whatever `options.layers` says.
std::unique_ptr<ResNet> resnet18(Generator& generator, ResNetOptions options = {});

}  // namespace evenkeel::models
