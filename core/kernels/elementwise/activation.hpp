#pragma once

#include "evenkeel/core/kernels/elementwise/op_list.hpp"
#include "evenkeel/core/kernels/elementwise/slope.hpp"
#include "evenkeel/core/kernels/simd/math.hpp"

#include <string_view>

// Activations; see unary.hpp for what a functor is.

namespace evenkeel::kernels {

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

/// y = x where x > 0, else a (e^(b x) - 1),  y' = 1 or a b e^(b x). arXiv:1511.07289; CELU, b = 1 / a: arXiv:1704.07483
struct Elu : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "elu";
  template <class V>
  static V f(V x, V a, V b) {
    return select(x > V(0), x, a * math::expm1(b * x));
  }
  template <class V>
  static V df(V x, V a, V b) {
    return select(x > V(0), V(1), a * b * math::exp(b * x));
  }
};

/// y = x t,  y' = t + x (1 - t^2) s(x),  t = tanh(ln(1 + e^x)), s(x) = 1 / (1 + e^-x), with limits as silu's.
/// arXiv:1908.08681
struct Mish : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "mish";
  /// t and 1 - t by e = e^-|x|, so that nothing overflows or cancels: with u = 1 / e for x < 0, else e, t is
  /// (u^2 + 2u) / (u^2 + 2u + 2) there and (1 + 2u) / (1 + 2u + 2u^2) here.
  template <class V>
  static math::Complements<V> tanh_of_softplus(V x, V e) {
    const V below = e * (e + V(2)), above = fma(V(2), e, V(1)), rest = V(2) * e * e;
    const V value = select(x < V(0), below, above), other = select(x < V(0), V(2), rest);
    const V r = V(1) / (value + other);
    return {value * r, other * r};
  }
  template <class V>
  static V f(V x) {
    using T = typename V::value_type;
    const V z = math::at_least(x, V(T(-1e4)));
    return z * tanh_of_softplus(z, math::exp(V(-abs(z)))).value;
  }
  template <class V>
  static V df(V x) {
    using T = typename V::value_type;
    const V z = math::clamp(x, V(T(-1e4)), V(T(1e4)));
    const V e = math::exp(V(-abs(z)));
    const math::Complements<V> t = tanh_of_softplus(z, e);
    const V s = select(z < V(0), e, V(1)) / (V(1) + e);
    return fma(z * t.rest * (V(1) + t.value), s, t.value);
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

/// y = clamp(x + 3, 0, 6) / 6,  y' = 1/6 on (-3, 3), else 0
struct Hardsigmoid : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "hardsigmoid";
  template <class V>
  static V f(V x) {
    return math::clamp(x + V(3), V(0), V(6)) / V(6);
  }
  template <class V>
  static V df(V x) {
    return select(abs(x) < V(3), V(1) / V(6), V(0));
  }
};

/// y = clamp(x, a, b),  y' = 0 where x <= a or x >= b, else 1
struct Hardtanh : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "hardtanh";
  template <class V>
  static V f(V x, V a, V b) {
    return math::clamp(x, a, b);
  }
  template <class V>
  static V df(V x, V a, V b) {
    return select((x <= a) | (x >= b), V(0), V(1));
  }
};

/// y = x / (1 + |x|),  y' = 1 / (1 + |x|)^2; +-1 at infinity, where PyTorch gives NaN
struct Softsign : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "softsign";
  template <class V>
  static V f(V x) {
    using T = typename V::value_type;
    const V z = math::clamp(x, V(T(-1e30)), V(T(1e30)));
    return z / (V(1) + abs(z));
  }
  template <class V>
  static V df(V x) {
    const V r = V(1) / (V(1) + abs(x));
    return r * r;
  }
};

/// y = ln s(x) = -ln(1 + e^-x),  y' = s(-x)
struct LogSigmoid : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "logsigmoid";
  template <class V>
  static V f(V x) {
    return -math::softplus(V(-x));
  }
  template <class V>
  static V df(V x) {
    return math::logistic(V(-x));
  }
};

/// y = x - a where x > a, x + a where x < -a, else 0,  y' = 0 where |x| <= a, else 1
struct Softshrink : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "softshrink";
  template <class V>
  static V f(V x, V a, V) {
    return x - math::clamp(x, -a, a);
  }
  template <class V>
  static V df(V x, V a, V) {
    return select(abs(x) <= a, V(0), V(1));
  }
};

/// y = 0 where |x| <= a, else x,  y' = 0 or 1
struct Hardshrink : OfInput, BoundedSlope {
  static constexpr std::string_view kName = "hardshrink";
  template <class V>
  static V f(V x, V a, V) {
    return select(abs(x) <= a, V(0), x);
  }
  template <class V>
  static V df(V x, V a, V) {
    return select(abs(x) <= a, V(0), V(1));
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

using ActivationOps = OpList<Tanh, Sigmoid, Relu, Silu, Gelu, GeluTanh, LeakyRelu, Elu, Mish, Hardswish, Hardsigmoid,
                             Hardtanh, Softsign, LogSigmoid, Softshrink, Hardshrink, Softplus>;

}  // namespace evenkeel::kernels
