#pragma once

// What the functor of a unary op says of its derivative.

namespace evenkeel::kernels {

struct OfInput {
  static constexpr bool kDerivativeOfOutput = false;
};
struct OfOutput {
  static constexpr bool kDerivativeOfOutput = true;
};
/// The derivative is finite everywhere.
struct BoundedSlope {};

}  // namespace evenkeel::kernels
