#pragma once

#include "evenkeel/autograd/ops/conv.hpp"
#include "evenkeel/core/pad.hpp"
#include "evenkeel/nn/weighted_layer.hpp"

namespace evenkeel::nn {

template <int D>
struct ConvLayerOptions {
  SizeND<D> kernel_size;  ///< must be given
  SizeND<D> stride = 1;
  ConvPadding<D> padding = 0;
  SizeND<D> dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  PadMode padding_mode = PadMode::constant;  ///< of zeros
};
using Conv1dOptions = ConvLayerOptions<1>;
using Conv2dOptions = ConvLayerOptions<2>;
using Conv3dOptions = ConvLayerOptions<3>;

/// Cross-correlation over D axes; see conv2d in autograd/ops/conv.hpp for the formula.
///   x: (N, in_channels, H, W) or without N, y: (N, out_channels, OH, OW),
///   weight: (out_channels, in_channels/groups, KH, KW), bias: (out_channels)
/// and with L or D, H, W in place of H, W. Both start uniform in +-1/sqrt(in_channels/groups KH KW), drawn from
/// `generator`. A padding_mode other than constant pads x by pad() first. Prints padding "valid" as none.
template <int D>
class Conv : public WeightedLayer {
 public:
  using Options = ConvLayerOptions<D>;
  Conv(std::int64_t in_channels, std::int64_t out_channels, Generator& generator, Options options);
  /// With given values, which are shared, not copied: Conv2d(weight, bias, {.padding = 1}).
  explicit Conv(const Array& weight, const Array& bias = {}, ConvNdOptions<D> options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<Conv>(in_channels, out_channels, unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;
  std::int64_t macs(const std::vector<Shape>& inputs, const std::vector<Shape>& outputs) const override;
  void reset_parameters(Generator& generator);

  const std::int64_t in_channels, out_channels;
  const Options options;
};
using Conv1d = Conv<1>;
using Conv2d = Conv<2>;
using Conv3d = Conv<3>;

template <int D>
struct ConvTransposeLayerOptions {
  SizeND<D> kernel_size;  ///< must be given
  SizeND<D> stride = 1;
  SizeND<D> padding = 0;
  SizeND<D> output_padding = 0;  ///< smaller than stride or dilation
  SizeND<D> dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
};
using ConvTranspose1dOptions = ConvTransposeLayerOptions<1>;
using ConvTranspose2dOptions = ConvTransposeLayerOptions<2>;
using ConvTranspose3dOptions = ConvTransposeLayerOptions<3>;

/// The adjoint of Conv; see conv_transpose2d in autograd/ops/conv.hpp.
///   x: (N, in_channels, H, W), weight: (in_channels, out_channels/groups, KH, KW), bias: (out_channels)
/// and with L or D, H, W in place of H, W. Both start uniform in +-1/sqrt(out_channels/groups KH KW), as PyTorch's
/// (which takes the fan of weight's second dim).
template <int D>
class ConvTranspose : public WeightedLayer {
 public:
  using Options = ConvTransposeLayerOptions<D>;
  ConvTranspose(std::int64_t in_channels, std::int64_t out_channels, Generator& generator, Options options);
  /// As Conv's with given values.
  explicit ConvTranspose(const Array& weight, const Array& bias = {}, ConvTransposeNdOptions<D> options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<ConvTranspose>(in_channels, out_channels, unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;
  std::int64_t macs(const std::vector<Shape>& inputs, const std::vector<Shape>& outputs) const override;
  void reset_parameters(Generator& generator);

  const std::int64_t in_channels, out_channels;
  const Options options;
};
using ConvTranspose1d = ConvTranspose<1>;
using ConvTranspose2d = ConvTranspose<2>;
using ConvTranspose3d = ConvTranspose<3>;

extern template class Conv<1>;
extern template class Conv<2>;
extern template class Conv<3>;
extern template class ConvTranspose<1>;
extern template class ConvTranspose<2>;
extern template class ConvTranspose<3>;

}  // namespace evenkeel::nn
