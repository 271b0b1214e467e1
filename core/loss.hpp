#pragma once

#include "evenkeel/core/array.hpp"
#include "evenkeel/core/kernels/elementwise/loss.hpp"

#include <cstddef>
#include <string_view>

namespace evenkeel {

// Losses of an input x and a target t, element by element, by the functors of core/kernels/elementwise/loss.hpp with
// their number a. x and t have equal shapes and dtypes, float32 or float64.

namespace detail {
double loss_sum(std::string_view name, std::size_t op, const Array& x, const Array& t, double a);
Array loss_values(std::string_view name, std::size_t op, const Array& x, const Array& t, double a);
Array loss_gradient(std::string_view name, std::size_t op, const Array& dy, const Array& x, const Array& t, double a);
}  // namespace detail

/// sum F::f(x, t), in double, blockwise: the same with any number of threads.
template <class F>
double loss_sum(const Array& x, const Array& t, double a) {
  return detail::loss_sum(F::kName, kernels::LossOps::index_of<F>(), x, t, a);
}

/// y = F::f(x, t)
template <class F>
Array loss_values(const Array& x, const Array& t, double a) {
  return detail::loss_values(F::kName, kernels::LossOps::index_of<F>(), x, t, a);
}

/// dx = dy F::df(x, t); dy has x's shape, or one element for all.
template <class F>
Array loss_gradient(const Array& dy, const Array& x, const Array& t, double a) {
  return detail::loss_gradient(F::kName, kernels::LossOps::index_of<F>(), dy, x, t, a);
}

}  // namespace evenkeel
