#pragma once

namespace evenkeel {

/// Up to two numbers that a unary op depends on (slope, lower and upper bound, exponent).
struct Scalars {
  double a = 0;
  double b = 0;
};

namespace kernels {

// One struct per unary op, value beside derivative: V is float, double or a SIMD batch of them. `f` is the value; `df`
// the derivative, as a function of the input, or of the output where kDerivativeOfOutput is true.
// The helper of this file (core/kernels/math.hpp) gives exp, log, tanh, erf, select ... for scalars and batches alike.

}  // namespace kernels
}  // namespace evenkeel
