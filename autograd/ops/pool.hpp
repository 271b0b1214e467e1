#pragma once

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/size_nd.hpp"

#include <optional>

namespace evenkeel {

struct MaxPool2dOptions {
  Size2 kernel_size = 2;
  std::optional<Size2> stride = {};  ///< kernel_size if absent
  Size2 padding = 0;
  Size2 dilation = 1;
  bool ceil_mode = false;
};
/// The largest value of each window; padding counts as -infinity; at a tie the first in row order gets the gradient.
/// x: (N, C, H, W) or (C, H, W).
Tensor max_pool2d(const Tensor& x, const MaxPool2dOptions& options);

struct AvgPool2dOptions {
  Size2 kernel_size = 2;
  std::optional<Size2> stride = {};
  Size2 padding = 0;
  bool ceil_mode = false;
  bool count_include_pad = true;
  std::optional<std::int64_t> divisor_override = {};
};
Tensor avg_pool2d(const Tensor& x, const AvgPool2dOptions& options);

/// Output cell i averages rows floor(i H / OH) to ceil((i + 1) H / OH) - 1, and columns likewise. A size of 0 in
/// `output_size` keeps the input's size on that axis (PyTorch's None).
Tensor adaptive_avg_pool2d(const Tensor& x, Size2 output_size);

}  // namespace evenkeel
