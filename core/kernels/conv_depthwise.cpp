#include "core/kernels/conv_algorithms.hpp"
#include "core/kernels/conv_columns.hpp"
#include "core/parallel.hpp"

#include <algorithm>

namespace evenkeel::kernels {
namespace {

/// Calls visit(x row start, y row start, length) for kernel cell (p, q): y[j] meets x[j stride_w], j < length, both as
/// offsets within their planes.
template <class Visit>
void for_each_pair_of_rows(const ConvGeometry& g, std::int64_t p, std::int64_t q, const Visit& visit) {
  const InsideColumns inside(g, q);
  const std::int64_t length = inside.last - inside.first;
  for (std::int64_t i = 0; i < g.out_height && length > 0; ++i) {
    const std::int64_t row = i * g.stride_h - g.pad_top + p * g.dilation_h;
    if (row >= 0 && row < g.height) {
      visit(row * g.width + inside.first * g.stride_w - g.pad_left + q * g.dilation_w, i * g.out_width + inside.first,
            length);
    }
  }
}

std::int64_t plane_grain(std::int64_t work_per_plane) {
  return std::max<std::int64_t>(1, kElementGrain / std::max<std::int64_t>(1, work_per_plane));
}

}  // namespace

template <class T>
void DepthwiseConv<T>::forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  const std::int64_t multiplier = g.group_outputs();
  const std::int64_t grain = plane_grain(g.pixels() * g.taps());
  parallel_for(0, g.batch * g.out_channels, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) {
      const std::int64_t o = plane % g.out_channels;
      const T* in = x + (plane / g.out_channels * g.channels + o / multiplier) * g.plane();
      T* out = y + plane * g.pixels();
      std::fill_n(out, g.pixels(), bias != nullptr ? bias[o] : T(0));
      for (std::int64_t tap = 0; tap < g.taps(); ++tap) {
        const T w = weight[o * g.taps() + tap];
        for_each_pair_of_rows(g, tap / g.kernel_w, tap % g.kernel_w,
                              [&](std::int64_t from, std::int64_t to, std::int64_t length) {
                                for (std::int64_t j = 0; j < length; ++j) {
                                  out[to + j] += w * in[from + j * g.stride_w];
                                }
                              });
      }
    }
  });
}

template <class T>
void DepthwiseConv<T>::input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
  const std::int64_t multiplier = g.group_outputs();
  const std::int64_t grain = plane_grain(g.pixels() * g.taps() * multiplier);
  parallel_for(0, g.batch * g.channels, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) {
      const std::int64_t c = plane % g.channels;
      T* out = dx + plane * g.plane();
      std::fill_n(out, g.plane(), bias != nullptr ? bias[c] : T(0));
      for (std::int64_t m = 0; m < multiplier * g.taps(); ++m) {
        const std::int64_t o = c * multiplier + m / g.taps();
        const std::int64_t tap = m % g.taps();
        const T* in = dy + (plane / g.channels * g.out_channels + o) * g.pixels();
        const T w = weight[o * g.taps() + tap];
        for_each_pair_of_rows(g, tap / g.kernel_w, tap % g.kernel_w,
                              [&](std::int64_t to, std::int64_t from, std::int64_t length) {
                                for (std::int64_t j = 0; j < length; ++j) {
                                  out[to + j * g.stride_w] += w * in[from + j];
                                }
                              });
      }
    }
  });
}

template <class T>
void DepthwiseConv<T>::weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight) {
  const std::int64_t multiplier = g.group_outputs();
  const std::int64_t grain = plane_grain(g.batch * g.pixels());
  parallel_for(0, g.weight_size(), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t o = i / g.taps();
      const std::int64_t tap = i % g.taps();
      double sum = 0;
      for (std::int64_t n = 0; n < g.batch; ++n) {
        const T* in = x + (n * g.channels + o / multiplier) * g.plane();
        const T* gradient = dy + (n * g.out_channels + o) * g.pixels();
        for_each_pair_of_rows(g, tap / g.kernel_w, tap % g.kernel_w,
                              [&](std::int64_t from, std::int64_t to, std::int64_t length) {
                                T row_sum = 0;
                                for (std::int64_t j = 0; j < length; ++j) {
                                  row_sum += gradient[to + j] * in[from + j * g.stride_w];
                                }
                                sum += static_cast<double>(row_sum);
                              });
      }
      dweight[i] = static_cast<T>(sum);
    }
  });
}

template struct DepthwiseConv<float>;
template struct DepthwiseConv<double>;

}  // namespace evenkeel::kernels
