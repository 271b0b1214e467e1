#pragma once

#include "core/kernels/conv.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace evenkeel::kernels {

/// Output pixels [first, last) of each of `images` consecutive images; several images only with all their pixels.
struct PixelBlock {
  std::int64_t image = 0, images = 1;
  std::int64_t first = 0, last = 0;
  std::int64_t count() const { return images * (last - first); }
};

/// Cuts the pixels of images [first_image, last_image) into blocks of about `target` pixels: parts of one image, or
/// several images where one is small.
std::vector<PixelBlock> pixel_blocks(const ConvGeometry& g, std::int64_t first_image, std::int64_t last_image,
                                     std::int64_t target);

/// Columns j of an output row, [first, last), whose kernel column q reads inside the input.
struct InsideColumns {
  std::int64_t first = 0, last = 0;
  InsideColumns(const ConvGeometry& g, std::int64_t q) {
    const std::int64_t shift = g.pad_left - q * g.dilation_w;
    first = std::min(ceil_div(shift, g.stride_w), g.out_width);
    last = std::clamp(ceil_div(g.width + shift, g.stride_w), first, g.out_width);
  }

 private:
  static std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return a <= 0 ? 0 : (a - 1) / b + 1; }
};

/// columns[(c taps + p kernel_w + q)][pixel of the block] = the cell of x that the product needs, 0 outside x, for
/// `channels` channels from `first_channel` on.
template <class T>
void im2col(const ConvGeometry& g, const T* x, std::int64_t first_channel, std::int64_t channels,
            const PixelBlock& block, T* columns);
/// The adjoint: adds columns to the cells of dx they came from.
template <class T>
void col2im(const ConvGeometry& g, const T* columns, std::int64_t first_channel, std::int64_t channels,
            const PixelBlock& block, T* dx);

}  // namespace evenkeel::kernels
