#pragma once

#include "evenkeel/core/load_plan.hpp"
#include "evenkeel/nn/call.hpp"
#include "evenkeel/nn/child.hpp"

#include <concepts>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

namespace evenkeel::nn {

/// (full name, value) pairs in PyTorch's state_dict order: own parameters, own buffers, then children depth first,
/// names joined by ".". To a file it is NamedArrays (core/io/safetensors.hpp), of the same type.
using StateDict = std::vector<std::pair<std::string, Array>>;

/// What load_state_dict found; with strict loading each of these is an error.
struct LoadReport {
  std::vector<std::string> missing, unexpected;
};

class ParametrizationList;

namespace detail {
class Cloner;
struct Parametrizing;
}  // namespace detail

/// The name of a class without namespaces: "ReLU"; of a template over a number of dims, BatchNorm<2>: "BatchNorm2d".
std::string class_name(const std::type_info& type);

/// Base of everything with named parameters, buffers and children. A derived class names each member once:
///   Tensor& weight = parameter("weight", Array::ones({8}));
///   Child<Conv2d> conv1 = add<Conv2d>("conv1", 3, 32, generator, {.kernel_size = 3});
/// Members refer to the registry, so to(), load_state_dict() and replace() change what they see.
/// What has one input and one output derives from Layer; any other module has a forward of its own arguments, and runs
/// by its Child or call(). Not copyable, not movable; nn::clone makes a deep copy.
class Module {
 public:
  Module();
  virtual ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// "BatchNorm2d": the name of the class.
  virtual std::string type_name() const;
  /// What stands in the parentheses when the module is printed: "16, eps=1e-05, momentum=0.1".
  virtual std::string extra_repr() const { return ""; }
  /// As PyTorch prints it: all of the above and the children. What PyTorch does not say stands behind:
  /// "GroupNorm(8, 8, ...)  # " and the remarks.
  virtual std::string printed() const;
  /// What a reader would not see in it: "one channel per group, as InstanceNorm", "statistics frozen". See remarks().
  virtual std::string remark() const { return ""; }
  /// Multiply-adds of one forward with inputs and outputs of these shapes, children not counted.
  virtual std::int64_t macs(const std::vector<Shape>& /*inputs*/, const std::vector<Shape>& /*outputs*/) const {
    return 0;
  }

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
  /// Where this module stands; null for an outermost one.
  const Slot* place() const { return place_; }
  /// Direct children.
  std::vector<Slot*> children();
  std::vector<const Slot*> children() const;
  /// The same to iterate over.
  std::list<Slot>& slots() { return slots_; }
  /// The slot at a nested name ("features.0"); throws if there is none.
  Slot& child(const std::string& name);
  const Slot& child(const std::string& name) const;
  /// The same as a handle: child<Conv2d>("features.0")->weight.
  template <class T>
  Child<T> child(const std::string& name) {
    return Child<T>(child(name));
  }
  /// The parameter (buffer) at a nested name; throws if there is none.
  Tensor& get_parameter(const std::string& name);
  Tensor& get_buffer(const std::string& name);
  /// Number of parameter elements; only those that require a gradient if asked.
  std::int64_t num_parameters(bool trainable_only = false) const;

  /// Hooks run in order of registration; the number is for remove_hook. One that adds or removes hooks changes which
  /// run from the module's next call on.
  std::size_t register_forward_hook(ForwardHook hook) { return add_hook(hooks().forward, std::move(hook)); }
  std::size_t register_forward_pre_hook(ForwardPreHook hook) { return add_hook(hooks().forward_pre, std::move(hook)); }
  /// Called once per call of the module in every backward() or grad() that reaches its inputs, with one gradient per
  /// tensor among its arguments and results, whatever becomes of them inside: undefined for those that require none or
  /// were not used. The hooks are those that were registered when the module ran; it must still live. As PyTorch's,
  ///   - where no input requires a gradient, they are called as soon as the outputs' gradients are known, with
  ///     undefined grad_input, and must not return any;
  ///   - the module's forward gets, and its caller gets back, other handles on the same values. Changing one in place
  ///     is an error where another handle would see the change (PyTorch always refuses), else no part of the module.
  /// Seen are tensors and those in vectors, pairs and tuples. forward() must return its result by value.
  std::size_t register_full_backward_hook(BackwardHook hook) { return add_hook(hooks().backward, std::move(hook)); }
  /// Called before the hooks above, when the gradients of the outputs are known.
  std::size_t register_full_backward_pre_hook(BackwardPreHook hook) {
    return add_hook(hooks().backward_pre, std::move(hook));
  }
  /// Removes a hook of any kind.
  void remove_hook(std::size_t id) { hooks().remove(id); }
  void remove_forward_hook(std::size_t id) { remove_hook(id); }
  bool has_forward_hooks() const { return hooks_ != nullptr && !hooks_->forward.empty(); }
  /// Whether it has hooks of any kind.
  bool has_hooks() const { return hooks_ != nullptr && !hooks_->empty(); }

