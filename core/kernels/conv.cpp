#include "core/kernels/conv.hpp"

#include "core/kernels/block_sum.hpp"
#include "core/kernels/conv_algorithms.hpp"
#include "core/kernels/conv_panels.hpp"
#include "core/kernels/conv_stage_shape.hpp"
#include "core/parallel.hpp"

#include <algorithm>

namespace evenkeel::kernels {
namespace {

/// A direct convolution computes whole registers of an output row; below this share of used lanes, packing wins.
constexpr double kMinLaneUse = 0.7;

}  // namespace

template <class T>
ConvAlgorithm choose_algorithm(const ConvGeometry& g, ConvPass pass) {
  if (g.group_channels() == 1 && g.groups > 1) {
    return ConvAlgorithm::depthwise;
  }
  const std::int64_t lanes = dispatch_isa([]<class Arch>() { return PanelTile<Arch, T>::lanes; });
  const std::int64_t columns = pass == ConvPass::forward ? g.out_width : ceil_div(g.width, g.stride_w);
  const std::int64_t computed = ceil_div(columns, lanes) * lanes;
  const bool lanes_used = static_cast<double>(columns) >= kMinLaneUse * static_cast<double>(computed);
  return pass != ConvPass::weight_gradient && lanes_used ? ConvAlgorithm::direct : ConvAlgorithm::panels;
}

template <class T>
void conv2d(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  if (g.y_size() == 0) {
    return;
  }
  const ConvAlgorithm algorithm = choose_algorithm<T>(g, ConvPass::forward);
  if (algorithm == ConvAlgorithm::depthwise) {
    DepthwiseConv<T>::forward(g, x, weight, bias, y);
  } else {
    PanelConv<T>::forward(g, algorithm, x, weight, bias, y);
  }
}

template <class T>
void conv2d_input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
  if (g.x_size() == 0) {
    return;
  }
  const ConvAlgorithm algorithm = choose_algorithm<T>(g, ConvPass::input_gradient);
  if (algorithm == ConvAlgorithm::depthwise) {
    DepthwiseConv<T>::input_gradient(g, dy, weight, bias, dx);
  } else {
    PanelConv<T>::input_gradient(g, algorithm, dy, weight, bias, dx);
  }
}

template <class T>
void conv2d_weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight) {
  if (g.y_size() == 0 || g.weight_size() == 0) {
    std::fill_n(dweight, g.weight_size(), T(0));
  } else if (choose_algorithm<T>(g, ConvPass::weight_gradient) == ConvAlgorithm::depthwise) {
    DepthwiseConv<T>::weight_gradient(g, x, dy, dweight);
  } else {
    PanelConv<T>::weight_gradient(g, x, dy, dweight);
  }
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

template ConvAlgorithm choose_algorithm<float>(const ConvGeometry&, ConvPass);
template ConvAlgorithm choose_algorithm<double>(const ConvGeometry&, ConvPass);
template void conv2d(const ConvGeometry&, const float*, const float*, const float*, float*);
template void conv2d(const ConvGeometry&, const double*, const double*, const double*, double*);
template void conv2d_input_gradient(const ConvGeometry&, const float*, const float*, const float*, float*);
template void conv2d_input_gradient(const ConvGeometry&, const double*, const double*, const double*, double*);
template void conv2d_weight_gradient(const ConvGeometry&, const float*, const float*, float*);
template void conv2d_weight_gradient(const ConvGeometry&, const double*, const double*, double*);
template void channel_sums(std::int64_t, std::int64_t, std::int64_t, const float*, float*);
template void channel_sums(std::int64_t, std::int64_t, std::int64_t, const double*, double*);

}  // namespace evenkeel::kernels
