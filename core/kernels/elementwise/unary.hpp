#pragma once

#include "evenkeel/core/kernels/elementwise/op_list.hpp"
#include "evenkeel/core/kernels/simd/math.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace evenkeel {

/// Up to two numbers that a unary op depends on (slope, lower and upper bound, exponent).
struct Scalars {
  double a = 0;
  double b = 0;
};

namespace kernels {

// One struct per unary op, value beside derivative; V is a SIMD batch of float or double. `f` is the value; `df` the
// derivative, as a function of the input, or of the output where kDerivativeOfOutput is true. An op with numbers takes
// Scalars::a and Scalars::b, broadcast, as further arguments. kName appears in errors. A new op is its struct and one
// word in UnaryOps.

struct OfInput {
  static constexpr bool kDerivativeOfOutput = false;
};
struct OfOutput {
  static constexpr bool kDerivativeOfOutput = true;
};
/// The derivative is finite everywhere.
struct BoundedSlope {};

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

/// y = tanh x,  y' = 1 - y^2
struct Tanh : OfOutput, BoundedSlope {
  static constexpr std::string_view kName = "tanh";
  template <class V>
  static V f(V x) {
    return math::tanh(x);
  }
  template <class V>
  static V df(V y) {
    return (V(1) - y) * (V(1) + y);
  }
};

/// y = s(x) = 1 / (1 + e^-x),  y' = y (1 - y)
struct Sigmoid : OfOutput, BoundedSlope {
  static constexpr std::string_view kName = "sigmoid";
  template <class V>
  static V f(V x) {
    return math::logistic(x);
  }
  template <class V>
  static V df(V y) {
    return y * (V(1) - y);
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

/// y = max(x, 0), NaN stays NaN,  y' = 1 where y > 0, else 0
struct Relu : OfOutput, BoundedSlope {
  static constexpr std::string_view kName = "relu";
  template <class V>
  static V f(V x) {
    return select(x <= V(0), V(0), x);
  }
  template <class V>
  static V df(V y) {
    return select(y <= V(0), V(0), V(1));
  }
};

/// y = x s(x),  y' = s(x) (1 + x (1 - s(x))),  s(x) = 1 / (1 + e^-x). The limits at -inf are taken (0), where PyTorch
/// gives NaN. arXiv:1702.03118
struct Silu : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "silu";
  template <class V>
  static V f(V x) {
    using T = typename V::value_type;
    return math::at_least(x, V(T(-1e4))) * math::logistic(x);
  }
  template <class V>
  static V df(V x) {
    using T = typename V::value_type;
    const V z = math::clamp(x, V(T(-1e4)), V(T(1e4)));
    const math::Complements<V> s = math::logistic_both(z);
    return fma(z, s.value * s.rest, s.value);
  }
};

/// y = x P(x),  y' = P(x) + x p(x),  P and p the standard normal distribution and density; for x > 0 P(x) is
/// 1 - P(-x). arXiv:1606.08415
struct Gelu : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "gelu";
  template <class V>
  static V f(V x) {
    const math::NormalTail<V> tail = math::normal_tail(x);
    return math::at_least(x, V(0)) - tail.z * tail.probability;
  }
  template <class V>
  static V df(V x) {
    const math::NormalTail<V> tail = math::normal_tail(x);
    return select(x < V(0), tail.slope, V(1) - tail.slope);
  }
};

/// y = x (1 + tanh u) / 2 = x s(2u),  u = sqrt(2 / pi) (x + 0.044715 x^3),  y' = s(2u) (1 + 2 x s(-2u) u')
struct GeluTanh : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "gelu";
  template <class V>
  static V twice_u(V x) {
    using T = typename V::value_type;
    return V(T(1.59576912160573071176)) * x * (V(1) + V(T(0.044715)) * x * x);
  }
  template <class V>
  static V f(V x) {
    using T = typename V::value_type;
    return math::at_least(x, V(T(-1e4))) * math::logistic(twice_u(x));
  }
  template <class V>
  static V df(V x) {
    using T = typename V::value_type;
    const V z = math::clamp(x, V(T(-1e4)), V(T(1e4)));
    const V v = twice_u(z);
    const V dv = V(T(1.59576912160573071176)) * (V(1) + V(T(0.134145)) * z * z);
    const math::Complements<V> s = math::logistic_both(v);
    return fma(z * dv, s.value * s.rest, s.value);
  }
};

/// y = x where x > 0, else a x,  y' = 1 or a
struct LeakyRelu : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "leaky_relu";
  template <class V>
  static V f(V x, V a, V) {
    return select(x > V(0), x, a * x);
  }
  template <class V>
  static V df(V x, V a, V) {
    return select(x > V(0), V(1), a);
  }
};

/// y = x where x > 0, else a (e^x - 1),  y' = 1 or a e^x. arXiv:1511.07289
struct Elu : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "elu";
  template <class V>
  static V f(V x, V a, V) {
    return select(x > V(0), x, a * math::expm1(x));
  }
  template <class V>
  static V df(V x, V a, V) {
    return select(x > V(0), V(1), a * math::exp(x));
  }
};

/// y = x clamp(x + 3, 0, 6) / 6,  y' = 0, (2x + 3) / 6 on [-3, 3], 1. arXiv:1905.02244
struct Hardswish : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "hardswish";
  template <class V>
  static V f(V x) {
    return select(x <= V(-3), V(0), select(x >= V(3), x, x * (x + V(3)) / V(6)));
  }
  template <class V>
  static V df(V x) {
    return select(x < V(-3), V(0), select(x > V(3), V(1), (x + x + V(3)) / V(6)));
  }
};

/// y = ln(1 + e^(a x)) / a, x itself where a x > b,  y' = s(a x) or 1
struct Softplus : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "softplus";
  template <class V>
  static V f(V x, V a, V b) {
    const V z = a * x;
    return select(z > b, x, math::softplus(z) / a);
  }
  template <class V>
  static V df(V x, V a, V b) {
    const V z = a * x;
    return select(z > b, V(1), math::logistic(z));
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

using UnaryOps =
    OpList<Exp, Log, Sqrt, Rsqrt, Abs, Neg, Square, Reciprocal, Sign, Tanh, Sigmoid, Erf, Relu, Silu, Gelu, GeluTanh,
           LeakyRelu, Elu, Hardswish, Softplus, Clamp, Pow, AddScalar, MulScalar, DivScalar, RsubScalar, RdivScalar>;

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
