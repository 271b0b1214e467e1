#pragma once

#include "core/array.hpp"
#include "core/kernels/binary.hpp"
#include "core/kernels/unary.hpp"

namespace evenkeel {

// Elementwise work on Arrays. Broadcasting, strides, threads and the choice of instruction set are resolved here, once;
// the functors of core/kernels/unary.hpp and binary.hpp know numbers only. Results are contiguous and new unless said.

/// y = F::f(x) for every element. x: float32 or float64.
template <class F>
Array map(const Array& x, Scalars s = {});

/// dx = dy * F::df(v), where v is the input x or, if F::kDerivativeOfOutput, the output y. Shapes equal.
template <class F>
Array map_gradient(const Array& dy, const Array& v, Scalars s = {});

/// x = F::f(x) in place; x may be any view without overlap.
template <class F>
void map_(Array& x, Scalars s = {});

/// F::f(a, b) over broadcast shapes; the dtypes must be equal (float32, float64 or int64).
template <class F>
Array zip(const Array& a, const Array& b);

/// a = F::f(a, b); b broadcasts to a's shape, which must not change.
template <class F>
void zip_(Array& a, const Array& b);

/// F::test(a, b) over broadcast shapes, as booleans; any equal dtypes.
template <class F>
Array compare(const Array& a, const Array& b);

/// condition ? a : b over three broadcast shapes; selects, so an untaken NaN never leaks. condition: bool.
Array where(const Array& condition, const Array& a, const Array& b);

/// a += scale * b, shapes and dtypes equal; the accumulation of gradients and the heart of the optimizers.
void add_scaled_(Array& a, const Array& b, double scale = 1);

/// True if no element is NaN or infinite (integers: always).
bool all_finite(const Array& x);

}  // namespace evenkeel
