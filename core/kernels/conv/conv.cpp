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

namespace {

/// PanelConv with the tiles that the table chose.
template <class T>
struct ChosenPanels {
  ConvAlgorithm algorithm;
  void forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) const {
    PanelConv<T>::forward(g, algorithm, x, weight, bias, y);
  }
  void input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) const {
    PanelConv<T>::input_gradient(g, algorithm, dy, weight, bias, dx);
  }
  void weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight, T* dbias) const {
    PanelConv<T>::weight_gradient(g, x, dy, dweight, dbias);
  }
};

/// x as an algorithm reads it: by its map, if it can (reads_through_map).
template <class Conv, class T>
decltype(auto) input_for(const MappedPlanes<T>& x) {
  if constexpr (std::is_same_v<Conv, WinogradConv<T>>) {
    return (x);
  } else {
    return x.x;
  }
}

/// run(the algorithm that has the passes) by the table.
template <class T, class Run>
void run_chosen(const ConvGeometry& g, ConvPass pass, const Run& run) {
  const ConvAlgorithm algorithm = choose_algorithm<T>(g, pass);
  if (algorithm == ConvAlgorithm::depthwise) {
    run(DepthwiseConv<T>());
  } else if (algorithm == ConvAlgorithm::winograd) {
    if constexpr (std::is_same_v<T, float>) {  // which is chosen for float only
      run(WinogradConv<T>());
    }
  } else if (algorithm != ConvAlgorithm::im2col) {
    run(ChosenPanels<T>{algorithm});
  } else if (is_product(g)) {
    run(ProductConv<T>());
  } else {
    run(Im2colConv<T>());
  }
}

}  // namespace

template <class T>
bool reads_through_map(const ConvGeometry& g, bool forward) {
  return choose_algorithm<T>(g, forward ? ConvPass::forward : ConvPass::weight_gradient) == ConvAlgorithm::winograd;
}

template <class T>
void conv2d(const ConvGeometry& g, const std::type_identity_t<MappedPlanes<T>>& x, const T* weight, const T* bias,
            T* y) {
  if (g.y_size() > 0) {
    run_chosen<T>(g, ConvPass::forward,
                  [&]<class Conv>(const Conv& conv) { conv.forward(g, input_for<Conv>(x), weight, bias, y); });
  }
}

template <class T>
void conv2d_input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
  if (g.x_size() > 0) {
    run_chosen<T>(g, ConvPass::input_gradient, [&](const auto& conv) { conv.input_gradient(g, dy, weight, bias, dx); });
  }
}

template <class T>
void conv2d_weight_gradient(const ConvGeometry& g, const std::type_identity_t<MappedPlanes<T>>& x, const T* dy,
                            T* dweight, T* dbias) {
  const auto sum_channels = [&] {
    if (dbias != nullptr) {
      channel_sums(g.batch, g.out_channels, g.pixels(), dy, dbias);
    }
  };
  if (g.y_size() == 0 || g.weight_size() == 0) {
    std::fill_n(dweight, g.weight_size(), T(0));
    sum_channels();
    return;
  }
  run_chosen<T>(g, ConvPass::weight_gradient, [&]<class Conv>(const Conv& conv) {
    if constexpr (std::is_same_v<Conv, ChosenPanels<T>>) {
      conv.weight_gradient(g, x.x, dy, dweight, dbias);
    } else {
      conv.weight_gradient(g, input_for<Conv>(x), dy, dweight);
      sum_channels();
    }
  });
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

template bool reads_through_map<float>(const ConvGeometry&, bool);
template bool reads_through_map<double>(const ConvGeometry&, bool);
template void conv2d(const ConvGeometry&, const MappedPlanes<float>&, const float*, const float*, float*);
template void conv2d(const ConvGeometry&, const MappedPlanes<double>&, const double*, const double*, double*);
template void conv2d_input_gradient(const ConvGeometry&, const float*, const float*, const float*, float*);
template void conv2d_input_gradient(const ConvGeometry&, const double*, const double*, const double*, double*);
template void conv2d_weight_gradient(const ConvGeometry&, const MappedPlanes<float>&, const float*, float*, float*);
template void conv2d_weight_gradient(const ConvGeometry&, const MappedPlanes<double>&, const double*, double*, double*);
template void channel_sums(std::int64_t, std::int64_t, std::int64_t, const float*, float*);
template void channel_sums(std::int64_t, std::int64_t, std::int64_t, const double*, double*);

}  // namespace evenkeel::kernels
