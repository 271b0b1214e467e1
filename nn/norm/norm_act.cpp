#include "evenkeel/nn/norm/norm_act.hpp"

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/nn/activation.hpp"

#include <typeinfo>

namespace evenkeel::nn {
namespace {

/// What `layer` computes, none if that is nothing that a norm can take over. Classes derived from these may compute
/// something else.
FusedActivation fused_activation(const Module& layer) {
  const std::type_info& type = typeid(layer);
  if (type == typeid(ReLU)) {
    return {NormActivation::relu};
  }
  if (type == typeid(LeakyReLU)) {
    return {NormActivation::leaky_relu, static_cast<const LeakyReLU&>(layer).negative_slope};
  }
  if (type == typeid(SiLU)) {
    return {NormActivation::silu};
  }
  return {type == typeid(Hardswish) ? NormActivation::hardswish : NormActivation::none};
}

}  // namespace

bool fuses(const Slot& norm, const Slot& act) {
  return fused_activation(*act).f != NormActivation::none && dynamic_cast<const FusibleNorm*>(&*norm) != nullptr &&
         !norm->has_forward_hooks() && !act->has_forward_hooks() && !anomaly_enabled();
}

Tensor norm_act(const Slot& norm, const Slot& act, const Tensor& x) {
  if (!fuses(norm, act)) {
    return act(norm(x));
  }
  const NameScope scope(norm.name());
  return dynamic_cast<FusibleNorm&>(*norm).forward_activated(x, fused_activation(*act));
}

}  // namespace evenkeel::nn
