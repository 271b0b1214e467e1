#pragma once

#include "evenkeel/core/kernels/reduce/reduce.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"
#include "evenkeel/core/kernels/simd/math_simd.hpp"

namespace evenkeel::kernels {
namespace simd {

/// Accumulators of one result per lane.
template <class Arch, class F>
struct Accumulator {
  using V = Batch<Arch, double>;
  V terms[F::kTerms];

  Accumulator() {
    for (V& term : terms) {
      term = V(F::kIdentity);
    }
  }
  void add(V x, V m) {
    terms[0] = F::Merge::f(terms[0], V(F::template term<0>(x, m)));
    if constexpr (F::kTerms == 2) {
      terms[1] = F::Merge::f(terms[1], V(F::template term<1>(x, m)));
    }
  }
  void merge(const Accumulator& other) {
    for (int k = 0; k < F::kTerms; ++k) {
      terms[k] = F::Merge::f(terms[k], other.terms[k]);
    }
  }
};

/// One reduction's loops. Everything runs in lanes of doubles.
template <class Arch, class T, class F>
struct Reduction {
  using L = Loop<Arch, double>;
  using V = typename L::V;
  using Acc = Accumulator<Arch, F>;
  static constexpr std::int64_t kStep = L::kWidth;
  static constexpr std::int64_t kNarrow = 32;  // fewer columns are folded into a wider matrix
  static constexpr std::int64_t kWide = 64;
  static constexpr std::int64_t kRows = 8;  // per read and write of the results of columns

  static double number(ReduceTarget target, std::int64_t i) { return target.m == nullptr ? 0 : target.m[i]; }

  /// Up to kStep elements, `step` apart; the other lanes are zero.
  static V load(const T* x, std::int64_t count, std::int64_t step) {
    if (count < kStep) {
      return load_few(x, count, step);
    }
    alignas(V) double lanes[kStep];
    for (std::int64_t i = 0; i < kStep; ++i) {
      lanes[i] = static_cast<double>(x[i * step]);
    }
    return V::load_aligned(lanes);
  }
  [[gnu::noinline]] static V load_few(const T* x, std::int64_t count, std::int64_t step) {
    alignas(V) double lanes[kStep] = {};
    for (std::int64_t i = 0; i < count; ++i) {
      lanes[i] = static_cast<double>(x[i * step]);
    }
    return V::load_aligned(lanes);
  }

  /// Merges the first `count` lanes into one number.
  static double merge_lanes(V value, std::int64_t count) {
    alignas(64) double lanes[kStep];
    value.store_aligned(lanes);
    double result = lanes[0];
    for (std::int64_t i = 1; i < count; ++i) {
      result = merge_numbers(result, lanes[i]);
    }
    return result;
  }

  static double merge_numbers(double a, double b) {
    if constexpr (std::is_same_v<typename F::Merge, Add>) {
      return a + b;
    } else if constexpr (std::is_same_v<typename F::Merge, Multiply>) {
      return a * b;
    } else if constexpr (std::is_same_v<typename F::Merge, Maximum>) {
      return a >= b || a != a ? a : b;
    } else {
      return a <= b || a != a ? a : b;
    }
  }

  /// One row: four accumulators, so that an addition need not wait for the last one.
  static void row(std::int64_t n, const T* x, ReduceTarget target, std::int64_t i) {
    const V m(number(target, i));
    Acc acc[4];
    const std::int64_t k = L::template each_whole<4>(
        n, [&](std::int64_t j, Whole, int chain) { acc[chain].add(load_as_double<Arch>(x + j), m); });
    acc[0].merge(acc[1]);
    acc[2].merge(acc[3]);
    acc[0].merge(acc[2]);
    double results[F::kTerms];
    for (int t = 0; t < F::kTerms; ++t) {
      results[t] = merge_lanes(acc[0].terms[t], kStep);
    }
    if (k < n) {
      merge_tail(n - k, x + k, m, results);
    }
    for (int t = 0; t < F::kTerms; ++t) {
      target.out[t * target.stride + i] = results[t];
    }
  }

  /// Of the last `count` elements; their lanes alone are merged, as the others hold nothing.
  [[gnu::noinline]] static void merge_tail(std::int64_t count, const T* x, V m, double* results) {
    Acc rest;
    rest.add(load_few(x, count, 1), m);
    for (int t = 0; t < F::kTerms; ++t) {
      results[t] = merge_numbers(results[t], merge_lanes(rest.terms[t], count));
    }
  }

  /// Rows that would hardly fill a register: one row per lane.
  static void short_rows(std::int64_t rows, std::int64_t n, const T* x, ReduceTarget target) {
    for (std::int64_t r = 0; r < rows; r += kStep) {
      const Some some{rows - r};
      const V m = target.m == nullptr ? V(0) : L::load(target.m + r, some);
      Acc acc;
      for (std::int64_t k = 0; k < n; ++k) {
        acc.add(load(x + r * n + k, rows - r, n), m);
      }
      for (int t = 0; t < F::kTerms; ++t) {
        L::store(target.out + t * target.stride + r, acc.terms[t], some);
      }
    }
  }

