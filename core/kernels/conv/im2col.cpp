#include "evenkeel/core/kernels/conv/im2col.hpp"

#include "evenkeel/core/kernels/matmul/gemm.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>

// A convolution of one image (and group) is a product of two matrices, Y = W X:
//   W (outputs, patch)   the weight as it is stored
//   Y (outputs, pixels)  y as it is stored
//   X (patch, pixels)    the column matrix: row (c, p, q) holds, for every output pixel (i, j), the cell that this tap
//                        of the kernel meets: x[c, i stride - pad + p dilation, j stride - pad + q dilation], or 0
//                        outside of x. Each of its columns is the patch of x that one pixel of y is made of.
// A kernel of 2x2 on one channel of 3x3:
//
//      x            tap (p, q)     pixel (i, j):  (0,0)  (0,1)  (1,0)  (1,1)
//    a b c            (0,0)                         a      b      d      e
//    d e f            (0,1)                         b      c      e      f
//    g h i            (1,0)                         d      e      g      h
//                     (1,1)                         e      f      h      i
//
// im2col makes a block of X from x; col2im adds a block to the cells that it came from, which is the adjoint. So
//   forward          Y  = W X
//   input gradient   dX = W^T dY, then col2im
//   weight gradient  dW = dY X^T, summed over the images.
// Rows of X repeat x up to `taps` times, and each pass writes and reads them: that is what the other algorithms save.

namespace evenkeel::kernels {
namespace {

constexpr std::int64_t kBlockElements = std::int64_t{1} << 17;  // of X at a time, in the second-level cache
constexpr std::int64_t kGradientUnits = 8;                      // of a gradient's work at least, where its sizes allow

/// Rows [row, row + rows) and pixels [pixel, pixel + pixels) of X.
struct Block {
  std::int64_t row, rows, pixel, pixels;
};

/// Numbers of rows and pixels of the blocks that a part of X is made in. The most pixels are also the most products of
/// a weight gradient that are summed in T.
struct BlockSize {
  BlockSize(std::int64_t most_rows, std::int64_t most_pixels)
      : pixels(std::min(most_pixels, std::clamp<std::int64_t>(kBlockElements / most_rows, 256, 4096))),
        rows(std::min(most_rows, kBlockElements / pixels)) {}
  std::int64_t pixels, rows;
};

/// Calls visit(from, to, count) for every run of cells inside x in one row of X: pixel block.pixel + to + k, k < count,
/// has x[from + k stride_w]. What lies between the runs is padding.
template <class Visit>
void for_each_run(const ConvGeometry& g, std::int64_t row, const Block& block, const Visit& visit) {
  const std::int64_t channel = row / g.taps(), p = row % g.taps() / g.kernel_w, q = row % g.kernel_w;
  const std::int64_t top = p * g.dilation_h - g.pad_top, left = q * g.dilation_w - g.pad_left;  // of pixel (0, 0)
  const std::int64_t first_column = std::max<std::int64_t>(0, ceil_div(-left, g.stride_w));
  const std::int64_t last_column = std::min(g.out_width, ceil_div(g.width - left, g.stride_w));
  const std::int64_t end = block.pixel + block.pixels;
  for (std::int64_t i = block.pixel / g.out_width; i * g.out_width < end; ++i) {
    const std::int64_t x_row = i * g.stride_h + top, start = i * g.out_width;
    const std::int64_t first = std::max(first_column, block.pixel - start), last = std::min(last_column, end - start);
    if (x_row >= 0 && x_row < g.height && first < last) {
      visit((channel * g.height + x_row) * g.width + first * g.stride_w + left, start + first - block.pixel,
            last - first);
    }
  }
}

/// columns (block.rows, block.pixels) = the block of X.
template <class T>
void im2col(const ConvGeometry& g, const T* x, const Block& block, T* columns) {
  for (std::int64_t r = 0; r < block.rows; ++r) {
    T* row = columns + r * block.pixels;
    std::fill_n(row, block.pixels, T(0));
    for_each_run(g, block.row + r, block, [&](std::int64_t from, std::int64_t to, std::int64_t count) {
      if (g.stride_w == 1) {
        std::copy_n(x + from, count, row + to);
        return;
      }
      for (std::int64_t k = 0; k < count; ++k) {
        row[to + k] = x[from + k * g.stride_w];
      }
    });
  }
}

/// Adds columns (block.rows, block.pixels) to the cells of x that the block of X has there.
template <class T>
void col2im(const ConvGeometry& g, const T* columns, const Block& block, T* x) {
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const T* row = columns + r * block.pixels;
    for_each_run(g, block.row + r, block, [&](std::int64_t from, std::int64_t to, std::int64_t count) {
      for (std::int64_t k = 0; k < count; ++k) {
        x[from + k * g.stride_w] += row[to + k];
      }
    });
  }
}

/// Sets `count` planes, of which `length` elements each are meant, to their values of bias, or to 0.
template <class T>
void start_planes(std::int64_t count, std::int64_t stride, std::int64_t length, const T* bias, T* planes) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::fill_n(planes + i * stride, length, bias != nullptr ? bias[i] : T(0));
  }
}

}  // namespace

