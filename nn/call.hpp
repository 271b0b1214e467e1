#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <concepts>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

// What may hang on a module and comes with each of its calls, hooks and parametrized parameters: part of
// nn/module.hpp, whose call() puts it together.
namespace evenkeel::nn {

class Module;

/// Called after a module ran, with the tensors among its arguments and results: of a Layer one each.
using ForwardHook =
    std::function<void(const Module& module, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs)>;

/// A function of a module and lists of tensors. A list that it returns, of the same length, takes the place of the
/// first one; if it returns nothing or an empty list, it only looks.
template <class... Lists>
class ListHook {
 public:
  template <std::invocable<const Module&, const Lists&...> F>
  ListHook(F f) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, const Module&, const Lists&...>>) {
      f_ = [f = std::move(f)](const Module& module, const Lists&... lists) mutable {
        f(module, lists...);
        return std::vector<Tensor>();
      };
    } else {
      f_ = std::move(f);
    }
  }
  std::vector<Tensor> operator()(const Module& module, const Lists&... lists) const { return f_(module, lists...); }

 private:
  std::function<std::vector<Tensor>(const Module& module, const Lists&... lists)> f_;
};

/// Called before a module runs, with the tensors among its arguments, which it may replace.
using ForwardPreHook = ListHook<std::vector<Tensor>>;
/// Called with the gradients with respect to the tensors among a module's arguments, which it may replace, and among
/// its results.
using BackwardHook = ListHook<std::vector<Tensor>, std::vector<Tensor>>;
/// Called with the gradients with respect to the tensors among a module's results, which it may replace.
using BackwardPreHook = ListHook<std::vector<Tensor>>;

namespace detail {

/// Hooks in order of registration, with their numbers.
template <class Hook>
using Numbered = std::vector<std::pair<std::size_t, Hook>>;

/// All hooks of a module.
struct ModuleHooks {
  Numbered<ForwardPreHook> forward_pre;
  Numbered<ForwardHook> forward;
  Numbered<BackwardPreHook> backward_pre;
  Numbered<BackwardHook> backward;

  bool empty() const { return forward_pre.empty() && forward.empty() && backward_pre.empty() && backward.empty(); }
  void remove(std::size_t id);
};

/// Whether a T is a Tensor or consists of some: a list or a tuple.
template <class T>
constexpr bool holds_tensors() {
  if constexpr (std::same_as<T, Tensor>) {
    return true;
  } else if constexpr (requires { std::tuple_size<T>::value; }) {
    return []<std::size_t... i>(std::index_sequence<i...>) {
      return (holds_tensors<std::remove_cvref_t<std::tuple_element_t<i, T>>>() || ...);
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (requires(T & value) {
                         typename T::value_type;
                         value.begin();
                         value.end();
                       }) {
    return !std::same_as<T, typename T::value_type> && holds_tensors<typename T::value_type>();
  } else {
    return false;
  }
}

/// Calls f on each of the tensors that `value` consists of.
template <class T, class F>
void for_each_tensor(T& value, const F& f) {
  if constexpr (std::same_as<std::remove_const_t<T>, Tensor>) {
    f(value);
  } else if constexpr (!holds_tensors<std::remove_const_t<T>>()) {
  } else if constexpr (requires { std::tuple_size<T>::value; }) {
    std::apply([&](auto&... parts) { (for_each_tensor(parts, f), ...); }, value);
  } else {
    for (auto& part : value) {
      for_each_tensor(part, f);
    }
  }
}

template <class... Parts>
std::vector<Tensor> tensors_of(const Parts&... parts) {
  std::vector<Tensor> tensors;
  (for_each_tensor(parts, [&](const Tensor& tensor) { tensors.push_back(tensor); }), ...);
  return tensors;
}

/// Puts `by` in the place of the tensors that `parts` consist of.
template <class... Parts>
void exchange_tensors(const std::vector<Tensor>& by, Parts&... parts) {
  std::size_t next = 0;
  const auto exchange = [&](auto& tensor) {
    const Tensor& now = by[next++];
    if constexpr (std::is_const_v<std::remove_reference_t<decltype(tensor)>>) {
      require(tensor.is(now), "call", "hooks can't replace tensors of a constant list; give a vector");
    } else {
      tensor = now;
    }
  };
  (for_each_tensor(parts, exchange), ...);
}

/// While one lives, the parametrized parameters of a module's own are there: computed, in the graph.
class ParameterScope {
 public:
  explicit ParameterScope(const Module& module);
  ~ParameterScope();
  ParameterScope(const ParameterScope&) = delete;
  ParameterScope& operator=(const ParameterScope&) = delete;
  /// The module has its result: what computing moved is kept (Parametrization::commit).
  void commit() const;

 private:
  const Module& module_;
  bool entered_ = false;
};

/// The hooks around one call of a module: those that it had when the call began.
class HookedCall {
 public:
  explicit HookedCall(const Module& module);
  ~HookedCall();
  HookedCall(const HookedCall&) = delete;
  HookedCall& operator=(const HookedCall&) = delete;
  /// Whether forward and its caller may get other tensors than they gave.
  bool exchanges() const;
  /// What comes before forward; `inputs` become those that it is to get.
  void enter(std::vector<Tensor>& inputs);
  /// What comes behind it; `outputs` become those that the caller is to get.
  void leave(std::vector<Tensor>& outputs);

 private:
  struct Boundary;
  const Module& module_;
  std::shared_ptr<Boundary> boundary_;
  std::vector<Tensor> inputs_;
};

/// An argument on its way into forward: of one that holds tensors a copy, in which they can be exchanged.
template <class Arg>
using Exchangeable = std::conditional_t<holds_tensors<std::remove_cvref_t<Arg>>(), std::remove_cvref_t<Arg>, Arg&&>;

/// run(args...), with tensors that `inputs` names instead of theirs.
template <class Run, class... Args>
decltype(auto) run_with(const std::vector<Tensor>& inputs, const Run& run, Args&&... args) {
  std::tuple<Exchangeable<Args>...> own{std::forward<Args>(args)...};
  return std::apply(
      [&](auto&... parts) -> decltype(auto) {
        exchange_tensors(inputs, parts...);
        return run(static_cast<Args&&>(parts)...);
      },
      own);
}

}  // namespace detail

}  // namespace evenkeel::nn
