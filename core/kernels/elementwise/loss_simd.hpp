#pragma once

#include "evenkeel/core/kernels/elementwise/loss.hpp"
#include "evenkeel/core/kernels/simd/double_sum.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"
#include "evenkeel/core/kernels/simd/math_xsimd.hpp"

namespace evenkeel::kernels {
namespace simd {

/// One loss's loops; values and gradient go over whole registers.
template <class Arch, class T, class F>
struct LossLoops {
  using L = Loop<Arch, T>;
  using V = typename L::V;

  static double sum(std::int64_t n, const T* x, const T* t, double number) {
    const V a(static_cast<T>(number));
    DoubleSum<Arch, T> sums[2];
    L::template each_chain<2>(n, [&](std::int64_t i, auto tag, int chain) {
      sums[chain].add(L::filled(F::f(L::load(x + i, tag), L::load(t + i, tag), a), tag));
    });
    sums[0].merge(sums[1]);
    return sums[0].total();
  }

  static void values(std::int64_t n, const T* x, const T* t, double number, T* y) {
    const V a(static_cast<T>(number));
    for (std::int64_t i = 0; i < n; i += L::kWidth) {
      F::f(V::load_unaligned(x + i), V::load_unaligned(t + i), a).store_unaligned(y + i);
    }
  }

  static void gradient(std::int64_t n, const T* dy, bool one_dy, const T* x, const T* t, double number, T* dx) {
    const V a(static_cast<T>(number));
    for (std::int64_t i = 0; i < n; i += L::kWidth) {
      const V g = one_dy ? V(*dy) : V::load_unaligned(dy + i);
      const V d = F::df(V::load_unaligned(x + i), V::load_unaligned(t + i), a);
      select(d == V(0), V(0), g * d).store_unaligned(dx + i);
    }
  }
};

template <class Arch, class T, class List>
struct LossTable;
template <class Arch, class T, class... F>
struct LossTable<Arch, T, OpList<F...>> {
  static constexpr decltype(&LossLoops<Arch, T, SquaredError>::sum) sum[] = {&LossLoops<Arch, T, F>::sum...};
  static constexpr decltype(&LossLoops<Arch, T, SquaredError>::values) values[] = {&LossLoops<Arch, T, F>::values...};
  static constexpr decltype(&LossLoops<Arch, T, SquaredError>::gradient) gradient[] = {
      &LossLoops<Arch, T, F>::gradient...};
};

}  // namespace simd

template <class Arch, class T>
double LossKernels<Arch, T>::sum(std::size_t op, std::int64_t n, const T* x, const T* t, double a) {
  return simd::LossTable<Arch, T, LossOps>::sum[op](n, x, t, a);
}

template <class Arch, class T>
void LossKernels<Arch, T>::values(std::size_t op, std::int64_t n, const T* x, const T* t, double a, T* y) {
  using L = simd::Loop<Arch, T>;
  L::table_loop(n, {{x}, {t}}, y, [&](std::int64_t count, const T* const* in, T* out) {
    simd::LossTable<Arch, T, LossOps>::values[op](count, in[0], in[1], a, out);
  });
}

template <class Arch, class T>
void LossKernels<Arch, T>::gradient(std::size_t op, std::int64_t n, const T* dy, bool one_dy, const T* x, const T* t,
                                    double a, T* dx) {
  using L = simd::Loop<Arch, T>;
  L::table_loop(n, {{dy, one_dy}, {x}, {t}}, dx, [&](std::int64_t count, const T* const* in, T* out) {
    simd::LossTable<Arch, T, LossOps>::gradient[op](count, in[0], one_dy, in[1], in[2], a, out);
  });
}

}  // namespace evenkeel::kernels