/// A unit is a block of pixels of one image's group.
template <class T>
void Im2colConv<T>::forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  const std::int64_t outputs = g.group_outputs(), patch = g.patch();
  const BlockSize size(patch, g.pixels());
  const std::int64_t blocks = ceil_div(g.pixels(), size.pixels), units = g.batch * g.groups * blocks;
  parallel_for(0, units, work_grain(g.y_size() * patch, units), [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> columns(size.rows * size.pixels);
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t image_group = unit / blocks, group = image_group % g.groups;
      Block block{.row = 0, .rows = 0, .pixel = unit % blocks * size.pixels, .pixels = size.pixels};
      block.pixels = std::min(size.pixels, g.pixels() - block.pixel);
      T* out = y + image_group * outputs * g.pixels() + block.pixel;
      start_planes(outputs, g.pixels(), block.pixels, bias != nullptr ? bias + group * outputs : nullptr, out);
      for (; block.row < patch; block.row += size.rows) {
        block.rows = std::min(size.rows, patch - block.row);
        im2col(g, x + image_group * g.group_channels() * g.plane(), block, columns.data());
        gemm<T>({.m = outputs, .n = block.pixels, .k = block.rows, .lda = patch, .ldc = g.pixels(), .beta = 1},
                weight + group * outputs * patch + block.row, columns.data(), out);
      }
    }
  });
}

/// A unit is some channels of one image's group: patches overlap, so that it must have all pixels.
template <class T>
void Im2colConv<T>::input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
  const std::int64_t outputs = g.group_outputs(), inputs = g.group_channels(), patch = g.patch();
  const std::int64_t most =
      ceil_div(inputs, std::clamp<std::int64_t>(kGradientUnits / (g.batch * g.groups), 1, inputs));
  const std::int64_t parts = ceil_div(inputs, most), units = g.batch * g.groups * parts;
  const BlockSize size(most * g.taps(), g.pixels());
  parallel_for(0, units, work_grain(g.y_size() * patch, units), [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> columns(size.rows * size.pixels);
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t image_group = unit / parts, group = image_group % g.groups, channel = unit % parts * most;
      const std::int64_t channels = std::min(most, inputs - channel), last_row = (channel + channels) * g.taps();
      T* planes = dx + image_group * inputs * g.plane();
      start_planes(channels, g.plane(), g.plane(), bias != nullptr ? bias + group * inputs + channel : nullptr,
                   planes + channel * g.plane());
      for (std::int64_t pixel = 0; pixel < g.pixels(); pixel += size.pixels) {
        for (std::int64_t row = channel * g.taps(); row < last_row; row += size.rows) {
          const Block block{row, std::min(size.rows, last_row - row), pixel, std::min(size.pixels, g.pixels() - pixel)};
          gemm<T>({.m = block.rows, .n = block.pixels, .k = outputs, .trans_a = true, .lda = patch, .ldb = g.pixels()},
                  weight + group * outputs * patch + row, dy + image_group * outputs * g.pixels() + pixel,
                  columns.data());
          col2im(g, columns.data(), block, planes);
        }
      }
    }
  });
}

