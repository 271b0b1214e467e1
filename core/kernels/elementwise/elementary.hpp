#pragma once

#include "evenkeel/core/kernels/elementwise/op_list.hpp"
#include "evenkeel/core/kernels/elementwise/slope.hpp"
#include "evenkeel/core/kernels/simd/math.hpp"

#include <string_view>

// Elementary functions and arithmetic with numbers; see unary.hpp for what a functor is.

namespace evenkeel::kernels {

/// y = e^x,  y' = y
struct Exp : OfOutput {
  static constexpr std::string_view kName = "exp";
  template <class V>
  static V f(V x) {
    return math::exp(x);
  }
  template <class V>
  static V df(V y) {
    return y;
  }
};

/// y = ln x,  y' = 1 / x
struct Log : OfInput {
  static constexpr std::string_view kName = "log";
  template <class V>
  static V f(V x) {
    return math::log(x);
  }
  template <class V>
  static V df(V x) {
    return V(1) / x;
  }
};

/// y = sqrt x,  y' = 1 / (2y)
struct Sqrt : OfOutput {
  static constexpr std::string_view kName = "sqrt";
  template <class V>
  static V f(V x) {
    return sqrt(x);
  }
  template <class V>
  static V df(V y) {
    return V(0.5) / y;
  }
};

/// y = 1 / sqrt x,  y' = -y^3 / 2
struct Rsqrt : OfOutput {
  static constexpr std::string_view kName = "rsqrt";
  template <class V>
  static V f(V x) {
    return V(1) / sqrt(x);
  }
  template <class V>
  static V df(V y) {
    return V(-0.5) * y * y * y;
  }
};

/// y = |x|,  y' = sign x (0 at 0)
struct Abs : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "abs";
  template <class V>
  static V f(V x) {
    return abs(x);
  }
  template <class V>
  static V df(V x) {
    return select(x > V(0), V(1), select(x < V(0), V(-1), V(0)));
  }
};

/// y = -x,  y' = -1
struct Neg : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "neg";
  template <class V>
  static V f(V x) {
    return -x;
  }
  template <class V>
  static V df(V) {
    return V(-1);
  }
};

/// y = x^2,  y' = 2x
struct Square : OfInput {
  static constexpr std::string_view kName = "square";
  template <class V>
  static V f(V x) {
    return x * x;
  }
  template <class V>
  static V df(V x) {
    return x + x;
  }
};

/// y = 1 / x,  y' = -y^2
struct Reciprocal : OfOutput {
  static constexpr std::string_view kName = "reciprocal";
  template <class V>
  static V f(V x) {
    return V(1) / x;
  }
  template <class V>
  static V df(V y) {
    return -(y * y);
  }
};

/// y = -1, 0 or 1 (0 for NaN, as PyTorch's),  y' = 0
struct Sign : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "sign";
  template <class V>
  static V f(V x) {
    return select(x > V(0), V(1), select(x < V(0), V(-1), V(0)));
  }
  template <class V>
  static V df(V) {
    return V(0);
  }
};

/// y = the largest integer <= x,  y' = 0
struct Floor : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "floor";
  template <class V>
  static V f(V x) {
    const V r = math::round(x);
    return select(r > x, r - V(1), r);
  }
  template <class V>
  static V df(V) {
    return V(0);
  }
};

/// y = the smallest integer >= x,  y' = 0
struct Ceil : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "ceil";
  template <class V>
  static V f(V x) {
    return -Floor::f(-x);
  }
  template <class V>
  static V df(V) {
    return V(0);
  }
};

/// y = the nearest integer, the even one of two,  y' = 0
struct Round : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "round";
  template <class V>
  static V f(V x) {
    return math::round(x);
  }
  template <class V>
  static V df(V) {
    return V(0);
  }
};

/// y = sin x,  y' = cos x
struct Sin : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "sin";
  template <class V>
  static V f(V x) {
    return math::sin(x);
  }
  template <class V>
  static V df(V x) {
    return math::cos(x);
  }
};

