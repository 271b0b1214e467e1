#pragma once

#include "core/kernels/conv_direct.hpp"
#include "core/kernels/simd/batch.hpp"

namespace evenkeel::kernels {
namespace simd::conv_direct {

/// Where product (c, p, q) of the first pixel is read, in elements of the padded block.
template <class Arch>
std::int64_t offset(const DirectBlock& block, std::int64_t c, std::int64_t p, std::int64_t q) {
  return c * block.plane_stride + p * block.dilation_h * block.row_stride + q * block.dilation_w;
}

/// y of `outputs` channels (of one tile) at kSegments segments, from number `first` on.
template <class Arch, class T, int kSegments>
void forward_tile(const DirectForward<T>& job, std::int64_t first, std::int64_t tile) {
  constexpr int kOutputs = DirectTile<Arch, T>::outputs;
  using V = Batch<Arch, T>;
  const DirectBlock& block = job.block;
  const std::int64_t per_row = (block.width + kLanes<Arch, T> - 1) / kLanes<Arch, T>;
  const T* x[kSegments];
  for (int s = 0; s < kSegments; ++s) {
    x[s] = job.x + (first + s) / per_row * block.row_stride + (first + s) % per_row * kLanes<Arch, T>;
  }
  V sum[kOutputs][kSegments];
  for (int o = 0; o < kOutputs; ++o) {
    for (int s = 0; s < kSegments; ++s) {
      sum[o][s] = V(job.bias[tile * kOutputs + o]);
    }
  }
  const T* w = job.weight + tile * kOutputs * block.channels * block.kernel_h * block.kernel_w;
  for (std::int64_t c = 0; c < block.channels; ++c) {
    for (std::int64_t p = 0; p < block.kernel_h; ++p) {
      for (std::int64_t q = 0; q < block.kernel_w; ++q, w += kOutputs) {
        const std::int64_t start = offset<Arch>(block, c, p, q);
        V in[kSegments];
        for (int s = 0; s < kSegments; ++s) {
          in[s] = V::load_unaligned(x[s] + start);
        }
        for (int o = 0; o < kOutputs; ++o) {
          const V weight(w[o]);
          for (int s = 0; s < kSegments; ++s) {
            sum[o][s] = xsimd::fma(weight, in[s], sum[o][s]);
          }
        }
      }
    }
  }
  for (int o = 0; o < kOutputs && tile * kOutputs + o < job.outputs; ++o) {
    for (int s = 0; s < kSegments; ++s) {
      const std::int64_t column = (first + s) % per_row * kLanes<Arch, T>;
      T* y = job.y + (tile * kOutputs + o) * job.y_plane + (first + s) / per_row * block.width + column;
      if (block.width - column >= kLanes<Arch, T>) {
        sum[o][s].store_unaligned(y);
      } else {
        store_partial<Arch, T>(sum[o][s], y, block.width - column);
      }
    }
  }
}

/// Partial sums of grad_outputs channels by grad_products kernel cells, one per lane.
template <class Arch, class T>
struct GradientSums {
  static constexpr int kOutputs = DirectTile<Arch, T>::grad_outputs;
  static constexpr int kProducts = DirectTile<Arch, T>::grad_products;
  using V = Batch<Arch, T>;
  V sum[kOutputs][kProducts];
  std::int64_t x_offset[kProducts];
  std::int64_t dy_offset[kOutputs];

