#pragma once

#include <cstdint>

namespace evenkeel::kernels {

/// The SIMD side, per instruction set; see the functions below.
template <class Arch, class T>
struct SoftmaxKernels {
  static void softmax(std::int64_t rows, std::int64_t n, const T* x, T* y);
  static void log_softmax(std::int64_t rows, std::int64_t n, const T* x, T* y);
  static void softmax_gradient(std::int64_t rows, std::int64_t n, const T* dy, const T* y, T* dx);
  static void log_softmax_gradient(std::int64_t rows, std::int64_t n, const T* dy, const T* y, T* dx);
};

// Over each of `rows` contiguous rows of n >= 1 elements; sums are taken in double. Outputs may not be inputs.

/// y = exp(x - max x) / sum exp(x - max x)
template <class T>
void softmax(std::int64_t rows, std::int64_t n, const T* x, T* y);
/// y = (x - max x) - ln sum exp(x - max x)
template <class T>
void log_softmax(std::int64_t rows, std::int64_t n, const T* x, T* y);
/// dx = y (dy - sum dy y)
template <class T>
void softmax_gradient(std::int64_t rows, std::int64_t n, const T* dy, const T* y, T* dx);
/// dx = dy - exp(y) sum dy
template <class T>
void log_softmax_gradient(std::int64_t rows, std::int64_t n, const T* dy, const T* y, T* dx);

}  // namespace evenkeel::kernels
