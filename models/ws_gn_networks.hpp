#pragma once

#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/drawing.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/registry.hpp"
#include "evenkeel/nn/norm/ws_conv.hpp"
#include "evenkeel/nn/pool.hpp"

#include <optional>
#include <string>
#include <vector>

namespace evenkeel::models {

struct WSGNOptions {
  std::optional<std::int64_t> groups = {};              ///< by default choose_gn_groups(out channels)
  std::optional<std::int64_t> channels_per_group = {};  ///< in place of groups
  std::string norm = "gn";                              ///< a name of nn/norm/registry.hpp
  nn::NormOptions norm_options = {};                    ///< its groups give way to these
};

/// y = silu(gn(conv(x))): WSConv2d 3x3 without bias, GroupNorm, SiLU in place.
///   x: (N, in, H, W), y: (N, out, H, W)
/// Throws invalid_argument: `groups` or `channels_per_group` that do not divide the out channels, or both. The PyTorch
/// original takes min(groups, out) of 32, which fails for 48 channels.
class WS_GN_Block : public nn::Layer {  // NOLINT(readability-identifier-naming): its PyTorch name
 public:
  using Options = WSGNOptions;
  WS_GN_Block(std::int64_t in, std::int64_t out, const nn::Drawing& generator, const WSGNOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<WS_GN_Block>(in_channels, out_channels, unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override { return gn(conv(x), act); }

  const std::int64_t in_channels, out_channels;
  const WSGNOptions options;
  nn::Child<nn::WSConv2d> conv;
  nn::Child<nn::Layer> gn, act;
};

struct WSGNClassifierOptions {
  std::int64_t in_channels = 3;
  std::int64_t num_classes = 10;
  std::vector<std::int64_t> widths = {64, 64};  ///< out channels of each block
  WSGNOptions block = {};
};

/// blocks.0, ... (WS_GN_Blocks), pool (global average), fc.
///   x: (N, in_channels, H, W) of any size, y: (N, num_classes)
/// 39,498 parameters with GroupNorm, 3 channels and 10 classes.
class WS_GN_Classifier : public nn::Layer {  // NOLINT(readability-identifier-naming): as WS_GN_Block
 public:
  using Options = WSGNClassifierOptions;
  explicit WS_GN_Classifier(const nn::Drawing& generator, const WSGNClassifierOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<WS_GN_Classifier>(unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;

  const WSGNClassifierOptions options;
  nn::Child<nn::Sequential> blocks;
  nn::Child<nn::AdaptiveAvgPool2d> pool;
  nn::Child<nn::Linear> fc;
};

struct SmallBNNetOptions {
  std::int64_t in_channels = 3;
  std::int64_t num_classes = 0;  ///< above 0: global average pooling and a Linear (pool, fc) at the end
  std::string norm = "bn";       ///< a name of nn/norm/registry.hpp; "none" gives the convolutions a bias
  nn::NormOptions norm_options = {};
};

/// net.0 to .5: twice (3x3 convolution without bias, norm, ReLU) with 16 and 32 channels.
///   x: (N, in_channels, H, W), y: (N, 32, H, W), or (N, num_classes) with a head
/// 5,136 parameters with BatchNorm and 3 channels; 5,466 with 10 classes.
class SmallBNNet : public nn::Layer {
 public:
  using Options = SmallBNNetOptions;
  explicit SmallBNNet(const nn::Drawing& generator, const SmallBNNetOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<SmallBNNet>(unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;

  const SmallBNNetOptions options;
  nn::Child<nn::Sequential> net;
  nn::Child<nn::AdaptiveAvgPool2d> pool;  ///< none without a head
  nn::Child<nn::Linear> fc;               ///< none without a head
};

}  // namespace evenkeel::models
