#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

struct LayerNormOptions {
  double eps = 1e-5;
  bool elementwise_affine = true;
  bool bias = true;  ///< of no effect without elementwise_affine
};

/// y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, statistics over all the trailing dims `normalized_shape`.
///   x, y: (*, normalized_shape); weight (from 1), bias (from 0): normalized_shape
/// Variances are biased. Independent of the batch, the same in train and eval. A single normalized element gives the
/// bias and no gradient to x. Keras' and Flax's eps are 1e-3 and 1e-6.
/// Throws invalid_argument: an empty normalized_shape or sizes below 1; input that does not end in it.
/// Ba, Kiros & Hinton 2016, arXiv:1607.06450, equation 3.
class LayerNorm : public FusibleNorm {
 public:
  using Options = LayerNormOptions;
  explicit LayerNorm(const Shape& normalized_shape, Options options = {});
  explicit LayerNorm(std::int64_t size, Options options = {}) : LayerNorm(Shape{size}, options) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<LayerNorm>(normalized_shape, options);
  }
  Tensor forward_activated(const Tensor& x, const FusedActivation& activation) override;

  const Shape normalized_shape;
  const LayerNormOptions options;
  Tensor& weight;
  Tensor& bias;
};

struct LayerNorm2dOptions {
  double eps = 1e-6;  ///< timm's and detectron2's; LayerNorm's is 1e-5
  bool affine = true;
};

/// LayerNorm over the channels of each pixel of channels-first images, as ConvNeXt uses it:
///   y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, statistics over C
///   x, y: (N, C, H, W); weight (from 1), bias (from 0): (C)
/// Equals permuting to channels last, LayerNorm(C), and permuting back. GroupNorm(1, C) takes the statistics of the
/// whole sample instead.
/// Throws invalid_argument: wrong rank or C. Liu et al. 2022, arXiv:2201.03545.
class LayerNorm2d : public FusibleNorm {
 public:
  using Options = LayerNorm2dOptions;
  explicit LayerNorm2d(std::int64_t num_channels, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<LayerNorm2d>(num_channels, options);
  }
  Tensor forward_activated(const Tensor& x, const FusedActivation& activation) override;

  const std::int64_t num_channels;
  const LayerNorm2dOptions options;
  Tensor& weight;
  Tensor& bias;
};

}  // namespace evenkeel::nn
