#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace evenkeel::nn {

class Layer;
class Module;

/// (full name, value) pairs in PyTorch's state_dict order: own parameters, own buffers, then children depth first,
/// names joined by ".".
using StateDict = std::vector<std::pair<std::string, Array>>;

/// What load_state_dict found; with strict loading each of these is an error.
struct LoadReport {
  std::vector<std::string> missing, unexpected;
};

/// A place for a child layer. The place survives when the layer in it is replaced, so a member reference to it never
/// dangles (conversions such as BatchNorm to GroupNorm rely on that).
class Slot {
 public:
  Slot(std::string name, std::unique_ptr<Layer> layer);
  ~Slot();
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  const std::string& name() const { return name_; }
  Layer& operator*() const { return *layer_; }
  Layer* operator->() const { return layer_.get(); }
  /// Runs the layer, under its name for anomaly reports.
  Tensor operator()(const Tensor& x) const;
  /// The layer as a T; an error names both types.
  template <class T>
  T& as() const;
  /// Puts another layer here and returns the old one.
  std::unique_ptr<Layer> replace(std::unique_ptr<Layer> layer);

 private:
  std::string name_;
  std::unique_ptr<Layer> layer_;
};

/// Base of everything with named parameters, buffers and children. A derived class names each member once:
///   Tensor& weight = parameter("weight", Array::ones({8}));
///   Slot& conv1 = add<Conv2d>("conv1", 3, 32, generator, Conv2dOptions{.kernel_size = 3});
/// Members are references into the registry, so to(), load_state_dict() and replace() change what they see.
/// Not copyable, not movable.
class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// "BatchNorm2d"
  virtual std::string type_name() const = 0;
  /// What stands in the parentheses when the module is printed: "16, eps=1e-05, momentum=0.1".
  virtual std::string extra_repr() const { return ""; }

  bool training() const { return training_; }
  /// Sets the mode of this module and all below it. A frozen layer may override on_train to stay as it is.
  Module& train(bool mode = true);
  Module& eval() { return train(false); }

  /// A parameter that stands under several names (assign one member to another to tie them) is listed once, under the
  /// first; state_dict() lists it under all.
  std::vector<Tensor> parameters() const;
  std::vector<std::pair<std::string, Tensor>> named_parameters() const;
  std::vector<std::pair<std::string, Tensor>> named_buffers() const;
  /// This module under "" and everything below it, depth first.
  std::vector<std::pair<std::string, Module*>> named_modules();
  std::vector<std::pair<std::string, const Module*>> named_modules() const;
  /// Direct children.
  std::vector<Slot*> children();
  std::vector<const Slot*> children() const;
  /// The slot at a nested name ("features.0"); throws if there is none.
  Slot& child(const std::string& name);
  const Slot& child(const std::string& name) const;
  /// The parameter (buffer) at a nested name; throws if there is none.
  Tensor& get_parameter(const std::string& name);
  Tensor& get_buffer(const std::string& name);
  /// Number of parameter elements; only those that require a gradient if asked.
  std::int64_t num_parameters(bool trainable_only = false) const;

  /// Calls f on every module below this one, children first, then on this one.
  Module& apply(const std::function<void(Module&)>& f);
  /// Converts floating parameters, buffers and gradients. Handles stay the same, so an optimizer goes on working.
  Module& to(DType dtype);
  Module& requires_grad_(bool requires_grad = true);
  void zero_grad(bool set_to_none = true);

  /// Values share storage with the module (copy with clone() to keep them).
  StateDict state_dict() const;
  /// Copies values in. strict: missing, unexpected and misshapen keys are gathered and thrown as one error. Misshapen
  /// keys always are. A float value of another float dtype is an error (convert explicitly). When it throws, nothing
  /// has changed.
  LoadReport load_state_dict(const StateDict& state, bool strict = true);

  /// The random generators of the layers (dropout), as int64 [seed, counter] under the layers' names: what a checkpoint
  /// needs beyond state_dict() to go on bit for bit.
  StateDict generator_state() const;
  /// Throws, changing nothing, unless the names are exactly those of generator_state().
  void load_generator_state(const StateDict& state);

 protected:
  /// Registers a parameter (an undefined Array: registered, but never listed) and returns the place where it lives.
  /// Throws for an empty name, one with a dot, and one already taken.
  Tensor& parameter(const std::string& name, Array value);
  Tensor& buffer(const std::string& name, Array value);
  /// A buffer that files of older versions lack: loading one without it is no error and keeps the present value.
  Tensor& optional_buffer(const std::string& name, Array value);
  /// Registers a generator of this module's own, derived from `source`, which moves on: two layers never share numbers.
  Generator& generator(const std::string& name, Generator& source);
  /// Registers a child of type T made from `args`.
  template <class T, class... Args>
  Slot& add(const std::string& name, Args&&... args);
  Slot& add_layer(const std::string& name, std::unique_ptr<Layer> layer);
  /// Takes a child away again.
  void remove_child(const std::string& name);
  /// Called by load_state_dict with a copy of what is loaded: rewrites entries of older files that concern this module,
  /// whose names begin with `prefix` ("" or "features.0.").
  virtual void upgrade_state(const std::string& /*prefix*/, StateDict& /*state*/) const {}
  /// Called when the mode changes, before the children's.
  virtual void on_train(bool mode) { training_ = mode; }

  bool training_ = true;

 private:
  enum class Kind { parameter, buffer, optional_buffer };
  struct Entry {
    std::string name;
    Tensor tensor;
    Kind kind;
  };
  Entry& add_entry(const std::string& name, Array value, Kind kind, std::string_view what);
  void check_name(const std::string& name, std::string_view what) const;
  Entry& entry(const std::string& name, bool is_parameter);
  /// Calls f(name, entry) in the order of state_dict().
  void for_each_entry(const std::function<void(const std::string& name, const Entry& entry)>& f) const;

  std::list<Entry> entries_;
  std::list<std::pair<std::string, Generator>> generators_;
  std::list<Slot> slots_;
};

