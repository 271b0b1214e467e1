#pragma once

#include "evenkeel/core/kernels/norm/plane_map.hpp"

#include <cstdint>
#include <type_traits>

namespace evenkeel {

/// Sizes of a 2-d convolution (cross-correlation) of contiguous arrays:
///   y[n,o,i,j] = bias[o] + sum_{c,p,q} w[o,c,p,q] x[n, c + group(o) C/groups, i stride - pad + p dilation, ...]
///   x: (batch, channels, height, width); w: (out_channels, channels / groups, kernel_h, kernel_w);
///   y: (batch, out_channels, out_height, out_width).
/// Cells outside x count as 0; there are as many after the last row and column as the output size implies, so padding
/// may differ before and after, and a negative pad crops.
struct ConvGeometry {
  std::int64_t batch = 1, channels = 1, height = 1, width = 1;
  std::int64_t out_channels = 1, out_height = 1, out_width = 1;
  std::int64_t kernel_h = 1, kernel_w = 1;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_top = 0, pad_left = 0;
  std::int64_t dilation_h = 1, dilation_w = 1;
  std::int64_t groups = 1;

  std::int64_t group_channels() const { return channels / groups; }
  std::int64_t group_outputs() const { return out_channels / groups; }
  std::int64_t taps() const { return kernel_h * kernel_w; }
  std::int64_t patch() const { return group_channels() * taps(); }  ///< products per output
  std::int64_t plane() const { return height * width; }
  std::int64_t pixels() const { return out_height * out_width; }
  std::int64_t x_size() const { return batch * channels * plane(); }
  std::int64_t y_size() const { return batch * out_channels * pixels(); }
  std::int64_t weight_size() const { return out_channels * patch(); }
};

namespace kernels {

// All write their result completely (whatever was there), use the threads of parallel_for also at batch 1, and give the
// same bits for any number of threads. T is float or double. `bias` may be null. The algorithm follows from the sizes
// unless a ConvAlgorithmGuard (algorithms.hpp) says otherwise. Planes with a map are for those that read through it.

/// Whether the weight's gradient or, if `forward`, conv2d applies a map to x as it reads it. (A map costs Winograd's 2
/// to 4%; the others would apply it to each copy that they make of a number.)
template <class T>
bool reads_through_map(const ConvGeometry& g, bool forward);

template <class T>
void conv2d(const ConvGeometry& g, const std::type_identity_t<MappedPlanes<T>>& x, const T* weight, const T* bias,
            T* y);
/// dx = the adjoint of x -> conv2d(x), applied to dy (a transposed convolution). `bias`, if not null, holds one value
/// per channel of x that is added.
template <class T>
void conv2d_input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx);
/// `dbias`, if not null, gets channel_sums() of dy, which most algorithms then read only once.
template <class T>
void conv2d_weight_gradient(const ConvGeometry& g, const std::type_identity_t<MappedPlanes<T>>& x, const T* dy,
                            T* dweight, T* dbias = nullptr);
/// db[c] = sum over batch and inner of dy (batch, channels, inner), in double over blocks.
template <class T>
void channel_sums(std::int64_t batch, std::int64_t channels, std::int64_t inner, const T* dy, T* db);

}  // namespace kernels
}  // namespace evenkeel
