#pragma once

#include "evenkeel/nn/module.hpp"

#include <optional>

namespace evenkeel::nn {

struct RMSNormOptions {
  std::optional<double> eps = {};  ///< nullopt: the machine epsilon of the input's dtype, PyTorch's default
  bool elementwise_affine = true;
};

/// y = x / sqrt(E[x^2] + eps) * weight, the mean over all the trailing dims `normalized_shape`.
///   x, y: (*, normalized_shape); weight (from 1): normalized_shape
/// The mean is not subtracted and there is no bias: a constant row keeps its sign. A row of zeros gives zeros, and the
/// gradient dy weight / sqrt(eps). PyTorch has it since 2.4; MLX's eps is 1e-5, Keras' and timm's 1e-6.
/// Throws invalid_argument: an empty normalized_shape or sizes below 1; input that does not end in it.
/// Zhang & Sennrich 2019, arXiv:1910.07467, equation 4.
class RMSNorm : public FusibleNorm {
 public:
  using Options = RMSNormOptions;
  explicit RMSNorm(const Shape& normalized_shape, Options options = {});
  explicit RMSNorm(std::int64_t size, Options options = {}) : RMSNorm(Shape{size}, options) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<RMSNorm>(normalized_shape, options);
  }
  Tensor forward_activated(const Tensor& x, const FusedActivation& activation) override;

  const Shape normalized_shape;
  const RMSNormOptions options;
  Tensor& weight;
};

struct RMSNorm2dOptions {
  double eps = 1e-6;  ///< timm's
  bool affine = true;
};

/// RMSNorm over the channels of each pixel of channels-first images:
///   y = x / sqrt(E[x^2] + eps) * weight, the mean over C;  x, y: (N, C, H, W); weight (from 1): (C)
/// Throws invalid_argument: wrong rank or C.
class RMSNorm2d : public FusibleNorm {
 public:
  using Options = RMSNorm2dOptions;
  explicit RMSNorm2d(std::int64_t num_channels, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<RMSNorm2d>(num_channels, options);
  }
  Tensor forward_activated(const Tensor& x, const FusedActivation& activation) override;

  const std::int64_t num_channels;
  const RMSNorm2dOptions options;
  Tensor& weight;
};

}  // namespace evenkeel::nn
