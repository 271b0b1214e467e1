#pragma once

#include "evenkeel/models/conv_norm_act.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/drawing.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/pool.hpp"

#include <memory>
#include <string>
#include <vector>

namespace evenkeel::models {

// The networks of BatchRenorm, which "brn" stands for; any other norm of nn/norm/registry.hpp can take its place.

struct BRNBlockOptions {
  std::int64_t stride = 1;
  std::string norm = "brn";  ///< a name of nn/norm/registry.hpp; "none" gives the convolutions a bias
  nn::NormOptions norm_options = {};
};

/// ConvNormAct with BatchRenorm2d unless `options.norm` says otherwise: convolution without bias, BatchRenorm2d, SiLU.
class ConvBRNAct : public ConvNormAct {
 public:
  ConvBRNAct(std::int64_t in, std::int64_t out, const nn::Drawing& generator, const ConvNormActOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<ConvBRNAct>(in_channels, out_channels, unused_generator(), options);
  }
};

/// y = silu(conv2(conv1(x)) + shortcut(x)): ConvBRNAct 3x3 with the stride, ConvBRNAct 3x3 without activation;
/// shortcut: x itself, or ConvBRNAct 1x1 without activation (downsample) where the size changes.
///   x: (N, in, H, W), y: (N, out, ceil(H / stride), ceil(W / stride))
class ResidualBRNBlock : public nn::Layer {
 public:
  using Options = BRNBlockOptions;
  ResidualBRNBlock(std::int64_t in, std::int64_t out, const nn::Drawing& generator,
                   const BRNBlockOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<ResidualBRNBlock>(in_channels, out_channels, unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;

  const std::int64_t in_channels, out_channels;
  const BRNBlockOptions options;
  nn::Child<ConvBRNAct> conv1, conv2;
  nn::Child<ConvBRNAct> downsample;  ///< none where the shortcut is x itself
  nn::Child<nn::SiLU> act;
};

struct BRNBackboneOptions {
  std::int64_t in_channels = 3;
  std::vector<std::int64_t> widths = {32, 64, 128};  ///< channels of each stage; the stem has the first one's
  std::vector<std::int64_t> blocks = {2, 2, 2};      ///< of each stage
  std::string norm = "brn";  ///< a name of nn/norm/registry.hpp; "none" gives the convolutions a bias
  nn::NormOptions norm_options = {};
};

/// stem (ConvBRNAct 3x3), stages.0.0, ... (ResidualBRNBlocks; from the second stage on the first block has stride 2).
///   x: (N, in_channels, H, W), y: (N, last width, H', W'), H and W halved, rounded up, at each stage but the first
/// 695,328 parameters with BatchRenorm2d and 3 channels.
class BRNBackbone : public nn::Layer {
 public:
  using Options = BRNBackboneOptions;
  explicit BRNBackbone(const nn::Drawing& generator, const BRNBackboneOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<BRNBackbone>(unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;
  std::int64_t out_channels() const { return options.widths.back(); }

  const BRNBackboneOptions options;
  nn::Child<ConvBRNAct> stem;
  nn::Child<nn::Sequential> stages;

 private:
  std::unique_ptr<nn::Sequential> make_stages(Generator& generator) const;
};

/// backbone (BRNBackbone), pool (global average), fc.
///   x: (N, in_channels, H, W) of any size, y: (N, num_classes)
/// 696,618 parameters with BatchRenorm2d, 3 channels and 10 classes.
class BRNClassifier : public nn::Layer {
 public:
  using Options = BRNBackboneOptions;
  explicit BRNClassifier(const nn::Drawing& generator, std::int64_t num_classes = 10,
                         const BRNBackboneOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<BRNClassifier>(unused_generator(), num_classes, options);
  }
  Tensor forward(const Tensor& x) override;

  const std::int64_t num_classes;
  const BRNBackboneOptions options;
  nn::Child<BRNBackbone> backbone;
  nn::Child<nn::AdaptiveAvgPool2d> pool;
  nn::Child<nn::Linear> fc;
};

}  // namespace evenkeel::models