  /// Whether one of its own parameters is computed from others; see nn/parametrize.hpp.
  bool parametrized() const { return !computed_.empty(); }

  /// Calls f on every module below this one, children first, then on this one.
  Module& apply(const std::function<void(Module&)>& f);
  /// Converts floating parameters, buffers and gradients. Handles stay the same, so an optimizer goes on working; a
  /// backward() whose forward ran before the conversion throws, and changes no gradient.
  Module& to(DType dtype);
  Module& requires_grad_(bool requires_grad = true);
  void zero_grad(bool set_to_none = true);

  /// Values share storage with the module (copy with clone() to keep them).
  StateDict state_dict() const;
  /// Copies values in. strict: missing, unexpected and misshapen keys are gathered and thrown as one error. Misshapen
  /// keys always are, and different values for parameters that share memory (tied ones). A float value of another
  /// float dtype is an error (convert explicitly). When it throws, nothing has changed.
  LoadReport load_state_dict(const StateDict& state, bool strict = true);
  /// The checks of load_state_dict(); the plan writes, as long as the module keeps its parameters, buffers and dtype.
  LoadPlan plan_load_state_dict(const StateDict& state, bool strict = true, LoadReport* report = nullptr);

  /// The random generators of the layers (dropout), as int64 [seed, counter] under the layers' names: what a checkpoint
  /// needs beyond state_dict() to go on bit for bit.
  StateDict generator_state() const;
  /// Throws, changing nothing, unless the names are exactly those of generator_state().
  void load_generator_state(const StateDict& state) { plan_load_generator_state(state).commit(); }
  /// The checks of load_generator_state(); the plan writes.
  LoadPlan plan_load_generator_state(const StateDict& state);

 protected:
  /// Registers a parameter (an undefined Array: registered, but never listed) and returns the place where it lives.
  /// Throws for an empty name, one with a dot, and one already taken.
  Tensor& parameter(const std::string& name, Array value);
  Tensor& buffer(const std::string& name, Array value);
  /// A buffer that files of older versions lack: loading one without it is no error and keeps the present value.
  Tensor& optional_buffer(const std::string& name, Array value);
  /// Registers a generator of this module's own, derived from `source`, which moves on: two layers never share numbers.
  Generator& generator(const std::string& name, Generator& source);
  /// Registers a child of type T made from `args`; the last one, T's Options, may be braces:
  ///   add<Conv2d>("conv1", 3, 32, generator, {.kernel_size = 3, .padding = 1})
  template <class T, class... Args>
  Child<T> add(const std::string& name, Args&&... args) {
    return add(name, std::make_unique<T>(std::forward<Args>(args)...));
  }
  template <class T>
  Child<T> add(const std::string& name, typename T::Options options) {
    return add(name, std::make_unique<T>(std::move(options)));
  }
  template <class T, class A>
  Child<T> add(const std::string& name, A&& a, typename T::Options options) {
    return add(name, std::make_unique<T>(std::forward<A>(a), std::move(options)));
  }
  template <class T, class A, class B>
  Child<T> add(const std::string& name, A&& a, B&& b, typename T::Options options) {
    return add(name, std::make_unique<T>(std::forward<A>(a), std::forward<B>(b), std::move(options)));
  }
  template <class T, class A, class B, class C>
  Child<T> add(const std::string& name, A&& a, B&& b, C&& c, typename T::Options options) {
    return add(name,
               std::make_unique<T>(std::forward<A>(a), std::forward<B>(b), std::forward<C>(c), std::move(options)));
  }
  /// Registers a child that is made already.
  template <class T>
  Child<T> add(const std::string& name, std::unique_ptr<T> module) {
    return Child<T>(add_slot(name, std::move(module)));
  }
  /// Takes a child away again.
  void remove_child(const std::string& name);
  /// Called by load_state_dict with a copy of what is loaded: rewrites entries of older files that concern this module,
  /// whose names begin with `prefix` ("" or "features.0.").
  virtual void upgrade_state(const std::string& /*prefix*/, StateDict& /*state*/) const {}
  /// For nn::clone: a new module of this class, made by its constructor with this one's arguments and options. What it
  /// has of parameters, buffers and generators is overwritten then, and children are made to be as this one's. A
  /// generator that the constructor asks for may be unused_generator().
  ///   std::unique_ptr<nn::Module> clone_structure() const override { return std::make_unique<Net>(options); }
  virtual std::unique_ptr<Module> clone_structure() const;
  /// Called on a clone, of this class as `original` is: for state that is no parameter, buffer, generator, child or
  /// mode (the current one of several domains).
  virtual void on_clone(const Module& /*original*/) {}
  /// A generator for what is drawn in vain, one per thread.
  static Generator& unused_generator();
  /// Called when the mode changes, before the children's.
  virtual void on_train(bool mode) { training_ = mode; }

  bool training_ = true;

