#pragma once

#include "evenkeel/core/kernels/elementwise/loss.hpp"
#include "evenkeel/core/kernels/simd/batch.hpp"
#include "evenkeel/core/kernels/simd/double_sum.hpp"
#include "evenkeel/core/kernels/simd/math_simd.hpp"

namespace evenkeel::kernels {
namespace simd {

/// One loss's loops.
template <class Arch, class T, class F>
struct LossLoops {
  using V = Batch<Arch, T>;
  static constexpr std::int64_t kStep = kLanes<Arch, T>;

  static V load(const T* p, std::int64_t i, std::int64_t n) {
    return i + kStep <= n ? V::load_unaligned(p + i) : load_partial<Arch, T>(p + i, n - i, T(0));
  }
  static void store(V value, T* p, std::int64_t i, std::int64_t n) {
    if (i + kStep <= n) {
      value.store_unaligned(p + i);
    } else {
      store_partial<Arch, T>(value, p + i, n - i);
    }
  }

  static double sum(std::int64_t n, const T* x, const T* t, double number) {
    const V a(static_cast<T>(number));
    DoubleSum<Arch, T> sums[2];
    std::int64_t i = 0;
    for (; i + 2 * kStep <= n; i += 2 * kStep) {
      sums[0].add(F::f(V::load_unaligned(x + i), V::load_unaligned(t + i), a));
      sums[1].add(F::f(V::load_unaligned(x + i + kStep), V::load_unaligned(t + i + kStep), a));
    }
    for (; i < n; i += kStep) {
      alignas(64) T rest[kStep] = {};
      store_partial<Arch, T>(F::f(load(x, i, n), load(t, i, n), a), rest, n - i < kStep ? n - i : kStep);
      sums[0].add(V::load_aligned(rest));
    }
    sums[0].merge(sums[1]);
    return sums[0].total();
  }

  static void values(std::int64_t n, const T* x, const T* t, double number, T* y) {
    const V a(static_cast<T>(number));
    for (std::int64_t i = 0; i < n; i += kStep) {
      store(F::f(load(x, i, n), load(t, i, n), a), y, i, n);
    }
  }

  static void gradient(std::int64_t n, const T* dy, bool one_dy, const T* x, const T* t, double number, T* dx) {
    const V a(static_cast<T>(number));
    for (std::int64_t i = 0; i < n; i += kStep) {
      const V g = one_dy ? V(*dy) : load(dy, i, n);
      const V d = F::df(load(x, i, n), load(t, i, n), a);
      store(select(d == V(0), V(0), g * d), dx, i, n);
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
  simd::LossTable<Arch, T, LossOps>::values[op](n, x, t, a, y);
}

template <class Arch, class T>
void LossKernels<Arch, T>::gradient(std::size_t op, std::int64_t n, const T* dy, bool one_dy, const T* x, const T* t,
                                    double a, T* dx) {
  simd::LossTable<Arch, T, LossOps>::gradient[op](n, dy, one_dy, x, t, a, dx);
}

}  // namespace evenkeel::kernels
