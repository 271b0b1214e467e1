#pragma once

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/kernels/norm/views.hpp"

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <typeinfo>
#include <utility>

// Where children stand, the handles on them, and what can stand behind a layer: part of nn/module.hpp, which completes
// the classes of here.
namespace evenkeel::nn {

class Layer;
class Module;
class Activation;

/// A place for a child. The place survives when the module in it is replaced, so neither a reference to it nor a Child
/// ever dangles while the parent lives (conversions such as BatchNorm to GroupNorm rely on that).
class Slot {
 public:
  Slot(std::string name, std::unique_ptr<Module> module, const Module& owner);
  ~Slot();
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  const std::string& name() const { return name_; }
  /// The module whose child this is.
  const Module& owner() const { return owner_; }
  /// The names from the outermost module, or from `below` if that is on the way, to here: "features.0.conv".
  std::string path(const Module* below = nullptr) const;
  Module& operator*() const { return *module_; }
  Module* operator->() const { return module_.get(); }
  /// The module as a Layer, null if it is none.
  Layer* layer() const { return layer_; }
  /// Runs the Layer here, in a RunScope. Throws for a module that is none.
  Tensor operator()(const Tensor& x) const;
  /// The same and `act` behind it; see Layer.
  Tensor operator()(const Tensor& x, const Activation& act) const;
  /// Puts another module here and returns the old one.
  std::unique_ptr<Module> replace(std::unique_ptr<Module> module);
  /// Whether it ever did.
  bool replaced() const { return replaced_; }

 private:
  std::string name_;
  const Module& owner_;
  std::unique_ptr<Module> module_;
  Layer* layer_;  ///< the module, if it is a Layer
  bool replaced_ = false;
};

/// While one lives, the module at `slot` runs: errors and anomaly reports name it, by its path from the module that
/// runs around it. So what lies between and does not run, such as a ModuleList, is named, too.
class RunScope : public NameScope {
 public:
  explicit RunScope(const Slot& slot);
  ~RunScope() override;

 private:
  std::string name() const override { return slot_.path(around_); }

  const Slot& slot_;
  const Module* around_;
};

/// run() in a RunScope: an Error that passes learns where.
template <class Run>
decltype(auto) run_at(const Slot& slot, const Run& run) {
  const RunScope scope(slot);
  try {
    return run();
  } catch (Error& error) {
    error.set_path(NameScope::path());
    throw;
  }
}

template <class M, class... Args>
decltype(auto) call(M& module, Args&&... args);

namespace detail {
[[noreturn]] void fail_child(const Slot* slot, const std::type_info& expected);

/// Whether these are what every Layer can be called with: x, or x and an activation.
template <class... Args>
inline constexpr bool layer_arguments = false;
template <class X>
inline constexpr bool layer_arguments<X> = std::convertible_to<X, const Tensor&>;
template <class X, class Act>
inline constexpr bool layer_arguments<X, Act> = layer_arguments<X>&& std::convertible_to<Act, const Activation&>;
}  // namespace detail

/// A handle on a child that was added as a T: cheap to copy, valid while the parent lives.
///   conv1(x)         runs the child under its name, with any arguments that T's forward takes
///   bn1(x, nn::relu) runs a norm and the activation behind it as one op; see Layer
///   conv1->weight    reaches into it
/// A Layer that took T's place (a GroupNorm after convert_bn_to_gn) is called just the same; `->` then throws, since it
/// is no T. Where other modules of other arguments may take turns, hold a Child of their common base.
template <class T>
class Child {
 public:
  /// No child, for parts that a model may lack: false, and calling it throws.
  Child() = default;
  explicit Child(Slot& slot) : slot_(&slot) {}
  template <std::derived_from<T> U>
  Child(const Child<U>& other) : slot_(other ? &other.slot() : nullptr) {}

  explicit operator bool() const { return slot_ != nullptr; }
  Slot& slot() const {
    if (slot_ == nullptr) {
      detail::fail_child(nullptr, typeid(T));
    }
    return *slot_;
  }
  T& operator*() const {
    auto* module = dynamic_cast<T*>(&*slot());
    if (module == nullptr) {
      detail::fail_child(slot_, typeid(T));
    }
    return *module;
  }
  T* operator->() const { return &**this; }
  template <class... Args>
  decltype(auto) operator()(Args&&... args) const {
    if constexpr (detail::layer_arguments<Args...> && (std::derived_from<T, Layer> || std::same_as<T, Module>)) {
      return slot()(args...);
    } else {
      T& module = **this;
      return run_at(*slot_, [&]() -> decltype(auto) { return call(module, std::forward<Args>(args)...); });
    }
  }
  Tensor operator()(const Tensor& x, const Activation& act) const { return slot()(x, act); }

 private:
  Slot* slot_ = nullptr;
};

/// What can stand behind a layer, norm(x, nn::relu): a function of one tensor, one with its parameter
/// ({nn::leaky_relu, 0.2}), a layer, or a child that holds one.
class Activation {
 public:
  Activation(Tensor (*function)(const Tensor& x)) : function_(function) {}
  Activation(Tensor (*function)(const Tensor& x, double parameter), double parameter)
      : with_parameter_(function), parameter_(parameter) {}
  Activation(Layer& layer) : layer_(&layer) {}
  Activation(Layer&& layer) : layer_(&layer) {}
  Activation(const Slot& slot) : layer_(slot.layer()), slot_(&slot) {}
  template <class T>
  Activation(const Child<T>& child) : Activation(child.slot()) {}

  Tensor operator()(const Tensor& x) const;
  /// What a norm can run in its op: nothing if it cannot, if the layer has hooks or an AnomalyGuard lives.
  std::optional<FusedActivation> fused() const;
  /// The same whatever hooks and guards there are.
  std::optional<FusedActivation> form() const;

 private:
  Tensor (*function_)(const Tensor&) = nullptr;
  Tensor (*with_parameter_)(const Tensor&, double) = nullptr;
  double parameter_ = 0;
  Layer* layer_ = nullptr;
  const Slot* slot_ = nullptr;
};

/// Whether layer(x, act) runs as one op: the layer is a FusibleNorm without hooks, and act.fused().
bool fuses(const Layer& layer, const Activation& act);
bool fuses(const Slot& slot, const Activation& act);

namespace detail {
/// act(y), where layer(x, act) could not be one op just now.
Tensor run_apart(const Activation& act, const Tensor& y);
/// Whether this thread is in run_apart().
bool taken_apart();
}  // namespace detail

}  // namespace evenkeel::nn
