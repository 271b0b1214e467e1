#pragma once

#include <memory>
#include <vector>

#include "autograd/node.hpp"

namespace evenkeel::autograd {

/// What a user-defined op hands from forward to backward.
struct FunctionContext {
  /// Keeps tensors for backward; a later in-place change of one is noticed.
  void save_for_backward(std::vector<Tensor> tensors);
  std::vector<Tensor> saved_tensors() const;
  /// needs_input_grad[i]: false where backward may return an undefined Tensor for input i.
  std::vector<bool> needs_input_grad;

 private:
  std::vector<Tensor> saved_;
  std::vector<std::uint64_t> versions_;
};

/// Base of user-defined ops. Derive with the class itself as argument and give it two static functions:
///   struct Cube : autograd::Function<Cube> {
///     static constexpr std::string_view name = "cube";
///     static Tensor forward(FunctionContext& ctx, const std::vector<Tensor>& inputs);
///     static Grads backward(FunctionContext& ctx, const Tensor& dy);
///   };
///   Tensor y = Cube::apply({x});
/// forward runs without recording; backward is differentiable again if it is written in differentiable ops.
template <class Derived>
struct Function {
  static Tensor apply(const std::vector<Tensor>& inputs);
};

namespace detail {
Tensor apply_function(std::string_view name, const std::vector<Tensor>& inputs,
                      const std::function<Tensor(FunctionContext&, const std::vector<Tensor>&)>& forward,
                      const std::function<Grads(FunctionContext&, const Tensor&)>& backward);
}

template <class Derived>
Tensor Function<Derived>::apply(const std::vector<Tensor>& inputs) {
  return detail::apply_function(Derived::name, inputs, &Derived::forward, &Derived::backward);
}

}  // namespace evenkeel::autograd
