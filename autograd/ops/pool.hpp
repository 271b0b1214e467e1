#pragma once

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/size_nd.hpp"

#include <optional>
#include <string_view>

namespace evenkeel {

// Pools over the last D axes of x: (N, C, *) or (C, *), D = 1 for (L), 2 for (H, W), 3 for (D, H, W). Under PyTorch's
// names each number of axes has a function of its own: max_pool2d(x, {.kernel_size = 3}).

template <int D>
struct MaxPoolOptions {
  SizeND<D> kernel_size = 2;
  std::optional<SizeND<D>> stride = {};  ///< kernel_size if absent; of several numbers: SizeND<D>(2, 1)
  SizeND<D> padding = 0;                 ///< at most half of kernel_size
  SizeND<D> dilation = 1;
  bool ceil_mode = false;  ///< a last window may hang over the end if it starts inside the input or the padding before
};
using MaxPool1dOptions = MaxPoolOptions<1>;
using MaxPool2dOptions = MaxPoolOptions<2>;
using MaxPool3dOptions = MaxPoolOptions<3>;

/// The largest values and where they are: flat int64 indices into the pooled axes, (d H + h) W + w.
struct MaxPooled {
  Tensor values, indices;
};

/// The largest value of each window; padding counts as -infinity; at a tie the first in row order gets the gradient.
/// NaN is larger than all. A window that dilation leaves without a cell is refused.
template <int D>
Tensor max_pool(const Tensor& x, const MaxPoolOptions<D>& options);
/// The same with the places, which max_unpool (autograd/ops/max_unpool.hpp) takes: PyTorch's return_indices=True.
template <int D>
MaxPooled max_pool_with_indices(const Tensor& x, const MaxPoolOptions<D>& options);

template <int D>
struct AvgPoolOptions {
  SizeND<D> kernel_size = 2;
  std::optional<SizeND<D>> stride = {};  ///< kernel_size if absent; of several numbers: SizeND<D>(2, 1)
  SizeND<D> padding = 0;                 ///< at most half of kernel_size
  bool ceil_mode = false;
  bool count_include_pad = true;                      ///< the divisor counts zeros of the padding
  std::optional<std::int64_t> divisor_override = {};  ///< not 0
};
using AvgPool1dOptions = AvgPoolOptions<1>;
using AvgPool2dOptions = AvgPoolOptions<2>;
using AvgPool3dOptions = AvgPoolOptions<3>;

/// The sum of each window over its number of cells. Cells behind the padding at the end, which ceil_mode lets a window
/// reach, never count.
template <int D>
Tensor avg_pool(const Tensor& x, const AvgPoolOptions<D>& options);

/// Along each axis output cell i averages cells floor(i N / O) to ceil((i + 1) N / O) - 1 of N. A size of 0 in
/// `output_size` keeps the input's size on that axis (PyTorch's None).
template <int D>
Tensor adaptive_avg_pool(const Tensor& x, const SizeND<D>& output_size);
/// The largest value of each of these windows; see max_pool.
template <int D>
Tensor adaptive_max_pool(const Tensor& x, const SizeND<D>& output_size);
template <int D>
MaxPooled adaptive_max_pool_with_indices(const Tensor& x, const SizeND<D>& output_size);

/// Throws what the pools would throw of options that no input fits.
template <int D>
void check_pool(std::string_view op, const MaxPoolOptions<D>& options);
template <int D>
void check_pool(std::string_view op, const AvgPoolOptions<D>& options);
/// The same for adaptive pools: sizes must not be negative.
template <int D>
void check_pool(std::string_view op, const SizeND<D>& output_size);

inline Tensor max_pool1d(const Tensor& x, const MaxPool1dOptions& options) { return max_pool(x, options); }
inline Tensor max_pool2d(const Tensor& x, const MaxPool2dOptions& options) { return max_pool(x, options); }
inline Tensor max_pool3d(const Tensor& x, const MaxPool3dOptions& options) { return max_pool(x, options); }
inline MaxPooled max_pool1d_with_indices(const Tensor& x, const MaxPool1dOptions& options) {
  return max_pool_with_indices(x, options);
}
inline MaxPooled max_pool2d_with_indices(const Tensor& x, const MaxPool2dOptions& options) {
  return max_pool_with_indices(x, options);
}
inline MaxPooled max_pool3d_with_indices(const Tensor& x, const MaxPool3dOptions& options) {
  return max_pool_with_indices(x, options);
}
inline Tensor avg_pool1d(const Tensor& x, const AvgPool1dOptions& options) { return avg_pool(x, options); }
inline Tensor avg_pool2d(const Tensor& x, const AvgPool2dOptions& options) { return avg_pool(x, options); }
inline Tensor avg_pool3d(const Tensor& x, const AvgPool3dOptions& options) { return avg_pool(x, options); }
inline Tensor adaptive_avg_pool1d(const Tensor& x, SizeND<1> output_size) { return adaptive_avg_pool(x, output_size); }
inline Tensor adaptive_avg_pool2d(const Tensor& x, SizeND<2> output_size) { return adaptive_avg_pool(x, output_size); }
inline Tensor adaptive_avg_pool3d(const Tensor& x, SizeND<3> output_size) { return adaptive_avg_pool(x, output_size); }
inline Tensor adaptive_max_pool1d(const Tensor& x, SizeND<1> output_size) { return adaptive_max_pool(x, output_size); }
inline Tensor adaptive_max_pool2d(const Tensor& x, SizeND<2> output_size) { return adaptive_max_pool(x, output_size); }
inline Tensor adaptive_max_pool3d(const Tensor& x, SizeND<3> output_size) { return adaptive_max_pool(x, output_size); }
inline MaxPooled adaptive_max_pool1d_with_indices(const Tensor& x, SizeND<1> output_size) {
  return adaptive_max_pool_with_indices(x, output_size);
}
inline MaxPooled adaptive_max_pool2d_with_indices(const Tensor& x, SizeND<2> output_size) {
  return adaptive_max_pool_with_indices(x, output_size);
}
inline MaxPooled adaptive_max_pool3d_with_indices(const Tensor& x, SizeND<3> output_size) {
  return adaptive_max_pool_with_indices(x, output_size);
}

}  // namespace evenkeel
