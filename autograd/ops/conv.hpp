#pragma once

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/size_nd.hpp"

#include <concepts>
#include <cstdint>

namespace evenkeel {

/// Padding of a convolution: a number, a pair, "valid" (none) or "same" (output size = input size; stride 1 only; for
/// an even kernel the extra cell goes after, not before).
struct Padding {
  Size2 size = 0;
  bool same = false;
  template <std::integral Int>                 // a template, so that a literal 0 is no null pointer
  constexpr Padding(Int both) : size(both) {}  // NOLINT(google-explicit-constructor)
  constexpr Padding(std::int64_t h, std::int64_t w) : size(h, w) {}
  constexpr Padding(Size2 s) : size(s) {}  // NOLINT(google-explicit-constructor)
  Padding(const char* mode);               // NOLINT(google-explicit-constructor): "same" or "valid", else throws
};

struct ConvOptions {
  Size2 stride = 1;
  Padding padding = 0;
  Size2 dilation = 1;
  std::int64_t groups = 1;
};

/// y[n,o,i,j] = bias[o] + sum_{c,p,q} weight[o,c,p,q] x[n, c + g C/groups, i stride - padding + p dilation, ...]
/// (cross-correlation; g is o's group). x: (N, C, H, W) or (C, H, W); weight: (O, C/groups, KH, KW); bias: (O) or
/// undefined; y: (N, O, OH, OW), OH = (H + 2 padding - dilation (KH - 1) - 1) / stride + 1, rounded down.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvOptions& options = {});

struct ConvTransposeOptions {
  Size2 stride = 1;
  Size2 padding = 0;
  Size2 output_padding = 0;
  Size2 dilation = 1;
  std::int64_t groups = 1;
};
/// The adjoint of conv2d. x: (N, C, H, W); weight: (C, O/groups, KH, KW); y: (N, O, OH, OW),
/// OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTransposeOptions& options = {});

}  // namespace evenkeel
