#pragma once

#include "evenkeel/core/kernels/elementwise/unary.hpp"
#include "evenkeel/core/kernels/simd/batch.hpp"
#include "evenkeel/core/kernels/simd/math_simd.hpp"

namespace evenkeel::kernels {
namespace simd {

/// One functor's loops.
template <class Arch, class T, class F>
struct UnaryLoops {
  using V = Batch<Arch, T>;

  static V value(V x, V a, V b) {
    if constexpr (requires { F::f(x); }) {
      return F::f(x);
    } else {
      return F::f(x, a, b);
    }
  }

  /// The selects keep a gradient that does not pass from turning into NaN (0 * inf).
  static V slope(V dy, V v, V a, V b) {
    V d;
    if constexpr (requires { F::df(v); }) {
      d = F::df(v);
    } else {
      d = F::df(v, a, b);
    }
    if constexpr (std::is_base_of_v<BoundedSlope, F>) {
      return select(d == V(0), V(0), dy * d);
    } else {
      const V infinity(static_cast<T>(__builtin_inf()));
      return select((d == V(0)) | ((dy == V(0)) & (abs(d) == infinity)), V(0), dy * d);
    }
  }

  static void forward(std::int64_t n, const T* x, T* y, Scalars s) {
    const V a(static_cast<T>(s.a)), b(static_cast<T>(s.b));
    std::int64_t i = 0;
    for (; i + kLanes<Arch, T> <= n; i += kLanes<Arch, T>) {
      value(V::load_unaligned(x + i), a, b).store_unaligned(y + i);
    }
    if (i < n) {
      store_partial<Arch, T>(value(load_partial<Arch, T>(x + i, n - i, T(1)), a, b), y + i, n - i);
    }
  }

  static void gradient(std::int64_t n, const T* dy, const T* v, T* dx, Scalars s) {
    const V a(static_cast<T>(s.a)), b(static_cast<T>(s.b));
    std::int64_t i = 0;
    for (; i + kLanes<Arch, T> <= n; i += kLanes<Arch, T>) {
      slope(V::load_unaligned(dy + i), V::load_unaligned(v + i), a, b).store_unaligned(dx + i);
    }
    if (i < n) {
      const V rest_dy = load_partial<Arch, T>(dy + i, n - i, T(1));
      const V rest_v = load_partial<Arch, T>(v + i, n - i, T(1));
      store_partial<Arch, T>(slope(rest_dy, rest_v, a, b), dx + i, n - i);
    }
  }
};

template <class Arch, class T, class List>
struct UnaryTable;
template <class Arch, class T, class... F>
struct UnaryTable<Arch, T, OpList<F...>> {
  static constexpr decltype(&UnaryLoops<Arch, T, Neg>::forward) forward[] = {&UnaryLoops<Arch, T, F>::forward...};
  static constexpr decltype(&UnaryLoops<Arch, T, Neg>::gradient) gradient[] = {&UnaryLoops<Arch, T, F>::gradient...};
};

}  // namespace simd

template <class Arch, class T>
void UnaryKernels<Arch, T>::forward(std::size_t op, std::int64_t n, const T* x, T* y, Scalars s) {
  simd::UnaryTable<Arch, T, UnaryOps>::forward[op](n, x, y, s);
}

template <class Arch, class T>
void UnaryKernels<Arch, T>::gradient(std::size_t op, std::int64_t n, const T* dy, const T* v, T* dx, Scalars s) {
  simd::UnaryTable<Arch, T, UnaryOps>::gradient[op](n, dy, v, dx, s);
}

}  // namespace evenkeel::kernels
