#pragma once

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/size_nd.hpp"

#include <concepts>
#include <cstdint>

namespace evenkeel {

/// Padding of a convolution over D axes: a number, D numbers, "valid" (none) or "same" (output size = input size;
/// stride 1 only; for an even kernel the extra cell goes after, not before).
template <int D>
struct ConvPadding {
  SizeND<D> size = 0;
  bool same = false;
  template <std::integral Int>                     // a template, so that a literal 0 is no null pointer
  constexpr ConvPadding(Int all) : size(all) {}    // NOLINT(google-explicit-constructor)
  constexpr ConvPadding(SizeND<D> s) : size(s) {}  // NOLINT(google-explicit-constructor)
  template <std::integral... Each>
  requires(D > 1 && sizeof...(Each) == D) constexpr ConvPadding(Each... each) : size(each...) {}
  ConvPadding(const char* mode);  // NOLINT(google-explicit-constructor): "same" or "valid", else throws
};

template <int D>
struct ConvNdOptions {
  SizeND<D> stride = 1;
  ConvPadding<D> padding = 0;
  SizeND<D> dilation = 1;
  std::int64_t groups = 1;
};

using Padding = ConvPadding<2>;
using ConvOptions = ConvNdOptions<2>;

/// Over images:
///   y[n,o,i,j] = bias[o] + sum_{c,p,q} weight[o,c,p,q] x[n, c + g C/groups, i stride - padding + p dilation, ...]
/// (cross-correlation; g is o's group). x: (N, C, H, W) or (C, H, W); weight: (O, C/groups, KH, KW); bias: (O) or
/// undefined; y: (N, O, OH, OW), OH = (H + 2 padding - dilation (KH - 1) - 1) / stride + 1, rounded down.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvOptions& options = {});
/// The same over lines, x: (N, C, L) or (C, L); weight: (O, C/groups, K).
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvNdOptions<1>& options = {});
/// The same over volumes, x: (N, C, D, H, W) or (C, D, H, W); weight: (O, C/groups, KD, KH, KW). Each window along the
/// depth is an image of C KD channels: while a pass runs, they take memory of KD / (stride of depth) times x's.
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvNdOptions<3>& options = {});

template <int D>
struct ConvTransposeNdOptions {
  SizeND<D> stride = 1;
  SizeND<D> padding = 0;
  SizeND<D> output_padding = 0;  ///< smaller than stride or dilation
  SizeND<D> dilation = 1;
  std::int64_t groups = 1;
};

using ConvTransposeOptions = ConvTransposeNdOptions<2>;

/// The adjoint of conv2d. x: (N, C, H, W) or (C, H, W); weight: (C, O/groups, KH, KW); y: (N, O, OH, OW),
/// OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTransposeOptions& options = {});
/// The adjoint of conv1d. x: (N, C, L) or (C, L); weight: (C, O/groups, K).
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTransposeNdOptions<1>& options = {});
/// The adjoint of conv3d. x: (N, C, D, H, W) or (C, D, H, W); weight: (C, O/groups, KD, KH, KW).
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTransposeNdOptions<3>& options = {});

}  // namespace evenkeel
