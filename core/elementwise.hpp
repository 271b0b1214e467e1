#pragma once

#include "evenkeel/core/array.hpp"
#include "evenkeel/core/kernels/elementwise/binary.hpp"
#include "evenkeel/core/kernels/elementwise/unary.hpp"

#include <cstddef>
#include <string_view>

namespace evenkeel {

// Elementwise work on Arrays. Broadcasting, strides, threads and the choice of instruction set are resolved here, once;
// the functors of core/kernels/elementwise/unary.hpp and binary.hpp know numbers only. Results are contiguous and new
// unless said.

namespace detail {
Array map(std::string_view name, std::size_t op, const Array& x, Scalars s);
Array map_gradient(std::string_view name, std::size_t op, const Array& dy, const Array& v, Scalars s);
void map_gradient_in_place(std::string_view name, std::size_t op, Array& dy, const Array& v, Scalars s);
void map_in_place(std::string_view name, std::size_t op, Array& x, Scalars s);
Array zip(std::string_view name, std::size_t op, const Array& a, const Array& b);
void zip_in_place(std::string_view name, std::size_t op, Array& a, const Array& b);
Array compare(std::string_view name, std::size_t op, const Array& a, const Array& b);
}  // namespace detail

/// y = F::f(x) for every element. x: float32 or float64.
template <class F>
Array map(const Array& x, Scalars s = {}) {
  return detail::map(F::kName, kernels::UnaryOps::index_of<F>(), x, s);
}

/// dx = dy * F::df(v), where v is the input x or, if F::kDerivativeOfOutput, the output y. Shapes equal. Where F::df is
/// 0, or infinite while dy is 0, dx is 0.
template <class F>
Array map_gradient(const Array& dy, const Array& v, Scalars s = {}) {
  return detail::map_gradient(F::kName, kernels::UnaryOps::index_of<F>(), dy, v, s);
}

/// The same over dy, which is contiguous.
template <class F>
void map_gradient_(Array& dy, const Array& v, Scalars s = {}) {
  detail::map_gradient_in_place(F::kName, kernels::UnaryOps::index_of<F>(), dy, v, s);
}

/// x = F::f(x) in place; x may be any view without overlap.
template <class F>
void map_(Array& x, Scalars s = {}) {
  detail::map_in_place(F::kName, kernels::UnaryOps::index_of<F>(), x, s);
}

/// F::f(a, b) over broadcast shapes; the dtypes must be equal (float32, float64 or int64).
/// Integer division by zero throws.
template <class F>
Array zip(const Array& a, const Array& b) {
  return detail::zip(F::kName, kernels::BinaryOps::index_of<F>(), a, b);
}

/// a = F::f(a, b); b broadcasts to a's shape, which must not change.
template <class F>
void zip_(Array& a, const Array& b) {
  detail::zip_in_place(F::kName, kernels::BinaryOps::index_of<F>(), a, b);
}

/// F::test(a, b) over broadcast shapes, as booleans; any equal dtypes.
template <class F>
Array compare(const Array& a, const Array& b) {
  return detail::compare(F::kName, kernels::CompareOps::index_of<F>(), a, b);
}

/// condition ? a : b over three broadcast shapes; selects, so an untaken NaN never leaks. condition: bool.
Array where(const Array& condition, const Array& a, const Array& b);

/// a += scale * b, shapes and dtypes equal; the accumulation of gradients and the heart of the optimizers.
void add_scaled_(Array& a, const Array& b, double scale = 1);

/// True if no element is NaN or infinite (integers: always).
bool all_finite(const Array& x);

}  // namespace evenkeel
