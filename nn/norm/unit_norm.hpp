#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

struct UnitNormOptions {
  double p = 2;  ///< at least 1; infinity: the largest absolute value
  std::int64_t dim = 1;
  double eps = 1e-12;
};

/// y = x / max(||x||_p, eps), the norm taken over one dim: for (N, C, H, W) and dim 1, each pixel's channels have
/// length 1. No parameters, the same in train and eval. The gradient is finite where x = 0 (1 / eps, as in PyTorch).
/// Throws invalid_argument: p < 1; eps < 0; x without that dim.
class UnitNorm : public Layer {
 public:
  using Options = UnitNormOptions;
  explicit UnitNorm(Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<UnitNorm>(options); }
  Tensor forward(const Tensor& x) override;

  const UnitNormOptions options;
};

}  // namespace evenkeel::nn
