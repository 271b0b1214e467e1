#pragma once

#include "evenkeel/core/array.hpp"
#include "evenkeel/core/kernels/elementwise/row_function.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace evenkeel {

// Functions of each element of x and of a few numbers that its row shares, by the functors of
// core/kernels/elementwise/row_function.hpp. A row is `inner` neighbouring elements of the contiguous x, float32 or
// float64; a parameter of n elements (float64, or x's dtype) gives row r its element r % n, an undefined one the
// functor's default.

namespace detail {
struct RowFunction {
  std::size_t op;
  std::span<const double> defaults;  ///< one per parameter
};
Array row_function(const RowFunction& f, const Array& x, std::int64_t inner, std::span<const Array> parameters,
                   Array* kept);
void row_function_gradient(const RowFunction& f, const Array& x, std::int64_t inner, std::span<const Array> parameters,
                           const Array& kept, const Array& dy, Array& dx, std::span<Array> dp);
template <class F>
RowFunction row_function_of() {
  return {kernels::RowFunctions::index_of<F>(), F::kDefaults};
}
}  // namespace detail

/// y = F::f(x, p). `kept`, if not null, becomes what F leaves for its gradient (F::kKeeps).
template <class F>
Array row_function(const Array& x, std::int64_t inner, std::span<const Array> parameters, Array* kept = nullptr) {
  return detail::row_function(detail::row_function_of<F>(), x, inner, parameters, kept);
}

/// Writes the gradients into dx and dp, one for each parameter, leaving out those that are undefined. dx is contiguous
/// and may be dy.
template <class F>
void row_function_gradient(const Array& x, std::int64_t inner, std::span<const Array> parameters, const Array& kept,
                           const Array& dy, Array& dx, std::span<Array> dp) {
  detail::row_function_gradient(detail::row_function_of<F>(), x, inner, parameters, kept, dy, dx, dp);
}

}  // namespace evenkeel
