#include "evenkeel/core/kernels/conv/conv.hpp"

#include "evenkeel/core/kernels/conv/algorithms.hpp"
#include "evenkeel/core/kernels/conv/depthwise.hpp"
#include "evenkeel/core/kernels/conv/im2col.hpp"
#include "evenkeel/core/kernels/conv/panel_conv.hpp"
#include "evenkeel/core/kernels/conv/product.hpp"
#include "evenkeel/core/kernels/conv/winograd.hpp"
#include "evenkeel/core/kernels/reduce/block_sum.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <type_traits>

namespace evenkeel::kernels {

template <class T>
void conv2d(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  if (g.y_size() == 0) {
    return;
  }
  const ConvAlgorithm algorithm = choose_algorithm<T>(g, ConvPass::forward);
  if (algorithm == ConvAlgorithm::depthwise) {
    DepthwiseConv<T>::forward(g, x, weight, bias, y);
  } else if (algorithm == ConvAlgorithm::winograd) {
    if constexpr (std::is_same_v<T, float>) {  // which is chosen for float only
      WinogradConv<T>::forward(g, x, weight, bias, y);
    }
  } else if (algorithm == ConvAlgorithm::im2col && is_product(g)) {
    ProductConv<T>::forward(g, x, weight, bias, y);
  } else if (algorithm == ConvAlgorithm::im2col) {
    Im2colConv<T>::forward(g, x, weight, bias, y);
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
  } else if (algorithm == ConvAlgorithm::winograd) {
    if constexpr (std::is_same_v<T, float>) {  // which is chosen for float only
      WinogradConv<T>::input_gradient(g, dy, weight, bias, dx);
    }
  } else if (algorithm == ConvAlgorithm::im2col && is_product(g)) {
    ProductConv<T>::input_gradient(g, dy, weight, bias, dx);
  } else if (algorithm == ConvAlgorithm::im2col) {
    Im2colConv<T>::input_gradient(g, dy, weight, bias, dx);
  } else {
    PanelConv<T>::input_gradient(g, algorithm, dy, weight, bias, dx);
  }
}

template <class T>
void conv2d_weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight) {
  const ConvAlgorithm algorithm = choose_algorithm<T>(g, ConvPass::weight_gradient);
  if (g.y_size() == 0 || g.weight_size() == 0) {
    std::fill_n(dweight, g.weight_size(), T(0));
  } else if (algorithm == ConvAlgorithm::depthwise) {
    DepthwiseConv<T>::weight_gradient(g, x, dy, dweight);
  } else if (algorithm == ConvAlgorithm::winograd) {
    if constexpr (std::is_same_v<T, float>) {  // which is chosen for float only
      WinogradConv<T>::weight_gradient(g, x, dy, dweight);
    }
  } else if (algorithm == ConvAlgorithm::im2col && is_product(g)) {
    ProductConv<T>::weight_gradient(g, x, dy, dweight);
  } else if (algorithm == ConvAlgorithm::im2col) {
    Im2colConv<T>::weight_gradient(g, x, dy, dweight);
  } else {
    PanelConv<T>::weight_gradient(g, x, dy, dweight);
  }
}

template <class T>
void channel_sums(std::int64_t batch, std::int64_t channels, std::int64_t inner, const T* dy, T* db) {
  const std::int64_t grain = grain_of(batch * inner);
  const std::int64_t image = channels * inner;
  dispatch_isa([&]<class Arch>() {
    using K = BlockSumKernels<Arch, T>;
    parallel_for(0, channels, grain, [&](std::int64_t begin, std::int64_t end) {
      if (inner == 1) {
        K::sum_columns(end - begin, batch, image, dy + begin, db + begin);
        return;
      }
      for (std::int64_t c = begin; c < end; ++c) {
        db[c] = static_cast<T>(K::sum(inner, batch, image, dy + c * inner));
      }
    });
  });
}

template void conv2d(const ConvGeometry&, const float*, const float*, const float*, float*);
template void conv2d(const ConvGeometry&, const double*, const double*, const double*, double*);
template void conv2d_input_gradient(const ConvGeometry&, const float*, const float*, const float*, float*);
template void conv2d_input_gradient(const ConvGeometry&, const double*, const double*, const double*, double*);
template void conv2d_weight_gradient(const ConvGeometry&, const float*, const float*, float*);
template void conv2d_weight_gradient(const ConvGeometry&, const double*, const double*, double*);
template void channel_sums(std::int64_t, std::int64_t, std::int64_t, const float*, float*);
template void channel_sums(std::int64_t, std::int64_t, std::int64_t, const double*, double*);

}  // namespace evenkeel::kernels
