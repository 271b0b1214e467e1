#pragma once

#include "evenkeel/autograd/node.hpp"

#include <any>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace evenkeel::autograd {

class FunctionContext;

namespace detail {
using Forward = std::function<Tensor(FunctionContext&, const std::vector<Tensor>&)>;
using Formula = std::function<Grads(FunctionContext&, const Tensor&)>;
Tensor apply_function(std::string_view name, const std::vector<Tensor>& inputs, bool twice_differentiable,
                      const Forward& forward, Formula backward);
}  // namespace detail

/// What a user-defined op hands from forward to backward.
class FunctionContext {
 public:
  /// Keeps tensors (inputs, the result, others) for backward; a later in-place change of one is noticed.
  void save_for_backward(std::vector<Tensor> tensors);
  /// The kept tensors, in the same order. Inputs and the result are attached to the graph.
  const std::vector<Tensor>& saved_tensors() const;
  /// needs_input_grad[i]: false where backward may return an undefined Tensor for input i.
  std::vector<bool> needs_input_grad;
  /// Anything else that backward wants to know.
  std::any data;

 private:
  friend Tensor detail::apply_function(std::string_view, const std::vector<Tensor>&, bool, const detail::Forward&,
                                       detail::Formula);
  std::string_view name_;
  std::vector<Tensor> saved_;
  std::vector<std::uint64_t> versions_;
};

/// Base of user-defined ops. Derive with the class itself as argument and give it a name and two static functions:
///   struct Cube : autograd::Function<Cube> {
///     static constexpr std::string_view name = "cube";
///     static Tensor forward(autograd::FunctionContext& ctx, const std::vector<Tensor>& inputs);
///     static Grads backward(autograd::FunctionContext& ctx, const Tensor& dy);
///   };
///   Tensor y = Cube::apply({x});
/// forward runs without recording. backward is differentiable again if it is written in differentiable ops; if it is
/// not, add `static constexpr bool twice_differentiable = false;`, so that asking for it is an error.
template <class Derived>
struct Function {
  static Tensor apply(const std::vector<Tensor>& inputs) {
    bool twice = true;
    if constexpr (requires { Derived::twice_differentiable; }) {
      twice = Derived::twice_differentiable;
    }
    return detail::apply_function(Derived::name, inputs, twice, &Derived::forward, &Derived::backward);
  }
};

}  // namespace evenkeel::autograd
