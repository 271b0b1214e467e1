#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

struct DynamicTanhOptions {
  double alpha = 0.5;  ///< start value
  bool affine = true;
  bool channels_last = false;  ///< (*, C) instead of (N, C, *)
};

/// What DynamicTanh and DynamicErf share: parameters and the affine part. No statistic at all: each element alone is
/// squashed, so batch, train and eval make no difference.
///   x, y: (N, C, *) or, with channels_last, (*, C); alpha: (1); weight (from 1), bias (from 0): (C)
/// Throws invalid_argument: fewer than 2 dims (channels_last: 1); wrong C.
class DynamicNormBase : public Layer {
 public:
  using Options = DynamicTanhOptions;
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

  const std::int64_t num_channels;
  const DynamicTanhOptions options;
  Tensor& alpha;
  Tensor& weight;
  Tensor& bias;

 protected:
  /// Elements that share their parameters; with channels_last there are none but alpha and shift.
  std::int64_t row_size(const Tensor& x) const;
  DynamicNormBase(std::string_view layer, std::int64_t num_channels, DynamicTanhOptions options);
  /// tanh(alpha x) or its like, times w plus b where they are defined.
  virtual Tensor squash(const Tensor& x, const Tensor& w, const Tensor& b) const = 0;
};

/// y = tanh(alpha x) * weight + bias; see DynamicNormBase. State names are the authors'.
/// Zhu et al. 2025, arXiv:2503.10622, equation 1.
class DynamicTanh : public DynamicNormBase {
 public:
  explicit DynamicTanh(std::int64_t num_channels, Options options = {})
      : DynamicNormBase("DynamicTanh", num_channels, options) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<DynamicTanh>(num_channels, options);
  }

 protected:
  Tensor squash(const Tensor& x, const Tensor& w, const Tensor& b) const override;
};

/// Derf: y = erf(alpha x + shift) * weight + bias; shift (from 0): (1); see DynamicNormBase. arXiv:2512.10938.
class DynamicErf : public DynamicNormBase {
 public:
  explicit DynamicErf(std::int64_t num_channels, Options options = {});
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<DynamicErf>(num_channels, options);
  }

  Tensor& shift;

 protected:
  Tensor squash(const Tensor& x, const Tensor& w, const Tensor& b) const override;
};

}  // namespace evenkeel::nn