/// A unit is some rows of X, and thus columns of dW, with all images; the products of blocks are summed in double.
template <class T>
void Im2colConv<T>::weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight) {
  const std::int64_t outputs = g.group_outputs(), patch = g.patch();
  const std::int64_t wanted = ceil_div(patch, std::clamp<std::int64_t>(kGradientUnits / g.groups, 1, patch));
  const BlockSize size(std::min(wanted, std::max<std::int64_t>(1, kBlockElements / outputs)), g.pixels());
  const std::int64_t parts = ceil_div(patch, size.rows), units = g.groups * parts;
  parallel_for(0, units, work_grain(g.y_size() * patch, units), [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> columns(size.rows * size.pixels), product(outputs * size.rows);
    Workspace<double> sums(outputs * size.rows);
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t group = unit / parts, row = unit % parts * size.rows, rows = std::min(size.rows, patch - row);
      double* const sum = sums.data();
      std::fill_n(sum, outputs * rows, 0.0);
      for (std::int64_t image_group = group; image_group < g.batch * g.groups; image_group += g.groups) {
        for (std::int64_t pixel = 0; pixel < g.pixels(); pixel += size.pixels) {
          const Block block{row, rows, pixel, std::min(size.pixels, g.pixels() - pixel)};
          im2col(g, x + image_group * g.group_channels() * g.plane(), block, columns.data());
          gemm<T>({.m = outputs, .n = rows, .k = block.pixels, .trans_b = true, .lda = g.pixels()},
                  dy + image_group * outputs * g.pixels() + pixel, columns.data(), product.data());
          std::transform(sum, sum + outputs * rows, product.data(), sum, [](double a, T b) { return a + double{b}; });
        }
      }
      for (std::int64_t o = 0; o < outputs; ++o) {
        std::transform(sum + o * rows, sum + (o + 1) * rows, dweight + (group * outputs + o) * patch + row,
                       [](double value) { return static_cast<T>(value); });
      }
    }
  });
}

/// A unit is one row of one image's X.
template <class T>
void unfold_images(const ConvGeometry& g, const T* x, T* columns) {
  const std::int64_t pixels = g.pixels();
  parallel_for(0, g.batch * g.patch(), grain_of(pixels), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t image = unit / g.patch();
      im2col(g, x + image * g.channels * g.plane(), {unit % g.patch(), 1, 0, pixels}, columns + unit * pixels);
    }
  });
}

/// A unit is one channel of one image.
template <class T>
void fold_images(const ConvGeometry& g, const T* columns, T* x) {
  const std::int64_t unit_size = g.taps() * g.pixels();
  parallel_for(0, g.batch * g.channels, grain_of(unit_size), [&](std::int64_t begin, std::int64_t end) {
    std::fill_n(x + begin * g.plane(), (end - begin) * g.plane(), T(0));
    for (std::int64_t unit = begin; unit < end; ++unit) {
      col2im(g, columns + unit * unit_size, {0, g.taps(), 0, g.pixels()}, x + unit * g.plane());
    }
  });
}

template struct Im2colConv<float>;
template struct Im2colConv<double>;
template void unfold_images(const ConvGeometry&, const float*, float*);
template void unfold_images(const ConvGeometry&, const double*, double*);
template void fold_images(const ConvGeometry&, const float*, float*);
template void fold_images(const ConvGeometry&, const double*, double*);

}  // namespace evenkeel::kernels