/// eval() for a scope; afterwards every module below has the mode that it had before.
class EvalGuard {
 public:
  explicit EvalGuard(Module& module);
  ~EvalGuard();
  EvalGuard(const EvalGuard&) = delete;
  EvalGuard& operator=(const EvalGuard&) = delete;

 private:
  std::vector<std::pair<Module*, bool>> before_;
};

/// Prints as PyTorch prints a module.
std::ostream& operator<<(std::ostream& out, const Module& module);

/// Called after a layer's forward with its input and output.
using ForwardHook = std::function<void(const Layer& layer, const Tensor& x, const Tensor& y)>;

/// A module of one input and one output.
class Layer : public Module {
 public:
  virtual Tensor forward(const Tensor& x) = 0;
  /// forward, then the hooks.
  Tensor operator()(const Tensor& x);
  /// Multiply-adds of one forward with this input and output shape, children not counted.
  virtual std::int64_t macs(const Shape& /*x*/, const Shape& /*y*/) const { return 0; }

  /// Hooks run in order of registration; the number is for remove_forward_hook.
  std::size_t register_forward_hook(ForwardHook hook);
  void remove_forward_hook(std::size_t id);
  bool has_forward_hooks() const { return !forward_hooks_.empty(); }

 private:
  std::vector<std::pair<std::size_t, ForwardHook>> forward_hooks_;
  std::size_t next_hook_ = 0;
};

template <class T, class... Args>
Slot& Module::add(const std::string& name, Args&&... args) {
  return add_layer(name, std::make_unique<T>(std::forward<Args>(args)...));
}

template <class T>
T& Slot::as() const {
  if (auto* typed = dynamic_cast<T*>(layer_.get())) {
    return *typed;
  }
  fail("Slot::as", "child '", name_, "' is a ", layer_->type_name(), ", not the type asked for");
}

}  // namespace evenkeel::nn
