#pragma once

#include <cstdint>

namespace evenkeel::kernels {

/// y_c = x_c d_c^(-beta),  d_c = k + a sum x_i^2 over the channels i from c - before to c + after, at the same place of
/// the plane. Arrays are (batch, channels, plane), contiguous; channels beyond the ends count as 0.
struct LocalResponse {
  std::int64_t batch = 0, channels = 0, plane = 0;
  std::int64_t before = 0, after = 0;
  double a = 0, beta = 0, k = 0;
};

/// Writes y and, for the gradient, the powers d^(-beta), unless that is null. T is float or double; any thread count
/// gives the same bits.
template <class T>
void local_response(const LocalResponse& shape, const T* x, T* y, T* powers);
/// dx_c = dy_c d_c^(-beta) - 2 a beta x_c sum dy_j x_j d_j^(-beta - 1) over the channels j whose windows hold c.
template <class T>
void local_response_gradient(const LocalResponse& shape, const T* x, const T* powers, const T* dy, T* dx);

/// The loops over all channels of one sample, for `width` neighbouring places of the plane, per instruction set;
/// `terms` is room for (before + after + 1) * width numbers.
template <class Arch, class T>
struct LocalResponseKernels {
  static void forward(const LocalResponse& shape, std::int64_t width, const T* x, T* y, T* powers);
  static void gradient(const LocalResponse& shape, std::int64_t width, const T* x, const T* powers, const T* dy, T* dx,
                       T* terms);
};

}  // namespace evenkeel::kernels
