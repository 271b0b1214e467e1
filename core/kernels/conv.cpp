#include "core/kernels/conv.hpp"

#include "core/kernels/block_sum.hpp"
#include "core/kernels/conv_algorithms.hpp"
#include "core/kernels/conv_direct.hpp"
#include "core/kernels/workspace.hpp"
#include "core/parallel.hpp"

#include <algorithm>
#include <utility>

namespace evenkeel::kernels {
namespace {

/// A direct convolution computes whole registers of an output row; below this share of used lanes, im2col wins.
constexpr double kMinLaneUse = 0.7;

}  // namespace

template <class T>
ConvAlgorithm choose_algorithm(const ConvGeometry& g) {
  if (g.group_channels() == 1 && g.groups > 1) {
    return ConvAlgorithm::depthwise;
  }
  const std::int64_t lanes = dispatch_isa([]<class Arch>() { return DirectTile<Arch, T>::lanes; });
  const std::int64_t computed = (g.out_width + lanes - 1) / lanes * lanes;
  const bool lanes_used = static_cast<double>(g.out_width) >= kMinLaneUse * static_cast<double>(computed);
  if (g.stride_h == 1 && g.stride_w == 1 && g.taps() > 1 && lanes_used) {
    return ConvAlgorithm::direct;
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

/// weight (group, O, C, KH, KW) -> (group, C, O, KH, KW) with the kernel turned by 180 degrees.
template <class T>
void flip_weight(const ConvGeometry& g, const T* weight, T* flipped) {
  const std::int64_t taps = g.taps();
  for (std::int64_t group = 0; group < g.groups; ++group) {
    const std::int64_t base = group * g.group_outputs() * g.patch();
    for (std::int64_t o = 0; o < g.group_outputs(); ++o) {
      for (std::int64_t c = 0; c < g.group_channels(); ++c) {
        const T* in = weight + base + (o * g.group_channels() + c) * taps;
        std::reverse_copy(in, in + taps, flipped + base + (c * g.group_outputs() + o) * taps);
      }
    }
  }
}

template <class T>
void conv2d(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  if (g.y_size() == 0) {
    return;
  }
  switch (choose_algorithm<T>(g)) {
    case ConvAlgorithm::depthwise:
      return DepthwiseConv<T>::forward(g, x, weight, bias, y);
    case ConvAlgorithm::direct:
      return DirectConv<T>::forward(g, x, weight, bias, y);
    default:
      return ColumnConv<T>::forward(g, x, weight, bias, y);
  }
}

template <class T>
void conv2d_input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
  if (g.x_size() == 0) {
    return;
  }
  if (choose_algorithm<T>(g) == ConvAlgorithm::depthwise) {
    return DepthwiseConv<T>::input_gradient(g, dy, weight, bias, dx);
  }
  if (g.stride_h == 1 && g.stride_w == 1) {
    Workspace<T> flipped(g.weight_size());
    flip_weight(g, weight, flipped.data());
    return conv2d(adjoint_geometry(g), dy, flipped.data(), bias, dx);
  }
  ColumnConv<T>::input_gradient(g, dy, weight, bias, dx);
}

template <class T>
void conv2d_weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight) {
  if (g.y_size() == 0 || g.weight_size() == 0) {
    std::fill_n(dweight, g.weight_size(), T(0));
    return;
  }
  switch (choose_algorithm<T>(g)) {
    case ConvAlgorithm::depthwise:
      return DepthwiseConv<T>::weight_gradient(g, x, dy, dweight);
    case ConvAlgorithm::direct:
      return DirectConv<T>::weight_gradient(g, x, dy, dweight);
    default:
      return ColumnConv<T>::weight_gradient(g, x, dy, dweight);
  }
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

template ConvAlgorithm choose_algorithm<float>(const ConvGeometry&);
template ConvAlgorithm choose_algorithm<double>(const ConvGeometry&);
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
