#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel {

// All broadcast (NumPy's rule). The dtypes of both sides must be equal; a number takes the tensor's dtype, and is
// refused where that is of integers and can't hold it (0.5; PyTorch would give float32).

Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
/// a^b elementwise; the gradient to b is 0 where a = 0 and b >= 0, as PyTorch's.
Tensor pow(const Tensor& a, const Tensor& b);
Tensor pow(const Tensor& a, double exponent);
Tensor maximum(const Tensor& a, const Tensor& b);  ///< NaN wins; at a tie each side gets half the gradient
Tensor minimum(const Tensor& a, const Tensor& b);
Tensor maximum(const Tensor& a, double b);
Tensor minimum(const Tensor& a, double b);
/// The angle of the point (b, a), in [-pi, pi]; gradient 0 at the origin.
Tensor atan2(const Tensor& a, const Tensor& b);
/// start + weight (end - start)
Tensor lerp(const Tensor& start, const Tensor& end, double weight);
Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight);
Tensor neg(const Tensor& x);

Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& x);
Tensor operator+(const Tensor& a, double b);
Tensor operator-(const Tensor& a, double b);
Tensor operator*(const Tensor& a, double b);
Tensor operator/(const Tensor& a, double b);
Tensor operator+(double a, const Tensor& b);
Tensor operator-(double a, const Tensor& b);
Tensor operator*(double a, const Tensor& b);
Tensor operator/(double a, const Tensor& b);

// In place; the result must have a's shape. See record_in_place for what is refused.
Tensor& add_(Tensor& a, const Tensor& b);
Tensor& sub_(Tensor& a, const Tensor& b);
Tensor& mul_(Tensor& a, const Tensor& b);
Tensor& div_(Tensor& a, const Tensor& b);
Tensor& add_(Tensor& a, double b);
Tensor& sub_(Tensor& a, double b);
Tensor& mul_(Tensor& a, double b);
Tensor& div_(Tensor& a, double b);
// The same: other handles of a and its views see the new values, and a leaf that requires gradients is refused.
Tensor& operator+=(Tensor& a, const Tensor& b);
Tensor& operator-=(Tensor& a, const Tensor& b);
Tensor& operator*=(Tensor& a, const Tensor& b);
Tensor& operator/=(Tensor& a, const Tensor& b);
Tensor& operator+=(Tensor& a, double b);
Tensor& operator-=(Tensor& a, double b);
Tensor& operator*=(Tensor& a, double b);
Tensor& operator/=(Tensor& a, double b);

// Comparisons give booleans and no gradient.
Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);
// With a number that x's dtype can't hold, as 0.5 beside integers, they compare in float64.
Tensor eq(const Tensor& x, double number);
Tensor ne(const Tensor& x, double number);
Tensor lt(const Tensor& x, double number);
Tensor le(const Tensor& x, double number);
Tensor gt(const Tensor& x, double number);
Tensor ge(const Tensor& x, double number);
/// condition ? a : b; the gradient is selected, not multiplied by a mask, so a NaN of the untaken side never leaks.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& condition, const Tensor& a, double b);
Tensor where(const Tensor& condition, double a, const Tensor& b);

/// Conversion between dtypes; differentiable between float32 and float64.
Tensor to(const Tensor& x, DType dtype);

}  // namespace evenkeel
