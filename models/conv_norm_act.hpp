#pragma once

#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/drawing.hpp"
#include "evenkeel/nn/norm/registry.hpp"

#include <optional>
#include <string>

namespace evenkeel::models {

struct ConvNormActOptions {
  Size2 kernel_size = 3;
  Size2 stride = 1;
  std::int64_t groups = 1;  ///< of the convolution
  bool activation = true;   ///< false: act is an Identity, for the end of a residual branch
  /// A name of nn/norm/registry.hpp, the block's own ("bn" of ConvNormAct, "brn" of ConvBRNAct) if not given; "none"
  /// gives the convolution a bias.
  std::optional<std::string> norm = {};
  nn::NormOptions norm_options = {};
};

/// y = act(norm(conv(x))): a convolution without bias, padded by half its kernel, a normalization and SiLU (Identity
/// behind a norm that is its own activation).
///   x: (N, in, H, W), y: (N, out, ceil(H / stride), ceil(W / stride)) for odd kernels
class ConvNormAct : public nn::Layer {
 public:
  using Options = ConvNormActOptions;
  ConvNormAct(std::int64_t in, std::int64_t out, const nn::Drawing& generator, const ConvNormActOptions& options = {});
  std::unique_ptr<nn::Module> clone_structure() const override {
    return std::make_unique<ConvNormAct>(in_channels, out_channels, unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override { return norm(conv(x), act); }

  const std::int64_t in_channels, out_channels;
  const ConvNormActOptions options;  ///< with the norm's name
  nn::Child<nn::Conv2d> conv;
  nn::Child<nn::Layer> norm, act;
};

}  // namespace evenkeel::models
