#pragma once

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/size_nd.hpp"

namespace evenkeel {

/// Windows that slide over images.
struct UnfoldOptions {
  Size2 kernel_size;  ///< must be given
  Size2 dilation = 1;
  Size2 padding = 0;
  Size2 stride = 1;
};

/// Every window as a column (im2col): x (N, C, H, W) -> (N, C KH KW, L), or the same without N. The L = OH OW windows
/// are in row order, the rows of a column as a convolution's weight has them: channel, row, column. Cells of padding
/// are 0.
Tensor unfold(const Tensor& x, const UnfoldOptions& options);
/// The adjoint of unfold, for images of output_size (H, W): (N, C KH KW, L) -> (N, C, H, W), every cell the sum of what
/// windows have of it; or the same without N.
Tensor fold(const Tensor& x, Size2 output_size, const UnfoldOptions& options);

}  // namespace evenkeel
