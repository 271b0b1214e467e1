#include "core/kernels/conv.hpp"

#include "core/kernels/block_sum.hpp"
#include "core/kernels/conv_algorithms.hpp"
#include "core/parallel.hpp"

#include <algorithm>
#include <utility>

namespace evenkeel::kernels {
namespace {

/// Calls f with the class that implements `algorithm`.
template <class T, class F>
void with_algorithm(ConvAlgorithm algorithm, const F& f) {
  switch (algorithm) {
    case ConvAlgorithm::depthwise:
      return f(DepthwiseConv<T>{});
    default:
      return f(ColumnConv<T>{});
  }
}

}  // namespace

ConvAlgorithm choose_algorithm(const ConvGeometry& g) {
  if (g.group_channels() == 1 && g.groups > 1) {
    return ConvAlgorithm::depthwise;
  }
  return ConvAlgorithm::columns;
}

ConvGeometry adjoint_geometry(const ConvGeometry& g) {
  ConvGeometry a = g;
  std::swap(a.channels, a.out_channels);
  std::swap(a.height, a.out_height);
  std::swap(a.width, a.out_width);
  a.pad_top = g.dilation_h * (g.kernel_h - 1) - g.pad_top;
  a.pad_left = g.dilation_w * (g.kernel_w - 1) - g.pad_left;
  return a;
}

template <class T>
void conv2d(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  if (g.y_size() == 0) {
    return;
  }
  with_algorithm<T>(choose_algorithm(g),
                    [&]<class Algorithm>(Algorithm) { Algorithm::forward(g, x, weight, bias, y); });
}

template <class T>
void conv2d_input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
  if (g.x_size() == 0) {
    return;
  }
  with_algorithm<T>(choose_algorithm(g),
                    [&]<class Algorithm>(Algorithm) { Algorithm::input_gradient(g, dy, weight, bias, dx); });
}

template <class T>
void conv2d_weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight) {
  if (g.y_size() == 0 || g.weight_size() == 0) {
    std::fill_n(dweight, g.weight_size(), T(0));
    return;
  }
  with_algorithm<T>(choose_algorithm(g),
                    [&]<class Algorithm>(Algorithm) { Algorithm::weight_gradient(g, x, dy, dweight); });
}

template <class T>
void add_partials(std::int64_t parts, std::int64_t size, const T* partials, T* sum) {
  parallel_for(0, size, kElementGrain, [&](std::int64_t first, std::int64_t last) {
    std::copy(partials + first, partials + last, sum + first);
    for (std::int64_t part = 1; part < parts; ++part) {
      for (std::int64_t i = first; i < last; ++i) {
        sum[i] += partials[part * size + i];
      }
    }
  });
}

template <class T>
void channel_sums(std::int64_t batch, std::int64_t channels, std::int64_t inner, const T* dy, T* db) {
  const std::int64_t grain = std::max<std::int64_t>(1, kElementGrain / std::max<std::int64_t>(1, batch * inner));
  parallel_for(0, channels, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      double sum = 0;
      for (std::int64_t n = 0; n < batch; ++n) {
        sum += block_sum(dy + (n * channels + c) * inner, inner);
      }
      db[c] = static_cast<T>(sum);
    }
  });
}

template void conv2d(const ConvGeometry&, const float*, const float*, const float*, float*);
template void conv2d(const ConvGeometry&, const double*, const double*, const double*, double*);
template void conv2d_input_gradient(const ConvGeometry&, const float*, const float*, const float*, float*);
template void conv2d_input_gradient(const ConvGeometry&, const double*, const double*, const double*, double*);
template void conv2d_weight_gradient(const ConvGeometry&, const float*, const float*, float*);
template void conv2d_weight_gradient(const ConvGeometry&, const double*, const double*, double*);
template void add_partials(std::int64_t, std::int64_t, const float*, float*);
template void add_partials(std::int64_t, std::int64_t, const double*, double*);
template void channel_sums(std::int64_t, std::int64_t, std::int64_t, const float*, float*);
template void channel_sums(std::int64_t, std::int64_t, std::int64_t, const double*, double*);

}  // namespace evenkeel::kernels
