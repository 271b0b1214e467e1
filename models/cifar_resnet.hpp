#pragma once

#include "evenkeel/models/resnet.hpp"
#include "evenkeel/nn/drawing.hpp"

#include <memory>
#include <string>

namespace evenkeel::models {

struct CifarResNetOptions {
  std::int64_t depth = 20;  ///< 6 n + 2: n blocks of two convolutions in each of three stages, conv1 and fc
  std::int64_t in_channels = 3;
  std::int64_t num_classes = 10;
  std::int64_t width = 16;               ///< channels of the first stage; the others have twice and four times as many
  Shortcut shortcut = Shortcut::padded;  ///< the paper's choice for CIFAR is option A
  std::string norm = "bn";               ///< a name of nn/norm/registry.hpp; "none" gives the convolutions a bias
  nn::NormOptions norm_options = {};
};

/// The residual networks for 32x32 images: conv1 (3x3, 16 channels), bn1, relu, layer1 to layer3 of BasicBlocks with
/// 16, 32 and 64 channels on 32x32, 16x16 and 8x8 pixels, avgpool, fc.
///   x: (N, in_channels, H, W) of any size, y: (N, num_classes)
/// Parameters for 3 channels and 10 classes, option A and option B:
///   ResNet20 269,722 and 272,474; ResNet32 464,154 and 466,906; ResNet56 853,018 and 855,770.
/// Throws invalid_argument: a depth that is not 6 n + 2. He et al. 2015, arXiv:1512.03385, section 4.2 and table 6.
class CifarResNet : public nn::Layer {
 public:
  using Options = CifarResNetOptions;
  explicit CifarResNet(const nn::Drawing& generator, const CifarResNetOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<CifarResNet>(unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;

  const CifarResNetOptions options;
  nn::Child<nn::Conv2d> conv1;
  nn::Child<nn::Layer> bn1, relu;
  nn::Child<nn::Sequential> layer1, layer2, layer3;
  nn::Child<nn::AdaptiveAvgPool2d> avgpool;
  nn::Child<nn::Linear> fc;

 private:
  std::unique_ptr<nn::Sequential> make_stage(int index, Generator& generator) const;
};

/// CifarResNet of depth 20, 32 and 56, whatever `options.depth` says.
std::unique_ptr<CifarResNet> resnet20(Generator& generator, const CifarResNetOptions& options = {});
std::unique_ptr<CifarResNet> resnet32(Generator& generator, const CifarResNetOptions& options = {});
std::unique_ptr<CifarResNet> resnet56(Generator& generator, const CifarResNetOptions& options = {});

}  // namespace evenkeel::models
