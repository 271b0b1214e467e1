#pragma once

#include "evenkeel/autograd/ops/conv.hpp"
#include "evenkeel/nn/weighted_layer.hpp"

namespace evenkeel::nn {

struct Conv2dOptions {
  Size2 kernel_size;  ///< must be given
  Size2 stride = 1;
  Padding padding = 0;
  Size2 dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
};

/// Cross-correlation; see conv2d in autograd/ops/conv.hpp for the formula.
///   x: (N, in_channels, H, W) or without N, y: (N, out_channels, OH, OW),
///   weight: (out_channels, in_channels/groups, KH, KW), bias: (out_channels)
/// Both start uniform in +-1/sqrt(in_channels/groups KH KW), drawn from `generator`. Prints padding "valid" as none.
class Conv2d : public WeightedLayer {
 public:
  using Options = Conv2dOptions;
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, Generator& generator, Conv2dOptions options);
  /// With given values, which are shared, not copied: Conv2d(weight, bias, {.padding = 1}).
  explicit Conv2d(const Array& weight, const Array& bias = {}, ConvOptions options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<Conv2d>(in_channels, out_channels, unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;
  std::int64_t macs(const std::vector<Shape>& inputs, const std::vector<Shape>& outputs) const override;
  void reset_parameters(Generator& generator);

  const std::int64_t in_channels, out_channels;
  const Conv2dOptions options;
};

struct ConvTranspose2dOptions {
  Size2 kernel_size;  ///< must be given
  Size2 stride = 1;
  Size2 padding = 0;
  Size2 output_padding = 0;  ///< smaller than stride or dilation
  Size2 dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
};

/// The adjoint of Conv2d; see conv_transpose2d in autograd/ops/conv.hpp.
///   x: (N, in_channels, H, W), weight: (in_channels, out_channels/groups, KH, KW), bias: (out_channels)
/// Both start uniform in +-1/sqrt(out_channels/groups KH KW), as PyTorch's (which takes the fan of weight's second
/// dim).
class ConvTranspose2d : public WeightedLayer {
 public:
  using Options = ConvTranspose2dOptions;
  ConvTranspose2d(std::int64_t in_channels, std::int64_t out_channels, Generator& generator,
                  ConvTranspose2dOptions options);
  /// As Conv2d's with given values.
  explicit ConvTranspose2d(const Array& weight, const Array& bias = {}, ConvTransposeOptions options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<ConvTranspose2d>(in_channels, out_channels, unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;
  std::int64_t macs(const std::vector<Shape>& inputs, const std::vector<Shape>& outputs) const override;
  void reset_parameters(Generator& generator);

  const std::int64_t in_channels, out_channels;
  const ConvTranspose2dOptions options;
};

}  // namespace evenkeel::nn
