#pragma once

#include "evenkeel/core/kernels/elementwise/row_function.hpp"
#include "evenkeel/core/kernels/simd/batch.hpp"
#include "evenkeel/core/kernels/simd/math_simd.hpp"

namespace evenkeel::kernels {
namespace simd {

/// One function's loops.
template <class Arch, class T, class F>
struct RowLoops {
  using V = Batch<Arch, T>;
  static constexpr std::int64_t kWidth = kLanes<Arch, T>;
  /// Registers that one accumulator takes before it is emptied into a double.
  static constexpr std::int64_t kTerms = 32;

  /// The row's numbers in every lane.
  struct Row {
    V p[F::kParams];
    V low;

    explicit Row(const RowNumbers<T>& row) : low(row.low) {
      for (std::size_t k = 0; k < F::kParams; ++k) {
        p[k] = V(row.p[k]);
      }
    }
    V centred(V x) const { return F::kCentred ? (x - p[0]) - low : x; }
  };

  static void forward(std::int64_t n, const T* x, T* y, T* u, const RowNumbers<T>& numbers) {
    const Row row(numbers);
    V kept(T(0));
    std::int64_t i = 0;
    for (; i + kWidth <= n; i += kWidth) {
      F::f(row.centred(V::load_unaligned(x + i)), row.p, kept).store_unaligned(y + i);
      if (F::kKeeps && u) {
        kept.store_unaligned(u + i);
      }
    }
    if (i < n) {
      const V value = F::f(row.centred(load_partial<Arch, T>(x + i, n - i, x[0])), row.p, kept);
      store_partial<Arch, T>(value, y + i, n - i);
      if (F::kKeeps && u) {
        store_partial<Arch, T>(kept, u + i, n - i);
      }
    }
  }

  struct Sums {
    V p[F::kParams];

    Sums() { clear(); }
    void clear() {
      for (V& sum : p) {
        sum = V(T(0));
      }
    }
    void add(const V* terms) {
      for (std::size_t k = 0; k < F::kParams; ++k) {
        p[k] = p[k] + terms[k];
      }
    }
    void empty_into(double* sums) {
      for (std::size_t k = 0; k < F::kParams; ++k) {
        sums[k] += static_cast<double>(xsimd::hadd(p[k]));
      }
      clear();
    }
  };

  static void gradient(std::int64_t n, const T* x, const T* u, const T* dy, T* dx, const RowNumbers<T>& numbers,
                       double* sums) {
    const Row row(numbers);
    for (std::size_t k = 0; k < F::kParams; ++k) {
      sums[k] = 0;
    }
    V terms[F::kParams];
    const auto step = [&](std::int64_t i, Sums& into) {
      const V kept = F::kKeeps ? V::load_unaligned(u + i) : V(T(0));
      const V d = F::df(row.centred(V::load_unaligned(x + i)), kept, V::load_unaligned(dy + i), row.p, terms);
      if (dx) {
        d.store_unaligned(dx + i);
      }
      into.add(terms);
    };
    std::int64_t i = 0;
    while (i + kWidth <= n) {
      const std::int64_t steps = (n - i) / kWidth;
      const std::int64_t stop = i + (steps < 2 * kTerms ? steps : 2 * kTerms) * kWidth;
      Sums even, odd;
      for (; i + 2 * kWidth <= stop; i += 2 * kWidth) {
        step(i, even);
        step(i + kWidth, odd);
      }
      if (i < stop) {
        step(i, even);
        i += kWidth;
      }
      even.add(odd.p);
      even.empty_into(sums);
    }
    if (i < n) {
      const V kept = F::kKeeps ? load_partial<Arch, T>(u + i, n - i, u[0]) : V(T(0));
      const V d = F::df(row.centred(load_partial<Arch, T>(x + i, n - i, x[0])), kept,
                        load_partial<Arch, T>(dy + i, n - i, T(0)), row.p, terms);
      if (dx) {
        store_partial<Arch, T>(d, dx + i, n - i);
      }
      Sums rest;
      rest.add(terms);
      rest.empty_into(sums);
    }
  }
};

template <class Arch, class T, class List>
struct RowTable;
template <class Arch, class T, class... F>
struct RowTable<Arch, T, OpList<F...>> {
  static constexpr decltype(&RowLoops<Arch, T, RowAffine>::forward) forward[] = {&RowLoops<Arch, T, F>::forward...};
  static constexpr decltype(&RowLoops<Arch, T, RowAffine>::gradient) gradient[] = {&RowLoops<Arch, T, F>::gradient...};
};

}  // namespace simd

template <class Arch, class T>
void RowFunctionKernels<Arch, T>::forward(std::size_t op, std::int64_t n, const T* x, T* y, T* u,
                                          const RowNumbers<T>& row) {
  simd::RowTable<Arch, T, RowFunctions>::forward[op](n, x, y, u, row);
}

template <class Arch, class T>
void RowFunctionKernels<Arch, T>::gradient(std::size_t op, std::int64_t n, const T* x, const T* u, const T* dy, T* dx,
                                           const RowNumbers<T>& row, double* sums) {
  simd::RowTable<Arch, T, RowFunctions>::gradient[op](n, x, u, dy, dx, row, sums);
}

}  // namespace evenkeel::kernels
