#pragma once

#include "evenkeel/core/kernels/conv/conv.hpp"
#include "tests/support/reference.hpp"

namespace evenkeel::reference {

/// A convolution as the kernels take it.
inline ConvGeometry geometry(const Conv& s) {
  return {.batch = s.n,
          .channels = s.c,
          .height = s.h,
          .width = s.w,
          .out_channels = s.o,
          .out_height = s.oh(),
          .out_width = s.ow(),
          .kernel_h = s.kh,
          .kernel_w = s.kw,
          .stride_h = s.stride_h,
          .stride_w = s.stride_w,
          .pad_top = s.pad_h,
          .pad_left = s.pad_w,
          .dilation_h = s.dilation_h,
          .dilation_w = s.dilation_w,
          .groups = s.groups};
}

}  // namespace evenkeel::reference
