#pragma once

#include "evenkeel/core/kernels/reduce/softmax.hpp"
#include "evenkeel/core/kernels/simd/batch.hpp"
#include "evenkeel/core/kernels/simd/double_sum.hpp"
#include "evenkeel/core/kernels/simd/math_simd.hpp"

namespace evenkeel::kernels {
namespace simd {

// A NaN need not reach the maximum: exp(NaN - max) is NaN, then the sum, then everything.

/// One row at a time.
template <class Arch, class T>
struct SoftmaxRow {
  using V = Batch<Arch, T>;
  using Sum = DoubleSum<Arch, T>;
  static constexpr std::int64_t kStep = kLanes<Arch, T>;

  static V load(const T* p, std::int64_t i, std::int64_t n, T rest) {
    return i + kStep <= n ? V::load_unaligned(p + i) : load_partial<Arch, T>(p + i, n - i, rest);
  }
  static void store(V value, T* p, std::int64_t i, std::int64_t n) {
    if (i + kStep <= n) {
      value.store_unaligned(p + i);
    } else {
      store_partial<Arch, T>(value, p + i, n - i);
    }
  }

  static T largest_lane(V x) {
    if constexpr (std::is_same_v<Arch, Avx512> && sizeof(T) == sizeof(float)) {
      return _mm512_reduce_max_ps(x);
    } else if constexpr (std::is_same_v<Arch, Avx512>) {
      return _mm512_reduce_max_pd(x);
    } else {
      alignas(64) T lanes[kStep];
      x.store_aligned(lanes);
      T result = lanes[0];
      for (const T lane : lanes) {
        result = lane > result ? lane : result;
      }
      return result;
    }
  }

  /// Four accumulators, so that a comparison need not wait for the last one.
  static T largest(std::int64_t n, const T* x) {
    V most[4] = {V(x[0]), V(x[0]), V(x[0]), V(x[0])};
    std::int64_t i = 0;
    for (; i + 4 * kStep <= n; i += 4 * kStep) {
      for (int j = 0; j < 4; ++j) {
        most[j] = xsimd::max(most[j], V::load_unaligned(x + i + j * kStep));
      }
    }
    for (; i < n; i += kStep) {
      most[0] = xsimd::max(most[0], load(x, i, n, x[0]));
    }
    return largest_lane(xsimd::max(xsimd::max(most[0], most[1]), xsimd::max(most[2], most[3])));
  }

  /// The sum of exp(x - most), which are stored, too, if y is not null. The lanes beyond the end are exp(-inf) = 0.
  template <bool kStore>
  static double exponentials(std::int64_t n, const T* x, T most, T* y) {
    Sum total;
    for (std::int64_t i = 0; i < n; i += kStep) {
      const V e = math::exp_not_positive(V(load(x, i, n, static_cast<T>(-__builtin_inf())) - V(most)));
      total.add(e);
      if constexpr (kStore) {
        store(e, y, i, n);
      }
    }
    return total.total();
  }

  static double sum(std::int64_t n, const T* x) {
    Sum sums[2];
    std::int64_t i = 0;
    for (; i + 2 * kStep <= n; i += 2 * kStep) {
      sums[0].add(V::load_unaligned(x + i));
      sums[1].add(V::load_unaligned(x + i + kStep));
    }
    for (; i < n; i += kStep) {
      sums[0].add(load(x, i, n, T(0)));
    }
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
    double result = xsimd::hadd((sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (; i < n; ++i) {
      result += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    }
    return result;
  }

  static void softmax(std::int64_t n, const T* x, T* y) {
    const V factor(static_cast<T>(1 / exponentials<true>(n, x, largest(n, x), y)));
    for (std::int64_t i = 0; i < n; i += kStep) {
      store(load(y, i, n, T(1)) * factor, y, i, n);
    }
  }

  static void log_softmax(std::int64_t n, const T* x, T* y) {
    const T most = largest(n, x);
    const V log_total(static_cast<T>(__builtin_log(exponentials<false>(n, x, most, nullptr))));
    for (std::int64_t i = 0; i < n; i += kStep) {
      store((load(x, i, n, most) - V(most)) - log_total, y, i, n);
    }
  }

  static void softmax_gradient(std::int64_t n, const T* dy, const T* y, T* dx) {
    const V mean(static_cast<T>(dot(n, dy, y)));  // of dy, weighted by y
    for (std::int64_t i = 0; i < n; i += kStep) {
      store(load(y, i, n, T(0)) * (load(dy, i, n, T(0)) - mean), dx, i, n);
    }
  }

  static void log_softmax_gradient(std::int64_t n, const T* dy, const T* y, T* dx) {
    const V total(static_cast<T>(sum(n, dy)));
    for (std::int64_t i = 0; i < n; i += kStep) {
      store(load(dy, i, n, T(0)) - math::exp(load(y, i, n, T(0))) * total, dx, i, n);
    }
  }

  static void scaled_exponentials(std::int64_t n, const T* x, T most, T scale, T shift, T* y) {
    for (std::int64_t i = 0; i < n; i += kStep) {
      const V e = math::exp_not_positive(V(load(x, i, n, most) - V(most)));
      store(e * V(scale) - V(shift), y, i, n);
    }
  }
};

/// kV registers of neighbouring columns at a time, `count` columns in all: kV registers full, or a part of one.
template <class Arch, class T, int kV>
struct SoftmaxColumns {
  using V = Batch<Arch, T>;
  using Sum = DoubleSum<Arch, T>;
  static constexpr std::int64_t kStep = kLanes<Arch, T>;
  static constexpr std::int64_t kColumns = kV * kStep;

  std::int64_t n, pitch, count;

  V load(const T* p, int v) const {
    return kV > 1 || count == kStep ? V::load_unaligned(p + v * kStep) : load_partial<Arch, T>(p, count, T(0));
  }
  void store(V value, T* p, int v) const {
    if (kV > 1 || count == kStep) {
      value.store_unaligned(p + v * kStep);
    } else {
      store_partial<Arch, T>(value, p, count);
    }
  }

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
    for_each([&](std::int64_t row, int v) { most[v] = xsimd::max(most[v], load(x + row, v)); });
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

  void log_softmax(const T* x, T* y) const {
    V most[kV], log_total[kV];
    Sum total[kV];
    largest(x, most);
    exponentials<false>(x, most, total, nullptr);
    for (int v = 0; v < kV; ++v) {
      log_total[v] = total[v].map([](auto sum) { return math::log(sum); });
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
      for (std::int64_t c = 0; c < kStep && v * kStep + c < count; ++c) {
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
  using Wide = SoftmaxColumns<Arch, T, 4>;
  using Narrow = SoftmaxColumns<Arch, T, 1>;
  std::int64_t c = 0;
  for (; c + Wide::kColumns <= runs.count; c += Wide::kColumns) {
    columns(Wide{runs.n, runs.pitch, Wide::kColumns}, c);
  }
  for (; c < runs.count; c += Narrow::kColumns) {
    const std::int64_t left = runs.count - c;
    columns(Narrow{runs.n, runs.pitch, left < Narrow::kColumns ? left : Narrow::kColumns}, c);
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
