#include "core/kernels/conv_columns.hpp"

namespace evenkeel::kernels {
namespace {

/// Calls visit(i, first, last, position) for the rows i of the output that a block touches in one image: columns
/// [first, last) of that row, the first of which is number `position` among the block's pixels of the image.
template <class Visit>
void for_each_row(const ConvGeometry& g, const PixelBlock& block, const Visit& visit) {
  for (std::int64_t pixel = block.first; pixel < block.last;) {
    const std::int64_t i = pixel / g.out_width;
    const std::int64_t first = pixel - i * g.out_width;
    const std::int64_t last = std::min(g.out_width, first + block.last - pixel);
    visit(i, first, last, pixel - block.first);
    pixel += last - first;
  }
}

/// Calls visit(row of the column matrix, plane offset, p, q, run) for all channels, images and kernel cells.
template <class Visit>
void for_each_column_row(const ConvGeometry& g, std::int64_t first_channel, std::int64_t channels,
                         const PixelBlock& block, const Visit& visit) {
  std::int64_t row = 0;
  for (std::int64_t c = first_channel; c < first_channel + channels; ++c) {
    for (std::int64_t p = 0; p < g.kernel_h; ++p) {
      for (std::int64_t q = 0; q < g.kernel_w; ++q, ++row) {
        const InsideColumns inside(g, q);
        for (std::int64_t k = 0; k < block.images; ++k) {
          const std::int64_t plane = ((block.image + k) * g.channels + c) * g.plane();
          const std::int64_t start = row * block.count() + k * (block.last - block.first);
          visit(start, plane, p, q, inside);
        }
      }
    }
  }
}

}  // namespace

std::vector<PixelBlock> pixel_blocks(const ConvGeometry& g, std::int64_t first_image, std::int64_t last_image,
                                     std::int64_t target) {
  std::vector<PixelBlock> blocks;
  const std::int64_t pixels = g.pixels();
  if (constexpr std::int64_t kSmallImage = 128; pixels < kSmallImage) {
    const std::int64_t images = std::max<std::int64_t>(1, target / pixels);
    for (std::int64_t image = first_image; image < last_image; image += images) {
      blocks.push_back({image, std::min(images, last_image - image), 0, pixels});
    }
    return blocks;
  }
  const std::int64_t per_image = (pixels + target - 1) / target;
  const std::int64_t size = ((pixels + per_image - 1) / per_image + 15) / 16 * 16;
  for (std::int64_t image = first_image; image < last_image; ++image) {
    for (std::int64_t first = 0; first < pixels; first += size) {
      blocks.push_back({image, 1, first, std::min(first + size, pixels)});
    }
  }
  return blocks;
}

template <class T>
void im2col(const ConvGeometry& g, const T* x, std::int64_t first_channel, std::int64_t channels,
            const PixelBlock& block, T* columns) {
  for_each_column_row(
      g, first_channel, channels, block,
      [&](std::int64_t start, std::int64_t plane, std::int64_t p, std::int64_t q, InsideColumns inside) {
        for_each_row(g, block, [&](std::int64_t i, std::int64_t first, std::int64_t last, std::int64_t position) {
          T* out = columns + start + position;
          const std::int64_t row = i * g.stride_h - g.pad_top + p * g.dilation_h;
          if (row < 0 || row >= g.height) {
            std::fill(out, out + (last - first), T(0));
            return;
          }
          const std::int64_t from = std::clamp(inside.first, first, last);
          const std::int64_t to = std::clamp(inside.last, from, last);
          const T* in = x + plane + row * g.width + (from * g.stride_w - g.pad_left + q * g.dilation_w);
          out = std::fill_n(out, from - first, T(0));
          if (g.stride_w == 1) {
            out = std::copy(in, in + (to - from), out);
          } else {
            for (std::int64_t j = from; j < to; ++j, in += g.stride_w) {
              *out++ = *in;
            }
          }
          std::fill_n(out, last - to, T(0));
        });
      });
}

template <class T>
void col2im(const ConvGeometry& g, const T* columns, std::int64_t first_channel, std::int64_t channels,
            const PixelBlock& block, T* dx) {
  for_each_column_row(
      g, first_channel, channels, block,
      [&](std::int64_t start, std::int64_t plane, std::int64_t p, std::int64_t q, InsideColumns inside) {
        for_each_row(g, block, [&](std::int64_t i, std::int64_t first, std::int64_t last, std::int64_t position) {
          const std::int64_t row = i * g.stride_h - g.pad_top + p * g.dilation_h;
          const std::int64_t from = std::clamp(inside.first, first, last);
          const std::int64_t to = std::clamp(inside.last, from, last);
          if (row < 0 || row >= g.height || from == to) {
            return;
          }
          const T* in = columns + start + position + (from - first);
          T* out = dx + plane + row * g.width + (from * g.stride_w - g.pad_left + q * g.dilation_w);
          for (std::int64_t j = from; j < to; ++j, out += g.stride_w) {
            *out += *in++;
          }
        });
      });
}

template void im2col(const ConvGeometry&, const float*, std::int64_t, std::int64_t, const PixelBlock&, float*);
template void im2col(const ConvGeometry&, const double*, std::int64_t, std::int64_t, const PixelBlock&, double*);
template void col2im(const ConvGeometry&, const float*, std::int64_t, std::int64_t, const PixelBlock&, float*);
template void col2im(const ConvGeometry&, const double*, std::int64_t, std::int64_t, const PixelBlock&, double*);

}  // namespace evenkeel::kernels
