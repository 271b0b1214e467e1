#include "evenkeel/nn/call.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/nn/parametrize.hpp"

#include <algorithm>

namespace evenkeel::nn::detail {

void ModuleHooks::remove(std::size_t id) {
  const auto erase = [id](auto& list) { std::erase_if(list, [id](const auto& entry) { return entry.first == id; }); };
  erase(forward_pre);
  erase(forward);
  erase(backward_pre);
  erase(backward);
}

// ---- Parametrized parameters

ParameterScope::ParameterScope(const Module& module) : module_(module) {
  if (module.running_ || module.computed_.empty()) {
    return;  // it calls itself, or has none
  }
  std::vector<Tensor> values;
  for (const Module::Computed& one : module.computed_) {
    require<StateError>(!one.entry->tensor.defined(), module.type_name(), "a tensor was assigned to '", one.entry->name,
                        "', which is parametrized; call set_parametrized");
    values.push_back(one.list->value());
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    module.computed_[i].entry->tensor = std::move(values[i]);
  }
  module.running_ = entered_ = true;
}

ParameterScope::~ParameterScope() {
  if (entered_) {
    for (const Module::Computed& one : module_.computed_) {
      one.entry->tensor = Tensor();
    }
    module_.running_ = false;
  }
}

void ParameterScope::commit() const {
  if (entered_) {
    for (const Module::Computed& one : module_.computed_) {
      one.list->commit();
    }
  }
}

// ---- Hooks

/// What a call and its backward know of each other.
struct HookedCall::Boundary {
  const Module* module = nullptr;
  std::weak_ptr<const ModuleHooks> alive;  ///< as long as the module
  ModuleHooks hooks;
  std::size_t inputs = 0, outputs = 0;
  std::vector<std::size_t> recorded_inputs, recorded_outputs;  ///< those that require gradients
  bool reached = false;                                        ///< the outputs' gradients are known
  std::vector<Tensor> grad_output;

  /// `recorded`, one for each of `indices`, among `count`.
  static std::vector<Tensor> spread(const std::vector<Tensor>& recorded, const std::vector<std::size_t>& indices,
                                    std::size_t count) {
    std::vector<Tensor> all(count);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      all[indices[i]] = recorded[i];
    }
    return all;
  }
  static std::vector<Tensor> gather(const std::vector<Tensor>& all, const std::vector<std::size_t>& indices) {
    std::vector<Tensor> some;
    some.reserve(indices.size());
    for (const std::size_t index : indices) {
      some.push_back(all[index]);
    }
    return some;
  }
  void check_alive() const {
    require<StateError>(!alive.expired(), "backward", "a module with backward hooks was destroyed before it");
  }
  void call_hooks(std::vector<Tensor>& grad_input) {
    for (const auto& [id, hook] : hooks.backward) {
      std::vector<Tensor> now = hook(*module, grad_input, grad_output);
      require(now.empty() || now.size() == grad_input.size(), module->type_name(),
              "Backward hook returned an invalid number of grad_input, got ", now.size(), ", but expected ",
              grad_input.size());
      grad_input = now.empty() ? grad_input : std::move(now);
    }
    reached = false;
    grad_output.clear();
  }
  Grads reach_outputs(const std::vector<Tensor>& dy) {
    check_alive();
    grad_output = spread(dy, recorded_outputs, outputs);
    for (const auto& [id, hook] : hooks.backward_pre) {
      std::vector<Tensor> now = hook(*module, grad_output);
      require(now.empty() || now.size() == outputs, module->type_name(),
              "Backward pre hook returned an invalid number of grad_output, got ", now.size(), ", but expected ",
              outputs);
      grad_output = now.empty() ? grad_output : std::move(now);
    }
    reached = true;
    Grads dx = gather(grad_output, recorded_outputs);
    if (recorded_inputs.empty()) {
      std::vector<Tensor> none(inputs);
      call_hooks(none);
      require(std::none_of(none.begin(), none.end(), [](const Tensor& grad) { return grad.defined(); }),
              module->type_name(),
              "Backward hook for Modules where no input requires gradient should always return None or None for all "
              "gradients");
    }
    return dx;
  }
  Grads reach_inputs(const std::vector<Tensor>& dy) {
    if (!reached) {
      return dy;  // a gradient that did not come through the outputs
    }
    check_alive();
    std::vector<Tensor> grad_input = spread(dy, recorded_inputs, inputs);
    call_hooks(grad_input);
    return gather(grad_input, recorded_inputs);
  }
};

namespace {

/// The identity of those of `tensors` that require gradients, whose numbers come into `recorded`.
void pass(std::vector<Tensor>& tensors, std::vector<std::size_t>& recorded, MultiBackward backward) {
  std::vector<Tensor> inputs;
  std::vector<Array> values;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (grad_enabled() && tensors[i].requires_grad()) {
      recorded.push_back(i);
      inputs.push_back(tensors[i]);
      values.push_back(tensors[i].array());
    }
  }
  if (recorded.empty()) {
    return;
  }
  const std::vector<Tensor> passed =
      record({.name = "backward_hook", .inputs = std::move(inputs)}, std::move(values), std::move(backward));
  for (std::size_t i = 0; i < recorded.size(); ++i) {
    tensors[recorded[i]] = passed[i];
  }
}

}  // namespace

HookedCall::HookedCall(const Module& module) : module_(module) {
  if (module.has_hooks()) {
    boundary_ = std::make_shared<Boundary>();
    boundary_->module = &module;
    boundary_->alive = module.hooks_;
    boundary_->hooks = *module.hooks_;
  }
}

HookedCall::~HookedCall() = default;

bool HookedCall::exchanges() const {
  return boundary_ != nullptr && !(boundary_->hooks.forward_pre.empty() && boundary_->hooks.backward_pre.empty() &&
                                   boundary_->hooks.backward.empty());
}

void HookedCall::enter(std::vector<Tensor>& inputs) {
  if (boundary_ == nullptr) {
    return;
  }
  for (const auto& [id, hook] : boundary_->hooks.forward_pre) {
    std::vector<Tensor> now = hook(module_, inputs);
    require(now.empty() || now.size() == inputs.size(), module_.type_name(), "a forward pre-hook must return ",
            inputs.size(), " tensors or none, got ", now.size());
    inputs = now.empty() ? inputs : std::move(now);
  }
  boundary_->inputs = inputs.size();
  if (!boundary_->hooks.backward_pre.empty() || !boundary_->hooks.backward.empty()) {
    pass(inputs, boundary_->recorded_inputs,
         [boundary = boundary_](const Saved&, const std::vector<Tensor>& dy) { return boundary->reach_inputs(dy); });
  }
  inputs_ = inputs;
}

void HookedCall::leave(std::vector<Tensor>& outputs) {
  if (boundary_ == nullptr) {
    return;
  }
  for (const auto& [id, hook] : boundary_->hooks.forward) {
    hook(module_, inputs_, outputs);
  }
  inputs_.clear();
  boundary_->outputs = outputs.size();
  if (!boundary_->hooks.backward_pre.empty() || !boundary_->hooks.backward.empty()) {
    pass(outputs, boundary_->recorded_outputs,
         [boundary = boundary_](const Saved&, const std::vector<Tensor>& dy) { return boundary->reach_outputs(dy); });
  }
}

}  // namespace evenkeel::nn::detail
