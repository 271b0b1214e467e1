#pragma once

#include "evenkeel/core/kernels/elementwise/row_function.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"
#include "evenkeel/core/kernels/simd/math_simd.hpp"

namespace evenkeel::kernels {
namespace simd {

/// One function's loops.
template <class Arch, class T, class F>
struct RowLoops {
  using L = Loop<Arch, T>;
  using V = typename L::V;
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
    L::each(n, [&](std::int64_t i, auto tag) {
      V kept(T(0));
      L::store(y + i, F::f(row.centred(L::load(x + i, tag, x[0])), row.p, kept), tag);
      if (F::kKeeps && u) {
        L::store(u + i, kept, tag);
      }
    });
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
        sums[k] += static_cast<double>(lane_sum(p[k]));
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
    const auto step = [&](std::int64_t i, auto tag, Sums& into) {
      V terms[F::kParams];
      const V kept = F::kKeeps ? L::load(u + i, tag, u[0]) : V(T(0));
      const V d = F::df(row.centred(L::load(x + i, tag, x[0])), kept, L::load(dy + i, tag), row.p, terms);
      if (dx) {
        L::store(dx + i, d, tag);
      }
      into.add(terms);
    };
    constexpr std::int64_t kBlock = 2 * kTerms * L::kWidth;
    const std::int64_t whole = n - n % L::kWidth;
    for (std::int64_t begin = 0; begin < whole; begin += kBlock) {
      Sums chains[2];
      L::template each_whole<2>(whole - begin < kBlock ? whole - begin : kBlock,
                                [&](std::int64_t i, auto tag, int chain) { step(begin + i, tag, chains[chain]); });
      chains[0].add(chains[1].p);
      chains[0].empty_into(sums);
    }
    if (whole < n) {
      Sums rest;
      step(whole, Tail{n - whole}, rest);
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
