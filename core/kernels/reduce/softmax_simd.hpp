#pragma once

#include "evenkeel/core/kernels/elementwise/unary.hpp"
#include "evenkeel/core/kernels/reduce/softmax.hpp"
#include "evenkeel/core/kernels/simd/double_sum.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"
#include "evenkeel/core/kernels/simd/math_simd.hpp"

namespace evenkeel::kernels {
namespace simd {

// A NaN need not reach the maximum: exp(NaN - max) is NaN, then the sum, then everything.

/// One row at a time.
template <class Arch, class T>
struct SoftmaxRow {
  using L = Loop<Arch, T>;
  using V = typename L::V;
  using Sum = DoubleSum<Arch, T>;

  static T largest(std::int64_t n, const T* x) {
    V most[4] = {V(x[0]), V(x[0]), V(x[0]), V(x[0])};
    L::template each_chain<4>(
        n, [&](std::int64_t i, auto tag, int chain) { most[chain] = max(most[chain], L::load(x + i, tag, x[0])); });
    return lane_max(L::join(most, [](const V& a, const V& b) { return max(a, b); }));
  }

  /// The sum of exp(x - most), which are stored, too, if y is not null. The lanes beyond the end are exp(-inf) = 0.
  template <bool kStore>
  static double exponentials(std::int64_t n, const T* x, T most, T* y) {
    Sum total;
    L::each_once(n, [&](std::int64_t i, Some count) {
      const V e = math::exp_not_positive(V(L::load(x + i, count, static_cast<T>(-__builtin_inf())) - V(most)));
      total.add(e);
      if constexpr (kStore) {
        L::store(y + i, e, count);
      }
    });
    return total.total();
  }

  static double sum(std::int64_t n, const T* x) {
    Sum sums[2];
    L::template each_chain<2>(n, [&](std::int64_t i, auto tag, int chain) { sums[chain].add(L::load(x + i, tag)); });
    sums[0].merge(sums[1]);
    return sums[0].total();
  }

  /// Products and sums in double.
  static double dot(std::int64_t n, const T* a, const T* b) {
    using D = Batch<Arch, double>;
    constexpr std::int64_t kDoubles = kLanes<Arch, double>;
    D sums[4] = {D(0), D(0), D(0), D(0)};
    std::int64_t i = 0;
    for (; i + 4 * kDoubles <= n; i += 4 * kDoubles) {
      for (int j = 0; j < 4; ++j) {
        const std::int64_t k = i + j * kDoubles;
        sums[j] = fma(load_as_double<Arch>(a + k), load_as_double<Arch>(b + k), sums[j]);
      }
    }
    double result = lane_sum(Loop<Arch, double>::join(sums));
    for (; i < n; ++i) {  // up to four registers: not a tail
      result += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    }
    return result;
  }

  static void softmax(std::int64_t n, const T* x, T* y) {
    const V factor(static_cast<T>(1 / exponentials<true>(n, x, largest(n, x), y)));
    L::each(n, [&](std::int64_t i, auto tag) { L::store(y + i, L::load(y + i, tag) * factor, tag); });
  }

  static void log_softmax(std::int64_t n, const T* x, T* y) {
    const T most = largest(n, x);
    const V log_total(static_cast<T>(__builtin_log(exponentials<false>(n, x, most, nullptr))));
    L::each(n, [&](std::int64_t i, auto tag) { L::store(y + i, (L::load(x + i, tag) - V(most)) - log_total, tag); });
  }

  static void softmax_gradient(std::int64_t n, const T* dy, const T* y, T* dx) {
    const V mean(static_cast<T>(dot(n, dy, y)));  // of dy, weighted by y
    L::each(n, [&](std::int64_t i, auto tag) {
      L::store(dx + i, L::load(y + i, tag) * (L::load(dy + i, tag) - mean), tag);
    });
  }

  static void log_softmax_gradient(std::int64_t n, const T* dy, const T* y, T* dx) {
    const V total(static_cast<T>(sum(n, dy)));
    L::each_once(n, [&](std::int64_t i, Some count) {
      L::store(dx + i, L::load(dy + i, count) - math::exp(L::load(y + i, count)) * total, count);
    });
  }

