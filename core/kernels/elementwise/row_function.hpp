#pragma once

#include "evenkeel/core/kernels/elementwise/binary.hpp"
#include "evenkeel/core/kernels/elementwise/op_list.hpp"
#include "evenkeel/core/kernels/simd/math.hpp"

#include <cstddef>
#include <cstdint>

namespace evenkeel::kernels {

// Functions of an element x and of a few numbers p that its row shares: what composed norms do once their statistics
// are known. One struct per function, over SIMD batches V:
//   f(x, p, u): the value; it may leave in u what the gradient would have to compute again, kept if kKeeps.
//   df(x, u, dy, p, dp): the gradient to x; dp[k] becomes this element's part of the gradient to p[k].
// kDefaults are the p of parameters that are left out. If kCentred, x comes less p[0], with the digits of p[0] that T
// does not hold. A new function is its struct and one word in RowFunctions.

struct RowFunction {
  static constexpr bool kKeeps = false;
  static constexpr bool kCentred = false;
};

/// y = (x - m) w + b;  p = m, w, b
struct RowAffine : RowFunction {
  static constexpr std::size_t kParams = 3;
  static constexpr double kDefaults[kParams] = {0, 1, 0};
  static constexpr bool kCentred = true;
  template <class V>
  static V f(V xc, const V* p, V&) {
    return fma(xc, p[1], p[2]);
  }
  template <class V>
  static V df(V xc, V, V dy, const V* p, V* dp) {
    const V dx = dy * p[1];
    dp[0] = -dx;
    dp[1] = dy * xc;
    dp[2] = dy;
    return dx;
  }
};

/// y = u w + b,  u = tanh(a x),  u' = 1 - u^2;  p = a, w, b
struct RowTanh : RowFunction {
  static constexpr std::size_t kParams = 3;
  static constexpr double kDefaults[kParams] = {1, 1, 0};
  static constexpr bool kKeeps = true;
  template <class V>
  static V f(V x, const V* p, V& u) {
    u = math::tanh(p[0] * x);
    return fma(u, p[1], p[2]);
  }
  template <class V>
  static V df(V x, V u, V dy, const V* p, V* dp) {
    const V inner = TakeShare::f(dy * p[1], (V(1) - u) * (V(1) + u));
    dp[0] = TakeShare::f(x, inner);
    dp[1] = dy * u;
    dp[2] = dy;
    return inner * p[0];
  }
};

/// y = u w + b,  u = erf(z),  z = a x + s,  u' = 2 / sqrt(pi) e^(-z^2);  p = a, s, w, b
struct RowErf : RowFunction {
  static constexpr std::size_t kParams = 4;
  static constexpr double kDefaults[kParams] = {1, 0, 1, 0};
  static constexpr bool kKeeps = true;
  template <class V>
  static V z(V x, const V* p) {
    return fma(p[0], x, p[1]);
  }
  template <class V>
  static V f(V x, const V* p, V& u) {
    u = math::erf(z(x, p));
    return fma(u, p[2], p[3]);
  }
  template <class V>
  static V df(V x, V u, V dy, const V* p, V* dp) {
    using T = typename V::value_type;
    const V z2 = z(x, p) * z(x, p);
    const V inner = TakeShare::f(dy * p[2], V(T(1.12837916709551257390)) * math::exp(-z2));
    dp[0] = TakeShare::f(x, inner);
    dp[1] = inner;
    dp[2] = dy * u;
    dp[3] = dy;
    return inner * p[0];
  }
};

/// y = max(x w + b, tau), a tie shares the gradient;  p = w, b, tau
struct RowThreshold : RowFunction {
  static constexpr std::size_t kParams = 3;
  static constexpr double kDefaults[kParams] = {1, 0, -__builtin_inf()};
  template <class V>
  static V f(V x, const V* p, V&) {
    return Maximum::f(V(fma(x, p[0], p[1])), p[2]);
  }
  template <class V>
  static V df(V x, V, V dy, const V* p, V* dp) {
    const V z = fma(x, p[0], p[1]);
    const V dz = TakeShare::f(dy, MaximumShare::f(z, p[2]));
    dp[0] = dz * x;
    dp[1] = dz;
    dp[2] = TakeShare::f(dy, MaximumShare::f(p[2], z));
    return dz * p[0];
  }
};

/// y = x u w + b,  u = 1 / (1 + e^(-v x)),  u' = u (1 - u);  p = v, w, b
struct RowSwish : RowFunction {
  static constexpr std::size_t kParams = 3;
  static constexpr double kDefaults[kParams] = {1, 1, 0};
  static constexpr bool kKeeps = true;
  template <class V>
  static V f(V x, const V* p, V& u) {
    u = math::logistic(p[0] * x);
    return fma(x * u, p[1], p[2]);
  }
  template <class V>
  static V df(V x, V u, V dy, const V* p, V* dp) {
    const V xu = x * u;
    const V dz = dy * p[1] * (xu * (V(1) - u));
    dp[0] = dz * x;
    dp[1] = dy * xu;
    dp[2] = dy;
    return fma(dz, p[0], dy * p[1] * u);
  }
};

/// y = x / d w + b,  d = max(l, v x + r), a tie shares the gradient;  p = l, v, r, w, b
struct RowDivideByLarger : RowFunction {
  static constexpr std::size_t kParams = 5;
  static constexpr double kDefaults[kParams] = {1, 1, 0, 1, 0};
  template <class V>
  static V f(V x, const V* p, V&) {
    return fma(x / Maximum::f(p[0], V(fma(p[1], x, p[2]))), p[3], p[4]);
  }
  template <class V>
  static V df(V x, V, V dy, const V* p, V* dp) {
    const V right = fma(p[1], x, p[2]);
    const V reciprocal = V(1) / Maximum::f(p[0], right);
    const V quotient = x * reciprocal;
    const V dx = dy * p[3] * reciprocal;
    const V dd = -(dx * quotient);
    dp[0] = TakeShare::f(dd, MaximumShare::f(p[0], right));
    dp[2] = TakeShare::f(dd, MaximumShare::f(right, p[0]));
    dp[1] = dp[2] * x;
    dp[3] = dy * quotient;
    dp[4] = dy;
    return fma(dp[2], p[1], dx);
  }
};

using RowFunctions = OpList<RowAffine, RowTanh, RowErf, RowThreshold, RowSwish, RowDivideByLarger>;

inline constexpr std::size_t kMaxRowParams = 5;

/// A row's numbers, and what p[0] lacks in T.
template <class T>
struct RowNumbers {
  T p[kMaxRowParams];
  T low;
};

/// The SIMD side, per instruction set; `op` is an index into RowFunctions.
template <class Arch, class T>
struct RowFunctionKernels {
  static void forward(std::size_t op, std::int64_t n, const T* x, T* y, T* u, const RowNumbers<T>& row);
  static void gradient(std::size_t op, std::int64_t n, const T* x, const T* u, const T* dy, T* dx,
                       const RowNumbers<T>& row, double* sums);
};

/// y[i] = f(x[i], p) for the n elements of a row; u: of functions that keep it, or null.
template <class T>
void row_function(std::size_t op, std::int64_t n, const T* x, T* y, T* u, const RowNumbers<T>& row);
/// dx[i] = df, in sums[k] the sum of dp[k] over the row. dx may be null (not wanted), or dy.
template <class T>
void row_function_gradient(std::size_t op, std::int64_t n, const T* x, const T* u, const T* dy, T* dx,
                           const RowNumbers<T>& row, double* sums);

}  // namespace evenkeel::kernels
