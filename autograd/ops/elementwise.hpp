#pragma once

// How ops on every element of one tensor are recorded: a functor of core/kernels/elementwise for value and gradient,
// and the gradient once more in differentiable ops.

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/constant.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/elementwise.hpp"

#include <string_view>
#include <utility>

namespace evenkeel {

/// dx as a function of v, the input or the output, and dy, in differentiable ops.
using Twin = Tensor (*)(const Tensor& v, const Tensor& dy, const Scalars& s);

/// dx = dy F::df(v) in one pass; over dy where nobody else needs that.
template <class F>
inline Tensor fused_gradient(const Tensor& dy, const Tensor& v, const Scalars& s = {}) {
  if (!may_reuse(dy)) {
    return Tensor(map_gradient<F>(dy.array(), v.array(), s));
  }
  Array dx = dy.array();
  map_gradient_<F>(dx, v.array(), s);
  return Tensor(std::move(dx));
}

/// y = F::f(x), dx = dy F::df(v) with v the input or, by F::kDerivativeOfOutput, the output; one of them is kept.
/// `twin` is the same dx in differentiable ops.
template <class F>
inline Tensor elementwise(std::string_view op, const Tensor& x, Twin twin, const Scalars& s = {}) {
  check_float(op, x);
  constexpr bool kOfOutput = F::kDerivativeOfOutput;
  return record({.name = op, .inputs = {x}, .keep = kOfOutput ? Keep::output() : Keep::input(0)}, map<F>(x.array(), s),
                [twin, s](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor v = kOfOutput ? saved.output() : saved.input(0);
                  if (!grad_enabled()) {
                    return {fused_gradient<F>(dy, v, s)};
                  }
                  return {twin(v, dy, s)};
                });
}

/// Functions whose derivative is written in the input x, or in the output y.
template <class F>
inline Tensor of_input(std::string_view op, const Tensor& x, Twin twin, const Scalars& s = {}) {
  static_assert(!F::kDerivativeOfOutput);
  return elementwise<F>(op, x, twin, s);
}
template <class F>
inline Tensor of_output(std::string_view op, const Tensor& x, Twin twin, const Scalars& s = {}) {
  static_assert(F::kDerivativeOfOutput);
  return elementwise<F>(op, x, twin, s);
}

/// Piecewise constant functions: the gradient is 0 and nothing is kept.
template <class F>
inline Tensor steps(std::string_view op, const Tensor& x) {
  check_float(op, x);
  return record({.name = op, .inputs = {x}}, map<F>(x.array()),
                [](const Saved&, const Tensor& dy) -> Grads { return {zeros(dy.shape(), {.dtype = dy.dtype()})}; });
}

/// dy where the condition holds, else 0: selected, so that an infinite dy does not become NaN.
inline Tensor select_gradient(const Tensor& condition, const Tensor& dy) { return where(condition, dy, 0); }

/// a / b, 0 where b = 0. The divisor is replaced there, so that no 0 * inf arises in a second derivative either.
inline Tensor divide_or_zero(const Tensor& a, const Tensor& b) {
  const Tensor empty = eq(b, 0);
  return where(empty, 0, a / where(empty, 1, b));
}

/// y = F::f(x) in place. Where the derivative needs the input, that is copied first (no memory is saved then).
template <class F>
inline Tensor& elementwise_(std::string_view op, Tensor& x, Twin twin) {
  check_float(op, x);
  check_in_place(op, x);
  constexpr bool kOfOutput = F::kDerivativeOfOutput;
  const bool copy = !kOfOutput && grad_enabled() && x.requires_grad();
  const Tensor before = copy ? clone(x) : x;
  map_<F>(x.mutable_array());
  record_in_place({.name = op, .inputs = {before}, .keep = kOfOutput ? Keep::output() : Keep::input(0)}, x,
                  [twin](const Saved& saved, const Tensor& dy) -> Grads {
                    const Tensor v = kOfOutput ? saved.output() : saved.input(0);
                    if (!grad_enabled()) {
                      return {fused_gradient<F>(dy, v)};
                    }
                    return {twin(v, dy, {})};
                  });
  return x;
}

}  // namespace evenkeel