 private:
  enum class Kind { parameter, buffer, optional_buffer, computed };
  struct Entry {
    std::string name;
    Tensor tensor;
    Kind kind;
  };
  Entry& add_entry(const std::string& name, Array value, Kind kind, std::string_view what);
  void check_name(const std::string& name, std::string_view what) const;
  Entry& entry(const std::string& name, bool is_parameter);
  Slot& add_slot(const std::string& name, std::unique_ptr<Module> module);
  /// Calls f(name, entry) in the order of state_dict().
  void for_each_entry(const std::function<void(const std::string& name, const Entry& entry)>& f) const;

  /// A parameter that is computed: its entry, undefined while the module doesn't run, and what computes it.
  struct Computed {
    Entry* entry;
    ParametrizationList* list;
  };

  detail::ModuleHooks& hooks();
  template <class Hook>
  std::size_t add_hook(detail::Numbered<Hook>& list, Hook hook) {
    list.emplace_back(next_hook_, std::move(hook));
    return next_hook_++;
  }

  friend class Slot;  // tells its module where it stands
  friend class detail::Cloner;
  friend class detail::HookedCall;
  friend class detail::ParameterScope;
  friend struct detail::Parametrizing;
  const Slot* place_ = nullptr;
  std::list<Entry> entries_;
  std::list<std::pair<std::string, Generator>> generators_;
  std::list<Slot> slots_;
  std::vector<Computed> computed_;
  mutable bool running_ = false;                ///< with its computed parameters in place
  std::shared_ptr<detail::ModuleHooks> hooks_;  ///< null: none
  std::size_t next_hook_ = 0;
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

/// The module's remark(), and "parameters frozen" if it has some of its own and none requires a gradient.
std::string remarks(const Module& module);

/// module.printed().
std::string to_string(const Module& module);
std::ostream& operator<<(std::ostream& out, const Module& module);

/// A module of one input and one output, which can stand in a Sequential and take any other Layer's place.
class Layer : public Module {
 public:
  virtual Tensor forward(const Tensor& x) = 0;
  /// forward, then the hooks.
  Tensor operator()(const Tensor& x);
  /// act(layer(x)). A norm that can (a FusibleNorm) runs an activation that it can (see fused()) in its own op, unless
  /// one of them has forward hooks, which see each layer's own output, or an AnomalyGuard lives, whose report names the
  /// layer. Forward gives the same bits either way with ReLU, the same up to rounding with others.
  Tensor operator()(const Tensor& x, const Activation& act);
  /// What this layer is as an activation that a norm can run in its op; nothing of other layers. Not inherited by
  /// classes derived from one, whose forward may be another.
  virtual std::optional<FusedActivation> fused() const { return std::nullopt; }
};

/// A norm that can run the activation behind it in its own pass over memory: norm(x, nn::relu).
class FusibleNorm : public Layer {
 public:
  Tensor forward(const Tensor& x) final { return forward_activated(x, {}); }
  /// activation(forward(x)) as one op; nothing of the activation's input is kept for backward.
  virtual Tensor forward_activated(const Tensor& x, const FusedActivation& activation) = 0;
};

namespace detail {

/// call() of a module that has hooks or parametrized parameters.
template <class M, class... Args>
decltype(auto) call_watched(M& module, Args&&... args) {
  using Result = decltype(module.forward(std::forward<Args>(args)...));
  const auto run = [&module](auto&&... given) -> Result {
    return module.forward(std::forward<decltype(given)>(given)...);
  };
  const ParameterScope parameters(module);
  HookedCall hooks(module);
  require(!std::is_reference_v<Result> || !hooks.exchanges(), module.type_name(),
          "these hooks need a forward that returns its result by value");
  std::vector<Tensor> inputs = tensors_of(args...);
  hooks.enter(inputs);
  const auto forward = [&]() -> Result {
    return hooks.exchanges() ? run_with(inputs, run, std::forward<Args>(args)...) : run(std::forward<Args>(args)...);
  };
  if constexpr (std::is_void_v<Result>) {
    forward();
    parameters.commit();
    std::vector<Tensor> none;
    hooks.leave(none);
  } else {
    Result result = forward();
    parameters.commit();
    std::vector<Tensor> outputs = tensors_of(result);
    hooks.leave(outputs);
    if constexpr (!std::is_reference_v<Result>) {
      if (hooks.exchanges()) {
        exchange_tensors(outputs, result);
      }
    }
    return result;
  }
}

}  // namespace detail

/// module.forward(args...) and around it what hangs on the module, hooks and parametrizations: the way to run a model
/// that is no Layer. An Error that passes gets the module's name.
template <class M, class... Args>
decltype(auto) call(M& module, Args&&... args) try {
  if (!module.has_hooks() && !module.parametrized()) {
    return module.forward(std::forward<Args>(args)...);
  }
  return detail::call_watched(module, std::forward<Args>(args)...);
} catch (Error& error) {
  error.set_layer(module.type_name());
  throw;
}

}  // namespace evenkeel::nn
