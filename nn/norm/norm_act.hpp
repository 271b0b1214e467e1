#pragma once

#include "evenkeel/core/kernels/norm/views.hpp"
#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

/// A norm that can run the activation behind it in its own pass over memory.
class FusibleNorm : public Layer {
 public:
  Tensor forward(const Tensor& x) final { return forward_activated(x, {}); }
  /// activation(forward(x)) as one op; nothing of the activation's input is kept for backward.
  virtual Tensor forward_activated(const Tensor& x, const FusedActivation& activation) = 0;
};

/// act(norm(x)). One op where fuses(norm, act), under the norm's name in anomaly reports and errors; else both layers
/// one after the other. Forward gives the same bits either way with ReLU, the same up to rounding with others.
Tensor norm_act(const Slot& norm, const Slot& act, const Tensor& x);

/// Whether norm_act runs both as one: `norm` is a FusibleNorm, `act` a ReLU, LeakyReLU, SiLU or Hardswish, neither has
/// forward hooks (they see each layer's own output), and no AnomalyGuard lives (its report names the layer).
bool fuses(const Slot& norm, const Slot& act);

}  // namespace evenkeel::nn