/// y = cos x,  y' = -sin x
struct Cos : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "cos";
  template <class V>
  static V f(V x) {
    return math::cos(x);
  }
  template <class V>
  static V df(V x) {
    return -math::sin(x);
  }
};

/// y = ln(1 + x),  y' = 1 / (1 + x)
struct Log1p : OfInput {
  static constexpr std::string_view kName = "log1p";
  template <class V>
  static V f(V x) {
    return math::log1p(x);
  }
  template <class V>
  static V df(V x) {
    return V(1) / (V(1) + x);
  }
};

/// y = e^x - 1,  y' = y + 1
struct Expm1 : OfOutput {
  static constexpr std::string_view kName = "expm1";
  template <class V>
  static V f(V x) {
    return select(x > V(64), math::exp(x), math::expm1(x));
  }
  template <class V>
  static V df(V y) {
    return y + V(1);
  }
};

/// y = erf x,  y' = 2 / sqrt(pi) e^(-x^2)
struct Erf : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "erf";
  template <class V>
  static V f(V x) {
    return math::erf(x);
  }
  template <class V>
  static V df(V x) {
    using T = typename V::value_type;
    return V(T(1.12837916709551257390)) * math::exp(-(x * x));
  }
};

/// y = min(max(x, a), b), NaN stays NaN,  y' = 1 where a <= x <= b, else 0
struct Clamp : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "clamp";
  template <class V>
  static V f(V x, V a, V b) {
    return math::clamp(x, a, b);
  }
  template <class V>
  static V df(V x, V a, V b) {
    return select((x >= a) & (x <= b), V(1), V(0));
  }
};

/// y = x^a with std::pow's special cases,  y' = a x^(a - 1), 0 if a = 0
struct Pow : OfInput {
  static constexpr std::string_view kName = "pow";
  template <class V>
  static V f(V x, V a, V) {
    return math::pow_uniform(x, a.get(0));
  }
  template <class V>
  static V df(V x, V a, V) {
    return a.get(0) == 0 ? V(0) : a * math::pow_uniform(x, a.get(0) - 1);
  }
};

/// y = x + a,  y' = 1
struct AddScalar : OfInput {
  static constexpr std::string_view kName = "add";
  template <class V>
  static V f(V x, V a, V) {
    return x + a;
  }
  template <class V>
  static V df(V, V, V) {
    return V(1);
  }
};

/// y = a x,  y' = a
struct MulScalar : OfInput {
  static constexpr std::string_view kName = "mul";
  template <class V>
  static V f(V x, V a, V) {
    return x * a;
  }
  template <class V>
  static V df(V, V a, V) {
    return a;
  }
};

/// y = x / a,  y' = 1 / a
struct DivScalar : OfInput {
  static constexpr std::string_view kName = "div";
  template <class V>
  static V f(V x, V a, V) {
    return x / a;
  }
  template <class V>
  static V df(V, V a, V) {
    return V(1) / a;
  }
};

/// y = a - x,  y' = -1
struct RsubScalar : OfInput {
  static constexpr std::string_view kName = "sub";
  template <class V>
  static V f(V x, V a, V) {
    return a - x;
  }
  template <class V>
  static V df(V, V, V) {
    return V(-1);
  }
};

/// y = a / x,  y' = -a / x^2
struct RdivScalar : OfInput {
  static constexpr std::string_view kName = "div";
  template <class V>
  static V f(V x, V a, V) {
    return a / x;
  }
  template <class V>
  static V df(V x, V a, V) {
    return -(a / x) / x;
  }
};

using ElementaryOps = OpList<Exp, Log, Sqrt, Rsqrt, Abs, Neg, Square, Reciprocal, Sign, Floor, Ceil, Round, Sin, Cos,
                             Log1p, Expm1, Erf, Clamp, Pow, AddScalar, MulScalar, DivScalar, RsubScalar, RdivScalar>;

}  // namespace evenkeel::kernels
