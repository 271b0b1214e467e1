#pragma once

#include "evenkeel/core/kernels/elementwise/activation.hpp"
#include "evenkeel/core/kernels/elementwise/elementary.hpp"

#include <cstddef>
#include <cstdint>

namespace evenkeel {

/// Up to two numbers that a unary op depends on (slope, lower and upper bound, exponent).
struct Scalars {
  double a = 0;
  double b = 0;
};

namespace kernels {

// One struct per unary op, value beside derivative, in elementary.hpp and activation.hpp; V is a SIMD batch of float or
// double. `f` is the value; `df` the derivative, as a function of the input, or of the output where
// kDerivativeOfOutput is true. An op with numbers takes Scalars::a and Scalars::b, broadcast, as further arguments.
// kName appears in errors. A new op is its struct and one word in the list at the end of its file.

using UnaryOps = JoinedOps<ElementaryOps, ActivationOps>;

/// The SIMD side, per instruction set; `op` is an index into UnaryOps.
template <class Arch, class T>
struct UnaryKernels {
  static void forward(std::size_t op, std::int64_t n, const T* x, T* y, Scalars s);
  static void gradient(std::size_t op, std::int64_t n, const T* dy, const T* v, T* dx, Scalars s);
};

/// y[i] = f(x[i]) for contiguous x and y, which may be the same array.
template <class T>
void unary(std::size_t op, std::int64_t n, const T* x, T* y, Scalars s);
/// dx[i] = dy[i] df(v[i]). Where df is 0, or dy is 0 and df infinite, dx is 0: a gradient that does not pass never
/// turns into NaN.
template <class T>
void unary_gradient(std::size_t op, std::int64_t n, const T* dy, const T* v, T* dx, Scalars s);

}  // namespace kernels
}  // namespace evenkeel
