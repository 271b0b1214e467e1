#include "evenkeel/autograd/ops/elementary.hpp"

#include "evenkeel/autograd/ops/elementwise.hpp"

#include <numbers>

namespace evenkeel {

/// exp' = exp
Tensor exp(const Tensor& x) {
  return of_output<kernels::Exp>("exp", x, [](const Tensor& y, const Tensor& dy, const Scalars&) { return dy * y; });
}

/// log' x = 1 / x
Tensor log(const Tensor& x) {
  return of_input<kernels::Log>("log", x, [](const Tensor& v, const Tensor& dy, const Scalars&) { return dy / v; });
}

/// sqrt' = 1 / (2 sqrt)
Tensor sqrt(const Tensor& x) {
  return of_output<kernels::Sqrt>("sqrt", x,
                                  [](const Tensor& y, const Tensor& dy, const Scalars&) { return dy / (y * 2); });
}

/// y = x^(-1/2);  y' = -y^3 / 2
Tensor rsqrt(const Tensor& x) {
  return of_output<kernels::Rsqrt>(
      "rsqrt", x, [](const Tensor& y, const Tensor& dy, const Scalars&) { return dy * (y * y * y * -0.5); });
}

/// |x|' = sign x
Tensor abs(const Tensor& x) {
  return of_input<kernels::Abs>("abs", x, [](const Tensor& v, const Tensor& dy, const Scalars&) {
    const Tensor zero = constant(0, v);
    return where(gt(v, zero), dy, where(lt(v, zero), -dy, zero));
  });
}

/// (x^2)' = 2 x
Tensor square(const Tensor& x) {
  return of_input<kernels::Square>("square", x,
                                   [](const Tensor& v, const Tensor& dy, const Scalars&) { return dy * (v * 2); });
}

/// y = 1 / x;  y' = -y^2
Tensor reciprocal(const Tensor& x) {
  return of_output<kernels::Reciprocal>(
      "reciprocal", x, [](const Tensor& y, const Tensor& dy, const Scalars&) { return -(dy * (y * y)); });
}

/// The largest integer up to x, the smallest from x on, the nearest (of two the even one): slope 0
Tensor floor(const Tensor& x) { return steps<kernels::Floor>("floor", x); }
Tensor ceil(const Tensor& x) { return steps<kernels::Ceil>("ceil", x); }
Tensor round(const Tensor& x) { return steps<kernels::Round>("round", x); }
Tensor sign(const Tensor& x) { return steps<kernels::Sign>("sign", x); }

/// sin' = cos
Tensor sin(const Tensor& x) {
  return of_input<kernels::Sin>("sin", x,
                                [](const Tensor& v, const Tensor& dy, const Scalars&) { return dy * cos(v); });
}

/// cos' = -sin
Tensor cos(const Tensor& x) {
  return of_input<kernels::Cos>("cos", x,
                                [](const Tensor& v, const Tensor& dy, const Scalars&) { return -(dy * sin(v)); });
}

/// log1p' x = 1 / (1 + x)
Tensor log1p(const Tensor& x) {
  return of_input<kernels::Log1p>("log1p", x,
                                  [](const Tensor& v, const Tensor& dy, const Scalars&) { return dy / (v + 1); });
}

/// expm1' = expm1 + 1
Tensor expm1(const Tensor& x) {
  return of_output<kernels::Expm1>("expm1", x,
                                   [](const Tensor& y, const Tensor& dy, const Scalars&) { return dy * (y + 1); });
}

/// erf' x = 2 / sqrt(pi) exp(-x^2)
Tensor erf(const Tensor& x) {
  return of_input<kernels::Erf>("erf", x, [](const Tensor& v, const Tensor& dy, const Scalars&) {
    return dy * (exp(-square(v)) * (2 * std::numbers::inv_sqrtpi));
  });
}

/// y = min(max(x, a), b);  y' = [a <= x <= b]
Tensor clamp(const Tensor& x, double min, double max) {
  return of_input<kernels::Clamp>("clamp", x,
                                  [](const Tensor& v, const Tensor& dy, const Scalars& s) {
                                    return select_gradient(ge(v, constant(s.a, v)),
                                                           select_gradient(le(v, constant(s.b, v)), dy));
                                  },
                                  {.a = min, .b = max});
}

}  // namespace evenkeel
