#pragma once

#include "core/kernels/simd/batch.hpp"
#include "core/kernels/simd/math.hpp"
#include "core/kernels/simd/reduce_impl.hpp"
#include "core/kernels/softmax.hpp"

namespace evenkeel::kernels {
namespace simd {

/// One row at a time.
template <class Arch, class T>
struct SoftmaxRow {
  using V = Batch<Arch, T>;
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

  /// NaN wins, so that it reaches the whole row.
  static T largest(std::int64_t n, const T* x) {
    V most(x[0]);
    for (std::int64_t i = 0; i < n; i += kStep) {
      most = Maximum::f(most, load(x, i, n, x[0]));
    }
    alignas(64) T lanes[kStep];
    most.store_aligned(lanes);
    T result = lanes[0];
    for (const T lane : lanes) {
      result = result >= lane || result != result ? result : lane;
    }
    return result;
  }

  static double sum(std::int64_t n, const T* x) {
    double result = 0;
    Reduction<Arch, T, Sum>::row(n, x, ReduceTarget{nullptr, &result, 1}, 0);
    return result;
  }

  static double dot(std::int64_t n, const T* a, const T* b) {
    using D = Batch<Arch, double>;
    constexpr std::int64_t kDoubles = kLanes<Arch, double>;
    D sums(0);
    std::int64_t i = 0;
    for (; i + kDoubles <= n; i += kDoubles) {
      sums = fma(load_as_double<Arch>(a + i), load_as_double<Arch>(b + i), sums);
    }
    alignas(64) double lanes[kDoubles];
    sums.store_aligned(lanes);
    double result = 0;
    for (const double lane : lanes) {
      result += lane;
    }
    for (; i < n; ++i) {
      result += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    }
    return result;
  }

  /// y = exp(x - most); returns the sum.
  static double exponentials(std::int64_t n, const T* x, T most, T* y) {
    for (std::int64_t i = 0; i < n; i += kStep) {
      store(math::exp(load(x, i, n, most) - V(most)), y, i, n);
    }
    return sum(n, y);
  }

  static void softmax(std::int64_t n, const T* x, T* y) {
    const double total = exponentials(n, x, largest(n, x), y);
    const V divisor(static_cast<T>(total));
    for (std::int64_t i = 0; i < n; i += kStep) {
      store(load(y, i, n, T(1)) / divisor, y, i, n);
    }
  }

  static void log_softmax(std::int64_t n, const T* x, T* y) {
    const T most = largest(n, x);
    const V log_total(static_cast<T>(__builtin_log(exponentials(n, x, most, y))));
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
};

}  // namespace simd

template <class Arch, class T>
void SoftmaxKernels<Arch, T>::softmax(std::int64_t rows, std::int64_t n, const T* x, T* y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    simd::SoftmaxRow<Arch, T>::softmax(n, x + r * n, y + r * n);
  }
}

template <class Arch, class T>
void SoftmaxKernels<Arch, T>::log_softmax(std::int64_t rows, std::int64_t n, const T* x, T* y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    simd::SoftmaxRow<Arch, T>::log_softmax(n, x + r * n, y + r * n);
  }
}

template <class Arch, class T>
void SoftmaxKernels<Arch, T>::softmax_gradient(std::int64_t rows, std::int64_t n, const T* dy, const T* y, T* dx) {
  for (std::int64_t r = 0; r < rows; ++r) {
    simd::SoftmaxRow<Arch, T>::softmax_gradient(n, dy + r * n, y + r * n, dx + r * n);
  }
}

template <class Arch, class T>
void SoftmaxKernels<Arch, T>::log_softmax_gradient(std::int64_t rows, std::int64_t n, const T* dy, const T* y, T* dx) {
  for (std::int64_t r = 0; r < rows; ++r) {
    simd::SoftmaxRow<Arch, T>::log_softmax_gradient(n, dy + r * n, y + r * n, dx + r * n);
  }
}

}  // namespace evenkeel::kernels
