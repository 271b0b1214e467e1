#pragma once

#include "evenkeel/core/kernels/elementwise/op_list.hpp"
#include "evenkeel/core/kernels/simd/math.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace evenkeel::kernels {

// One struct per loss of an input x and a target t, both of one element: the value f and its derivative df by x; a is
// the loss's number.

/// y = d^2,  y' = 2d,  d = x - t
struct SquaredError {
  static constexpr std::string_view kName = "mse_loss";
  template <class V>
  static V f(V x, V t, V) {
    const V d = x - t;
    return d * d;
  }
  template <class V>
  static V df(V x, V t, V) {
    const V d = x - t;
    return d + d;
  }
};

/// y = |d|,  y' = sign d (0 at 0)
struct AbsoluteError {
  static constexpr std::string_view kName = "l1_loss";
  template <class V>
  static V f(V x, V t, V) {
    return abs(x - t);
  }
  template <class V>
  static V df(V x, V t, V) {
    const V d = x - t;
    return select(d > V(0), V(1), select(d < V(0), V(-1), V(0)));
  }
};

/// y = d^2 / 2a where |d| < a, else |d| - a / 2,  y' = d / a or sign d
struct SmoothAbsoluteError {
  static constexpr std::string_view kName = "smooth_l1_loss";
  template <class V>
  static V f(V x, V t, V a) {
    const V d = x - t;
    const V size = abs(d);
    return select(size < a, d * d * (V(0.5) / a), size - V(0.5) * a);
  }
  template <class V>
  static V df(V x, V t, V a) {
    const V d = x - t;
    return select(abs(d) < a, d * (V(1) / a), AbsoluteError::df(x, t, a));
  }
};

/// y = d^2 / 2 where |d| < a, else a (|d| - a / 2),  y' = d or a sign d
struct HuberError {
  static constexpr std::string_view kName = "huber_loss";
  template <class V>
  static V f(V x, V t, V a) {
    const V d = x - t;
    const V size = abs(d);
    return select(size < a, V(0.5) * d * d, a * (size - V(0.5) * a));
  }
  template <class V>
  static V df(V x, V t, V a) {
    const V d = x - t;
    return select(abs(d) < a, d, a * AbsoluteError::df(x, t, a));
  }
};

/// y = -t ln s(x) - (1 - t) ln(1 - s(x)) = x ([x > 0] - t) + ln(1 + e^-|x|),  y' = (1 - t) s(x) - t (1 - s(x)), both
/// without cancellation for t in [0, 1]; a factor of 0 takes nothing of an infinite x
struct LogisticCrossEntropy {
  static constexpr std::string_view kName = "binary_cross_entropy_with_logits";
  template <class V>
  static V f(V x, V t, V) {
    const V factor = select(x > V(0), V(1), V(0)) - t;
    return select(factor == V(0), V(0), x * factor) + math::softplus(V(-abs(x)));
  }
  template <class V>
  static V df(V x, V t, V) {
    const math::Complements<V> s = math::logistic_both(x);
    return (V(1) - t) * s.value - t * s.rest;
  }
};

/// y = -t ln x - (1 - t) ln(1 - x), logarithms at least -100,  y' = (x - t) / (x (1 - x)), a divisor of at least 1e-12
struct BinaryCrossEntropy {
  static constexpr std::string_view kName = "binary_cross_entropy";
  template <class V>
  static V f(V x, V t, V) {
    const V least = V(-100);
    return (t - V(1)) * math::at_least(V(math::log1p(V(-x))), least) - t * math::at_least(V(math::log(x)), least);
  }
  template <class V>
  static V df(V x, V t, V) {
    const V least = V(1e-12f);
    return (x - t) / math::at_least(V((V(1) - x) * x), least);
  }
};

/// y = t (ln t - x), 0 for t = 0,  y' = -t: x a log-probability, t a probability
struct KlDivergence {
  static constexpr std::string_view kName = "kl_div";
  template <class V>
  static V f(V x, V t, V) {
    return select(t == V(0), V(0), t * (math::log(t) - x));
  }
  template <class V>
  static V df(V, V t, V) {
    return -t;
  }
};

/// y = e^t (t - x), 0 for e^t = 0,  y' = -e^t: both log-probabilities
struct LogKlDivergence {
  static constexpr std::string_view kName = "kl_div";
  template <class V>
  static V f(V x, V t, V) {
    const V p = math::exp(t);
    return select(p == V(0), V(0), p * (t - x));
  }
  template <class V>
  static V df(V, V t, V) {
    return -math::exp(t);
  }
};

/// y = ln(1 + e^-tx),  y' = -t s(-tx)
struct SoftMargin {
  static constexpr std::string_view kName = "soft_margin_loss";
  template <class V>
  static V f(V x, V t, V) {
    return math::softplus(V(-t * x));
  }
  template <class V>
  static V df(V x, V t, V) {
    return -t * math::logistic(V(-t * x));
  }
};

/// y = e^x - t x,  y' = e^x - t: x the logarithm of a rate
struct LogPoisson {
  static constexpr std::string_view kName = "poisson_nll_loss";
  template <class V>
  static V f(V x, V t, V) {
    return math::exp(x) - t * x;
  }
  template <class V>
  static V df(V x, V t, V) {
    return math::exp(x) - t;
  }
};

/// y = x - t ln(x + a),  y' = 1 - t / (x + a): x a rate
struct Poisson {
  static constexpr std::string_view kName = "poisson_nll_loss";
  template <class V>
  static V f(V x, V t, V a) {
    return x - t * math::log(V(x + a));
  }
  template <class V>
  static V df(V x, V t, V a) {
    return V(1) - t / (x + a);
  }
};

using LossOps = OpList<SquaredError, AbsoluteError, SmoothAbsoluteError, HuberError, LogisticCrossEntropy,
                       BinaryCrossEntropy, KlDivergence, LogKlDivergence, SoftMargin, LogPoisson, Poisson>;

/// The SIMD side, per instruction set; `op` is an index into LossOps.
template <class Arch, class T>
struct LossKernels {
  static double sum(std::size_t op, std::int64_t n, const T* x, const T* t, double a);
  static void values(std::size_t op, std::int64_t n, const T* x, const T* t, double a, T* y);
  static void gradient(std::size_t op, std::int64_t n, const T* dy, bool one_dy, const T* x, const T* t, double a,
                       T* dx);
};

/// sum of f(x[i], t[i], a), in double
template <class T>
double loss_sum(std::size_t op, std::int64_t n, const T* x, const T* t, double a);
/// y[i] = f(x[i], t[i], a)
template <class T>
void loss_values(std::size_t op, std::int64_t n, const T* x, const T* t, double a, T* y);
/// dx[i] = dy[i] df(x[i], t[i], a), with one_dy dy[0] for all; 0 where df is 0.
template <class T>
void loss_gradient(std::size_t op, std::int64_t n, const T* dy, bool one_dy, const T* x, const T* t, double a, T* dx);

}  // namespace evenkeel::kernels
