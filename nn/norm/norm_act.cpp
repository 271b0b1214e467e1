#include "evenkeel/nn/norm/norm_act.hpp"

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/ops/activation.hpp"

namespace evenkeel::nn {
namespace {

thread_local int apart = 0;

/// act(y), where norm(x, act) could not be one op just now.
Tensor run_apart(const Activation& act, const Tensor& y) {
  const struct Scope {
    Scope() { ++apart; }
    ~Scope() { --apart; }
  } scope;
  return act(y);
}

}  // namespace

bool detail::taken_apart() { return apart > 0; }

Tensor Activation::operator()(const Tensor& x) const {
  if (function_ != nullptr) {
    return function_(x);
  }
  if (with_parameter_ != nullptr) {
    return with_parameter_(x, parameter_);
  }
  return slot_ != nullptr ? (*slot_)(x) : (*layer_)(x);
}

std::optional<FusedActivation> Activation::form() const {
  if (function_ != nullptr) {
    return fused_form(function_);
  }
  if (with_parameter_ != nullptr) {
    return fused_form(with_parameter_, parameter_);
  }
  return layer_ == nullptr ? std::nullopt : layer_->fused();
}

std::optional<FusedActivation> Activation::fused() const {
  const bool seen_apart = anomaly_enabled() || (layer_ != nullptr && layer_->has_forward_hooks());
  return seen_apart ? std::nullopt : form();
}

std::optional<FusedActivation> Layer::fused() const { return std::nullopt; }

bool fuses(const Layer& norm, const Activation& act) {
  return !norm.has_forward_hooks() && act.fused() && dynamic_cast<const FusibleNorm*>(&norm) != nullptr;
}

Tensor Layer::operator()(const Tensor& x, const Activation& act) {
  return fuses(*this, act) ? dynamic_cast<FusibleNorm&>(*this).forward_activated(x, *act.fused())
                           : run_apart(act, (*this)(x));
}

Tensor Slot::operator()(const Tensor& x, const Activation& act) const {
  if (!fuses(*this, act)) {
    return run_apart(act, (*this)(x));
  }
  const NameScope scope(name_);
  return (*layer_)(x, act);
}

}  // namespace evenkeel::nn
