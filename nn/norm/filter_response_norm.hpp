#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

struct FilterResponseNormOptions {
  double eps = 1e-6;  ///< at least 0
  bool affine = true;
  bool tlu = true;         ///< the thresholded linear unit after it; without, the bias is all that keeps outputs alive
  bool learn_eps = false;  ///< eps + |learned_eps| instead of eps; the paper's way for 1x1 maps
};

/// y = max(x / sqrt(E[x^2] + eps) * weight + bias, tau): FRN with its activation, the thresholded linear unit (TLU).
///   x, y: (N, C, H, W); the mean per sample and channel over space; weight (from 1), bias (from 0), tau (from 0): (C);
///   learned_eps (from 1e-4): (1)
/// The mean is not subtracted. TLU takes the place of the ReLU that follows other norms; where the network brings its
/// own activation, tlu = false leaves it out. Independent of the batch, the same in train and eval. timm's eps is 1e-5.
/// A tie of the maximum shares the gradient evenly. Empty input is no error.
/// Throws invalid_argument: wrong rank or C. Singh & Krishnan 2019, arXiv:1911.09737, equations 1 to 3, section 3.
class FilterResponseNorm : public Layer {
 public:
  using Options = FilterResponseNormOptions;
  explicit FilterResponseNorm(std::int64_t num_channels, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<FilterResponseNorm>(num_channels, options);
  }
  Tensor forward(const Tensor& x) override;

  const std::int64_t num_channels;
  const FilterResponseNormOptions options;
  Tensor& weight;
  Tensor& bias;
  Tensor& tau;
  Tensor& learned_eps;
};

}  // namespace evenkeel::nn
