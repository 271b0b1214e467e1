#include "evenkeel/nn/child.hpp"

#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/core/thread_state.hpp"
#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {
namespace {

thread_local const Module* running_module = nullptr;
thread_local int apart = 0;

// With the NameScopes, which are relative to it.
[[maybe_unused]] const bool running_inherited =
    inherit_setting([]() -> std::function<void()> { return [module = running_module] { running_module = module; }; });

}  // namespace

// ---- Slot and Child

Slot::Slot(std::string name, std::unique_ptr<Module> module, const Module& owner)
    : name_(std::move(name)), owner_(owner), module_(std::move(module)), layer_(dynamic_cast<Layer*>(module_.get())) {
  require(module_ != nullptr, "Slot", "child '", path(), "' needs a layer, got nullptr");
  module_->place_ = this;
}

Slot::~Slot() = default;

std::string Slot::path(const Module* below) const {
  std::string names = name_;
  for (const Module* m = &owner_; m != below && m->place() != nullptr; m = &m->place()->owner()) {
    names.insert(0, m->place()->name() + ".");
  }
  return names;
}

Tensor Slot::operator()(const Tensor& x) const {
  if (layer_ == nullptr) {
    fail("Slot", "Module [", module_->type_name(),
         "] is missing the required \"forward\" function of one tensor (child '", path(), "')");
  }
  return run_at(*this, [&] { return (*layer_)(x); });
}

Tensor Slot::operator()(const Tensor& x, const Activation& act) const {
  if (!fuses(*this, act)) {
    return detail::run_apart(act, (*this)(x));
  }
  return run_at(*this, [&] { return (*layer_)(x, act); });
}

std::unique_ptr<Module> Slot::replace(std::unique_ptr<Module> module) {
  require(module != nullptr, "Slot::replace", "child '", path(), "' needs a layer, got nullptr");
  std::swap(module_, module);
  layer_ = dynamic_cast<Layer*>(module_.get());
  module_->place_ = this;
  module->place_ = nullptr;
  replaced_ = true;
  return module;
}

RunScope::RunScope(const Slot& slot) : slot_(slot), around_(std::exchange(running_module, &*slot)) {}
RunScope::~RunScope() { running_module = around_; }

void detail::fail_child(const Slot* slot, const std::type_info& expected) {
  if (slot == nullptr) {
    fail("Child", "this module has no such child, expected a ", class_name(expected));
  }
  fail("Child", "child '", slot->path(), "' is a ", (*slot)->type_name(), ", expected a ", class_name(expected));
}

// ---- Activation

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
  const bool seen_apart = anomaly_enabled() || (layer_ != nullptr && layer_->has_hooks());
  return seen_apart ? std::nullopt : form();
}

bool fuses(const Layer& layer, const Activation& act) {
  return !layer.has_hooks() && act.fused() && dynamic_cast<const FusibleNorm*>(&layer) != nullptr;
}

bool fuses(const Slot& slot, const Activation& act) { return slot.layer() != nullptr && fuses(*slot.layer(), act); }

Tensor detail::run_apart(const Activation& act, const Tensor& y) {
  const struct Scope {
    Scope() { ++apart; }
    ~Scope() { --apart; }
  } scope;
  return act(y);
}

bool detail::taken_apart() { return apart > 0; }

}  // namespace evenkeel::nn