  static void scaled_exponentials(std::int64_t n, const T* x, T most, T scale, T shift, T* y) {
    L::each_once(n, [&](std::int64_t i, Some count) {
      const V e = math::exp_not_positive(V(L::load(x + i, count, most) - V(most)));
      L::store(y + i, e * V(scale) - V(shift), count);
    });
  }
};

/// kV registers of neighbouring columns at a time, all Whole, or Some columns of one.
template <class Arch, class T, int kV, class Tag>
struct SoftmaxColumns {
  using L = Loop<Arch, T>;
  using V = typename L::V;
  using Sum = DoubleSum<Arch, T>;
  static constexpr std::int64_t kStep = L::kWidth;
  static constexpr std::int64_t kColumns = kV * kStep;

  std::int64_t n, pitch;
  Tag tag;

  V load(const T* p, int v) const { return L::load(p + v * kStep, tag); }
  void store(V value, T* p, int v) const { L::store(p + v * kStep, value, tag); }

  /// f(row, register) over all rows.
  template <class F>
  void for_each(const F& f) const {
    for (std::int64_t r = 0; r < n; ++r) {
      for (int v = 0; v < kV; ++v) {
        f(r * pitch, v);
      }
    }
  }

  void largest(const T* x, V* most) const {
    for (int v = 0; v < kV; ++v) {
      most[v] = load(x, v);
    }
    for_each([&](std::int64_t row, int v) { most[v] = max(most[v], load(x + row, v)); });
  }

  template <bool kStore>
  void exponentials(const T* x, const V* most, Sum* total, T* y) const {
    for_each([&](std::int64_t row, int v) {
      const V e = math::exp_not_positive(V(load(x + row, v) - most[v]));
      total[v].add(e);
      if constexpr (kStore) {
        store(e, y + row, v);
      }
    });
  }

  void softmax(const T* x, T* y) const {
    V most[kV], factor[kV];
    Sum total[kV];
    largest(x, most);
    exponentials<true>(x, most, total, y);
    for (int v = 0; v < kV; ++v) {
      factor[v] = total[v].map([](auto sum) { return decltype(sum)(1) / sum; });
    }
    for_each([&](std::int64_t row, int v) { store(load(y + row, v) * factor[v], y + row, v); });
  }

  /// The kernel of unary.hpp, so that this header need not have logarithms.
  static Batch<Arch, double> log(const Batch<Arch, double>& sum) {
    alignas(Batch<Arch, double>) double lanes[kLanes<Arch, double>];
    sum.store_aligned(lanes);
    UnaryKernels<Arch, double>::forward(UnaryOps::index_of<Log>(), kLanes<Arch, double>, lanes, lanes, {});
    return Batch<Arch, double>::load_aligned(lanes);
  }

  void log_softmax(const T* x, T* y) const {
    V most[kV], log_total[kV];
    Sum total[kV];
    largest(x, most);
    exponentials<false>(x, most, total, nullptr);
    for (int v = 0; v < kV; ++v) {
      log_total[v] = total[v].map([](auto sum) { return log(sum); });
    }
    for_each([&](std::int64_t row, int v) { store((load(x + row, v) - most[v]) - log_total[v], y + row, v); });
  }

  void softmax_gradient(const T* dy, const T* y, T* dx) const {
    Sum dot[kV];
    V mean[kV];
    for_each([&](std::int64_t row, int v) { dot[v].add_product(load(dy + row, v), load(y + row, v)); });
    for (int v = 0; v < kV; ++v) {
      mean[v] = dot[v].map([](auto sum) { return sum; });
    }
    for_each([&](std::int64_t row, int v) { store(load(y + row, v) * (load(dy + row, v) - mean[v]), dx + row, v); });
  }

  void log_softmax_gradient(const T* dy, const T* y, T* dx) const {
    Sum sum[kV];
    V total[kV];
    for_each([&](std::int64_t row, int v) { sum[v].add(load(dy + row, v)); });
    for (int v = 0; v < kV; ++v) {
      total[v] = sum[v].map([](auto s) { return s; });
    }
    for_each([&](std::int64_t row, int v) {
      store(load(dy + row, v) - math::exp(load(y + row, v)) * total[v], dx + row, v);
    });
  }

  void statistics(const T* x, T* most, double* totals) const {
    V highest[kV];
    Sum total[kV];
    largest(x, highest);
    exponentials<false>(x, highest, total, nullptr);
    for (int v = 0; v < kV; ++v) {
      store(highest[v], most, v);
      alignas(64) double sums[kStep];
      total[v].store(sums);
      for (std::int64_t c = 0; c < kStep && c < L::count(tag); ++c) {
        totals[v * kStep + c] = sums[c];
      }
    }
  }

