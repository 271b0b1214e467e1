#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

struct LayerScaleOptions {
  double init = 1e-5;          ///< start value; CaiT takes 0.1 for shallow networks
  bool channels_last = false;  ///< (*, C) instead of (N, C, *)
};

/// y = x gamma, per channel, at the end of a residual branch, which so begins near 0.
///   x, y: (N, C, *) or, with channels_last, (*, C); gamma: (C), timm's name
/// Throws invalid_argument: fewer than 2 dims (channels_last: 1); wrong C. Touvron et al. 2021, arXiv:2103.17239.
class LayerScale : public Layer {
 public:
  using Options = LayerScaleOptions;
  explicit LayerScale(std::int64_t num_channels, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<LayerScale>(num_channels, options);
  }
  Tensor forward(const Tensor& x) override;

  const std::int64_t num_channels;
  const LayerScaleOptions options;
  Tensor& gamma;
};

}  // namespace evenkeel::nn
