#pragma once

#include "evenkeel/models/conv_norm_act.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/drawing.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/registry.hpp"
#include "evenkeel/nn/pool.hpp"

#include <memory>
#include <string>
#include <vector>

namespace evenkeel::models {

struct BottleneckOptions {
  std::int64_t stride = 1;     ///< of the 3x3 convolution
  std::int64_t expansion = 4;  ///< output channels per inner channel
  double se_ratio = 0.25;      ///< of the squeeze-and-excitation; 0: none
  std::string norm = "bn";     ///< a name of nn/norm/registry.hpp; "none" gives the convolutions a bias
  nn::NormOptions norm_options = {};
};

/// y = silu(se(conv3(conv2(conv1(x)))) + shortcut(x)): ConvNormAct 1x1 to `width` channels, 3x3 with the stride, 1x1 to
/// width * expansion without activation; SqueezeExcitation of those; shortcut: x itself, or ConvNormAct 1x1
/// (downsample) where the size changes.
///   x: (N, in, H, W), y: (N, width expansion, ceil(H / stride), ceil(W / stride))
/// He et al. 2015, arXiv:1512.03385, figure 5; Hu et al. 2018, arXiv:1709.01507, figure 3.
class Bottleneck : public nn::Layer {
 public:
  using Options = BottleneckOptions;
  Bottleneck(std::int64_t in, std::int64_t width, const nn::Drawing& generator, const BottleneckOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<Bottleneck>(in_channels, width, unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;

  const std::int64_t in_channels, width;
  const BottleneckOptions options;
  nn::Child<ConvNormAct> conv1, conv2, conv3;
  nn::Child<nn::Layer> se;            ///< an Identity for se_ratio 0
  nn::Child<ConvNormAct> downsample;  ///< none where the shortcut is x itself
  nn::Child<nn::SiLU> act;
};

struct FrozenSEResNetOptions {
  std::int64_t in_channels = 3;
  std::int64_t num_classes = 10;
  std::int64_t stem_width = 64;  ///< the stem's three convolutions have half, half and all of it
  std::vector<std::int64_t> widths = {64, 128, 256, 512};  ///< inner channels of each stage's blocks
  std::vector<std::int64_t> blocks = {2, 2, 6, 2};         ///< of each stage
  bool small_images = false;  ///< stem with stride 1 and no pooling behind, for images such as 32x32
  std::int64_t expansion = 4;
  double se_ratio = 0.25;
  std::string norm = "bn";  ///< a name of nn/norm/registry.hpp; "none" gives the convolutions a bias
  nn::NormOptions norm_options = {};
};

/// ResNet-like backbone for fine-tuning with frozen statistics: stem.0 to .2 (ConvNormAct 3x3, the first with stride
/// 2), pool (3x3, stride 2), stages.0.0, ... (Bottlenecks; from the second stage on the first block has stride 2),
/// head_norm, avgpool, fc. Built with BatchNorm, trained, then converted to FrozenBatchNorm2d.
///   x: (N, in_channels, H, W) of any size, y: (N, num_classes)
/// 26,141,162 parameters with BatchNorm, 3 channels and 10 classes.
class FrozenSEResNet : public nn::Layer {
 public:
  using Options = FrozenSEResNetOptions;
  explicit FrozenSEResNet(const nn::Drawing& generator, const FrozenSEResNetOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<FrozenSEResNet>(unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;

  const FrozenSEResNetOptions options;
  nn::Child<nn::Sequential> stem;
  nn::Child<nn::Layer> pool;
  nn::Child<nn::Sequential> stages;
  nn::Child<nn::Layer> head_norm;
  nn::Child<nn::AdaptiveAvgPool2d> avgpool;
  nn::Child<nn::Linear> fc;

 private:
  std::unique_ptr<nn::Sequential> make_stem(Generator& generator) const;
  std::unique_ptr<nn::Sequential> make_stages(Generator& generator) const;
  std::int64_t head_channels() const { return options.widths.back() * options.expansion; }
};

}  // namespace evenkeel::models
