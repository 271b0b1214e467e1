#pragma once

#include "evenkeel/core/kernels/elementwise/unary.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"
#include "evenkeel/core/kernels/simd/math_xsimd.hpp"

namespace evenkeel::kernels {
namespace simd {

/// One functor's loops, over whole registers.
template <class Arch, class T, class F>
struct UnaryLoops {
  using L = Loop<Arch, T>;
  using V = typename L::V;

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
    for (std::int64_t i = 0; i < n; i += L::kWidth) {
      value(V::load_unaligned(x + i), a, b).store_unaligned(y + i);
    }
  }

  static void gradient(std::int64_t n, const T* dy, const T* v, T* dx, Scalars s) {
    const V a(static_cast<T>(s.a)), b(static_cast<T>(s.b));
    for (std::int64_t i = 0; i < n; i += L::kWidth) {
      slope(V::load_unaligned(dy + i), V::load_unaligned(v + i), a, b).store_unaligned(dx + i);
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
  using L = simd::Loop<Arch, T>;
  L::table_loop(n, {{x}}, y, [&](std::int64_t count, const T* const* in, T* out) {
    simd::UnaryTable<Arch, T, UnaryOps>::forward[op](count, in[0], out, s);
  });
}

template <class Arch, class T>
void UnaryKernels<Arch, T>::gradient(std::size_t op, std::int64_t n, const T* dy, const T* v, T* dx, Scalars s) {
  using L = simd::Loop<Arch, T>;
  L::table_loop(n, {{dy}, {v}}, dx, [&](std::int64_t count, const T* const* in, T* out) {
    simd::UnaryTable<Arch, T, UnaryOps>::gradient[op](count, in[0], in[1], out, s);
  });
}

}  // namespace evenkeel::kernels