  /// Adds the products of one segment. kMasked: lanes outside `inside` belong to no pixel; what x holds there (which
  /// may be NaN) is replaced by 0, as dy is 0.
  template <bool kMasked>
  inline void add(const T* x, const T* dy, const typename V::batch_bool_type& inside) {
    V gradient[kOutputs];
    for (int o = 0; o < kOutputs; ++o) {
      gradient[o] = V::load_unaligned(dy + dy_offset[o]);
    }
    for (int k = 0; k < kProducts; ++k) {
      V in = V::load_unaligned(x + x_offset[k]);
      if constexpr (kMasked) {
        in = xsimd::select(inside, in, V(T(0)));
      }
      for (int o = 0; o < kOutputs; ++o) {
        sum[o][k] = xsimd::fma(gradient[o], in, sum[o][k]);
      }
    }
  }
};

/// dw of the kernel cells from number `first` on. Beyond the last channel or cell the last is computed again and
/// dropped.
template <class Arch, class T>
void gradient_tile(const DirectWeightGradient<T>& job, std::int64_t first) {
  using Sums = GradientSums<Arch, T>;
  using V = Batch<Arch, T>;
  const DirectBlock& block = job.block;
  const std::int64_t taps = block.kernel_h * block.kernel_w;
  const std::int64_t products = block.channels * taps;
  Sums sums;
  std::int64_t c = first / taps, p = first % taps / block.kernel_w, q = first % taps % block.kernel_w;
  for (int k = 0; k < Sums::kProducts; ++k) {
    sums.x_offset[k] = offset<Arch>(block, c, p, q);
    if (first + k + 1 < products && ++q == block.kernel_w) {
      q = 0;
      if (++p == block.kernel_h) {
        p = 0;
        ++c;
      }
    }
  }
  for (int o = 0; o < Sums::kOutputs; ++o) {
    sums.dy_offset[o] = (o < job.outputs ? o : job.outputs - 1) * job.dy_plane;
    for (int k = 0; k < Sums::kProducts; ++k) {
      sums.sum[o][k] = V(T(0));
    }
  }
  const std::int64_t rest = block.width % kLanes<Arch, T>;
  bool lanes[static_cast<std::size_t>(kLanes<Arch, T>)];
  for (std::int64_t i = 0; i < kLanes<Arch, T>; ++i) {
    lanes[i] = i < rest;
  }
  const auto inside = V::batch_bool_type::load_unaligned(lanes);
  for (std::int64_t image = 0; image < job.images; ++image) {
    for (std::int64_t i = 0; i < block.rows; ++i) {
      const T* x = job.x + image * job.x_image + i * block.row_stride;
      const T* dy = job.dy + image * job.dy_image + i * job.dy_row;
      for (std::int64_t j = rest; j < block.width; j += kLanes<Arch, T>, x += kLanes<Arch, T>, dy += kLanes<Arch, T>) {
        sums.template add<false>(x, dy, inside);
      }
      if (rest != 0) {
        sums.template add<true>(x, dy, inside);
      }
    }
  }
  for (int o = 0; o < Sums::kOutputs && o < job.outputs; ++o) {
    for (int k = 0; k < Sums::kProducts && first + k < products; ++k) {
      job.dw[o * job.dw_row + first + k] += xsimd::hadd(sums.sum[o][k]);
    }
  }
}

}  // namespace simd::conv_direct

template <class Arch, class T>
void ConvDirectKernels<Arch, T>::forward(const DirectForward<T>& job) {
  constexpr int kOutputs = DirectTile<Arch, T>::outputs;
  constexpr int kSegments = DirectTile<Arch, T>::segments;
  const std::int64_t tiles = (job.outputs + kOutputs - 1) / kOutputs;
  const std::int64_t segments =
      job.block.rows * ((job.block.width + simd::kLanes<Arch, T> - 1) / simd::kLanes<Arch, T>);
  std::int64_t first = 0;
  for (; first + kSegments <= segments; first += kSegments) {
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      simd::conv_direct::forward_tile<Arch, T, kSegments>(job, first, tile);
    }
  }
  for (; first < segments; ++first) {
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      simd::conv_direct::forward_tile<Arch, T, 1>(job, first, tile);
    }
  }
}

template <class Arch, class T>
void ConvDirectKernels<Arch, T>::weight_gradient(const DirectWeightGradient<T>& job) {
  const std::int64_t products = job.block.channels * job.block.kernel_h * job.block.kernel_w;
  for (std::int64_t first = 0; first < products; first += DirectTile<Arch, T>::grad_products) {
    simd::conv_direct::gradient_tile<Arch, T>(job, first);
  }
}

}  // namespace evenkeel::kernels