  void scaled_exponentials(const T* x, const T* most, const T* scale, const T* shift, T* y) const {
    V highest[kV], factor[kV], less[kV];
    for (int v = 0; v < kV; ++v) {
      highest[v] = load(most, v);
      factor[v] = load(scale, v);
      less[v] = load(shift, v);
    }
    for_each([&](std::int64_t row, int v) {
      const V e = math::exp_not_positive(V(load(x + row, v) - highest[v]));
      store(e * factor[v] - less[v], y + row, v);
    });
  }
};

/// row(r) for every row, or columns(block, first column) for blocks of columns.
template <class Arch, class T, class Row, class Columns>
void for_each_run(const SoftmaxRuns& runs, const Row& row, const Columns& columns) {
  if (!runs.columns) {
    for (std::int64_t r = 0; r < runs.count; ++r) {
      row(r);
    }
    return;
  }
  using Wide = SoftmaxColumns<Arch, T, 4, Whole>;
  using Narrow = SoftmaxColumns<Arch, T, 1, Some>;
  std::int64_t c = 0;
  for (; c + Wide::kColumns <= runs.count; c += Wide::kColumns) {
    columns(Wide{runs.n, runs.pitch, Whole()}, c);
  }
  for (; c < runs.count; c += Narrow::kColumns) {
    columns(Narrow{runs.n, runs.pitch, Some{runs.count - c}}, c);
  }
}

}  // namespace simd

template <class Arch, class T>
void SoftmaxKernels<Arch, T>::softmax(SoftmaxRuns runs, const T* x, T* y) {
  simd::for_each_run<Arch, T>(
      runs, [&](std::int64_t r) { simd::SoftmaxRow<Arch, T>::softmax(runs.n, x + r * runs.n, y + r * runs.n); },
      [&](const auto& block, std::int64_t c) { block.softmax(x + c, y + c); });
}

template <class Arch, class T>
void SoftmaxKernels<Arch, T>::log_softmax(SoftmaxRuns runs, const T* x, T* y) {
  simd::for_each_run<Arch, T>(
      runs, [&](std::int64_t r) { simd::SoftmaxRow<Arch, T>::log_softmax(runs.n, x + r * runs.n, y + r * runs.n); },
      [&](const auto& block, std::int64_t c) { block.log_softmax(x + c, y + c); });
}

template <class Arch, class T>
void SoftmaxKernels<Arch, T>::softmax_gradient(SoftmaxRuns runs, const T* dy, const T* y, T* dx) {
  simd::for_each_run<Arch, T>(
      runs,
      [&](std::int64_t r) {
        const std::int64_t i = r * runs.n;
        simd::SoftmaxRow<Arch, T>::softmax_gradient(runs.n, dy + i, y + i, dx + i);
      },
      [&](const auto& block, std::int64_t c) { block.softmax_gradient(dy + c, y + c, dx + c); });
}

template <class Arch, class T>
void SoftmaxKernels<Arch, T>::log_softmax_gradient(SoftmaxRuns runs, const T* dy, const T* y, T* dx) {
  simd::for_each_run<Arch, T>(
      runs,
      [&](std::int64_t r) {
        const std::int64_t i = r * runs.n;
        simd::SoftmaxRow<Arch, T>::log_softmax_gradient(runs.n, dy + i, y + i, dx + i);
      },
      [&](const auto& block, std::int64_t c) { block.log_softmax_gradient(dy + c, y + c, dx + c); });
}

template <class Arch, class T>
void SoftmaxKernels<Arch, T>::statistics(SoftmaxRuns runs, const T* x, T* largest, double* total) {
  using Row = simd::SoftmaxRow<Arch, T>;
  simd::for_each_run<Arch, T>(
      runs,
      [&](std::int64_t r) {
        largest[r] = Row::largest(runs.n, x + r * runs.n);
        total[r] = Row::template exponentials<false>(runs.n, x + r * runs.n, largest[r], nullptr);
      },
      [&](const auto& block, std::int64_t c) { block.statistics(x + c, largest + c, total + c); });
}

template <class Arch, class T>
void SoftmaxKernels<Arch, T>::scaled_exponentials(SoftmaxRuns runs, const T* x, const T* largest, const T* scale,
                                                  const T* shift, T* y) {
  simd::for_each_run<Arch, T>(
      runs,
      [&](std::int64_t r) {
        const std::int64_t i = r * runs.n;
        simd::SoftmaxRow<Arch, T>::scaled_exponentials(runs.n, x + i, largest[r], scale[r], shift[r], y + i);
      },
      [&](const auto& block, std::int64_t c) {
        block.scaled_exponentials(x + c, largest + c, scale + c, shift + c, y + c);
      });
}

}  // namespace evenkeel::kernels
