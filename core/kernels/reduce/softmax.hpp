#pragma once

#include <cstdint>

namespace evenkeel::kernels {

/// `count` runs of n >= 1 elements each: rows, each contiguous, run r from r * n; or neighbouring columns, run c the
/// elements c, c + pitch, c + 2 pitch, ...
struct SoftmaxRuns {
  std::int64_t count, n, pitch;
  bool columns;
};

/// The SIMD side, per instruction set; see the functions below.
template <class Arch, class T>
struct SoftmaxKernels {
  static void softmax(SoftmaxRuns runs, const T* x, T* y);
  static void log_softmax(SoftmaxRuns runs, const T* x, T* y);
  static void softmax_gradient(SoftmaxRuns runs, const T* dy, const T* y, T* dx);
  static void log_softmax_gradient(SoftmaxRuns runs, const T* dy, const T* y, T* dx);
  static void statistics(SoftmaxRuns runs, const T* x, T* largest, double* total);
  static void scaled_exponentials(SoftmaxRuns runs, const T* x, const T* largest, const T* scale, const T* shift, T* y);
};

// Over each run; sums are taken in double. Outputs may not be inputs.

/// y = exp(x - max x) / sum exp(x - max x)
template <class T>
void softmax(SoftmaxRuns runs, const T* x, T* y);
/// y = (x - max x) - ln sum exp(x - max x)
template <class T>
void log_softmax(SoftmaxRuns runs, const T* x, T* y);
/// dx = y (dy - sum dy y)
template <class T>
void softmax_gradient(SoftmaxRuns runs, const T* dy, const T* y, T* dx);
/// dx = dy - exp(y) sum dy
template <class T>
void log_softmax_gradient(SoftmaxRuns runs, const T* dy, const T* y, T* dx);
/// largest = max x, total = sum exp(x - max x), one of each per run; of a run with a NaN the total is NaN
template <class T>
void softmax_statistics(SoftmaxRuns runs, const T* x, T* largest, double* total);
/// y = exp(x - largest) scale - shift, with one of each per run
template <class T>
void scaled_exponentials(SoftmaxRuns runs, const T* x, const T* largest, const T* scale, const T* shift, T* y);

}  // namespace evenkeel::kernels
