#pragma once

#include "evenkeel/core/kernels/norm/views.hpp"
#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

/// A norm that can run the activation behind it in its own pass over memory: norm(x, nn::relu).
class FusibleNorm : public Layer {
 public:
  Tensor forward(const Tensor& x) final { return forward_activated(x, {}); }
  /// activation(forward(x)) as one op; nothing of the activation's input is kept for backward.
  virtual Tensor forward_activated(const Tensor& x, const FusedActivation& activation) = 0;
};

}  // namespace evenkeel::nn