  static void rows(std::int64_t rows, std::int64_t n, const T* x, ReduceTarget target) {
    if (n <= 2 * kStep) {
      short_rows(rows, n, x, target);
      return;
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      row(n, x + r * n, target, r);
    }
  }

  /// Adds a few rows to the results of kStep columns, or of `count` columns at the end.
  static void add_rows(std::int64_t rows, std::int64_t pitch, const T* x, ReduceTarget target, std::int64_t c,
                       std::int64_t count) {
    const Some some{count};
    const V m = target.m == nullptr ? V(0) : L::load(target.m + c, some);
    Acc acc;
    for (int t = 0; t < F::kTerms; ++t) {
      acc.terms[t] = L::load(target.out + t * target.stride + c, some);
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      acc.add(count >= kStep ? load_as_double<Arch>(x + r * pitch + c) : load(x + r * pitch + c, count, 1), m);
    }
    for (int t = 0; t < F::kTerms; ++t) {
      L::store(target.out + t * target.stride + c, acc.terms[t], some);
    }
  }

  /// Adds all rows to target.out, which holds results already.
  [[gnu::noinline]] static void add_columns(std::int64_t rows, std::int64_t columns, std::int64_t pitch, const T* x,
                                            ReduceTarget target) {
    for (std::int64_t r = 0; r < rows; r += kRows) {
      const std::int64_t count = rows - r < kRows ? rows - r : kRows;
      for (std::int64_t c = 0; c < columns; c += kStep) {
        add_rows(count, pitch, x + r * pitch, target, c, columns - c);
      }
    }
  }

  static void clear(std::int64_t columns, ReduceTarget target) {
    for (int t = 0; t < F::kTerms; ++t) {
      for (std::int64_t c = 0; c < columns; ++c) {
        target.out[t * target.stride + c] = F::kIdentity;
      }
    }
  }

  /// Reads `fold` rows of few columns as one wide row that fills whole registers; returns how many rows were done.
  [[gnu::noinline]] static std::int64_t add_folded(std::int64_t rows, std::int64_t columns, const T* x,
                                                   ReduceTarget target) {
    const std::int64_t fold = kStep * (columns * kStep < kWide ? kWide / (columns * kStep) : 1);
    constexpr std::int64_t kMost = kNarrow * kStep > kWide ? kNarrow * kStep : kWide;
    const std::int64_t width = fold * columns;
    double out[F::kTerms * kMost];
    double m[kMost];
    for (std::int64_t c = 0; c < width; ++c) {
      m[c] = number(target, c % columns);
    }
    const ReduceTarget wide{m, out, kMost};
    clear(width, wide);
    add_columns(rows / fold, width, width, x, wide);
    for (std::int64_t r = 0; r < fold; ++r) {
      for (int t = 0; t < F::kTerms; ++t) {
        for (std::int64_t c = 0; c < columns; ++c) {
          double& result = target.out[t * target.stride + c];
          result = merge_numbers(result, out[t * kMost + r * columns + c]);
        }
      }
    }
    return rows / fold * fold;
  }

  static void columns(std::int64_t rows, std::int64_t columns, std::int64_t pitch, const T* x, ReduceTarget target) {
    clear(columns, target);
    std::int64_t done = 0;
    if (columns == pitch && columns < kNarrow && rows > kWide) {
      done = add_folded(rows, columns, x, target);
    }
    add_columns(rows - done, columns, pitch, x + done * pitch, target);
  }
};

template <class Arch, class T, class List>
struct ReduceTable;
template <class Arch, class T, class... F>
struct ReduceTable<Arch, T, OpList<F...>> {
  static constexpr decltype(&Reduction<Arch, T, Sum>::rows) rows[] = {&Reduction<Arch, T, F>::rows...};
  static constexpr decltype(&Reduction<Arch, T, Sum>::columns) columns[] = {&Reduction<Arch, T, F>::columns...};
};

}  // namespace simd

template <class Arch, class T>
void ReduceKernels<Arch, T>::rows(std::size_t op, std::int64_t rows, std::int64_t n, const T* x, ReduceTarget target) {
  simd::ReduceTable<Arch, T, ReduceOps>::rows[op](rows, n, x, target);
}

template <class Arch, class T>
void ReduceKernels<Arch, T>::columns(std::size_t op, std::int64_t rows, std::int64_t columns, std::int64_t pitch,
                                     const T* x, ReduceTarget target) {
  simd::ReduceTable<Arch, T, ReduceOps>::columns[op](rows, columns, pitch, x, target);
}

}  // namespace evenkeel::kernels
