#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel {

// Elementary functions of each element. float32 or float64; shapes are kept.

Tensor exp(const Tensor& x);
Tensor expm1(const Tensor& x);  ///< exp(x) - 1, right for small x, too
Tensor log(const Tensor& x);
Tensor log1p(const Tensor& x);  ///< log(1 + x), right for small x, too
Tensor sqrt(const Tensor& x);   ///< derivative inf at 0, as PyTorch's
Tensor rsqrt(const Tensor& x);  ///< 1 / sqrt(x)
Tensor abs(const Tensor& x);    ///< derivative 0 at 0
Tensor square(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor clamp(const Tensor& x, double min, double max);  ///< gradient passes where min <= x <= max

// Their derivative is 0; NaN stays NaN but in sign, and infinities and -0 stay what they are in the first three.
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);  ///< half to even
Tensor sign(const Tensor& x);   ///< -1, 0 or 1; 0 of NaN, as PyTorch's

}  // namespace evenkeel
