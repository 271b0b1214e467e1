#include "evenkeel/core/kernels/conv/product.hpp"

#include "evenkeel/core/kernels/conv/panel_conv.hpp"
#include "evenkeel/core/kernels/conv/stage_shape.hpp"
#include "evenkeel/core/kernels/matmul/gemm.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>

// Of one image, with its planes as rows of matrices:
//   forward          Y  (outputs, pixels) = W (outputs, patch) X (patch, pixels)
//   input gradient   dX (patch, pixels)   = W^T dY
//   weight gradient  dW (outputs, patch)  = dY X^T, summed over the images
// With images of one pixel, the image takes the place of the pixel: Y^T = X^T W^T of the whole batch.

namespace evenkeel::kernels {
namespace {

constexpr std::int64_t kUnits = 8;  // of a pass at least, where its sizes allow

bool is_strided(const ConvGeometry& g) { return g.taps() == 1 && g.pixels() != g.plane(); }

/// The same convolution of the cells that a strided one reads.
ConvGeometry of_cells(ConvGeometry g) {
  g.height = g.out_height;
  g.width = g.out_width;
  g.stride_h = g.stride_w = 1;
  return g;
}

/// cells (image, channel, pixel) = those cells of x.
template <class T>
void collect(const ConvGeometry& g, const T* x, T* cells) {
  const StageShape shape = input_stage(g);
  parallel_for(0, g.batch * g.channels, grain_of(2 * g.pixels()), [&](std::int64_t first, std::int64_t last) {
    fill_stage(shape, x + first * g.plane(), last - first, 0, g.out_height, g.pixels(), cells + first * g.pixels());
  });
}

/// Puts a row of cells to their places in `width` cells of x; the others become `rest`.
template <class T>
void spread_row(const T* cells, std::int64_t count, std::int64_t stride, T rest, std::int64_t width, T* row) {
  const std::int64_t pairs = stride == 2 ? std::min(count, width / 2) : 0;
  for (std::int64_t j = 0; j < pairs; ++j) {  // a constant stride, so that the compiler vectorizes it
    row[2 * j] = cells[j];
    row[2 * j + 1] = rest;
  }
  std::fill(row + 2 * pairs, row + width, rest);
  for (std::int64_t j = pairs; j < count; ++j) {
    row[j * stride] = cells[j];
  }
}

/// The reverse of collect(); the other cells of dx become their channel's value of bias, or 0.
template <class T>
void spread(const ConvGeometry& g, const T* cells, const T* bias, T* dx) {
  parallel_for(0, g.batch * g.channels, grain_of(g.plane()), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t plane = first; plane < last; ++plane) {
      const T rest = bias != nullptr ? bias[plane % g.channels] : T(0);
      for (std::int64_t u = 0; u < g.height; ++u) {
        T* row = dx + plane * g.plane() + u * g.width;
        if (const std::int64_t line = u / g.stride_h; u % g.stride_h == 0 && line < g.out_height) {
          spread_row(cells + (plane * g.out_height + line) * g.out_width, g.out_width, g.stride_w, rest, g.width, row);
        } else {
          std::fill_n(row, g.width, rest);
        }
      }
    }
  });
}

/// Fills `count` rows of `length` elements with their values of bias, if there is one.
template <class T>
void fill_rows(const T* bias, std::int64_t count, std::int64_t length, std::int64_t stride, T* rows) {
  for (std::int64_t i = 0; i < count && bias != nullptr; ++i) {
    std::fill_n(rows + i * stride, length, bias[i]);
  }
}

/// result (image, rows, pixels) = a source (image, steps, pixels) + bias, where a is the weight or its transpose; cut
/// into images, columns and rows of the result.
template <class T>
void multiply_images(const ConvGeometry& g, bool transposed, const T* weight, const T* source, const T* bias,
                     T* result) {
  constexpr std::int64_t kColumns = 128, kRows = 64;  // of a unit at least
  const std::int64_t rows = transposed ? g.channels : g.out_channels, steps = transposed ? g.out_channels : g.channels;
  const std::int64_t cuts = ceil_div(kUnits, g.batch), pixels = g.pixels();
  const std::int64_t columns = round_up(ceil_div(pixels, std::clamp<std::int64_t>(pixels / kColumns, 1, cuts)), 16);
  const std::int64_t across = ceil_div(pixels, columns);
  const std::int64_t part = ceil_div(rows, std::clamp<std::int64_t>(rows / kRows, 1, ceil_div(cuts, across)));
  const std::int64_t parts = ceil_div(rows, part), units = g.batch * across * parts;
  parallel_for(0, units, work_grain(g.y_size() * g.channels, units), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t row = unit % parts * part, count = std::min(part, rows - row);
      const std::int64_t image = unit / parts / across, column = unit / parts % across * columns;
      const std::int64_t width = std::min(columns, pixels - column);
      T* out = result + (image * rows + row) * pixels + column;
      fill_rows(bias != nullptr ? bias + row : nullptr, count, width, pixels, out);
      gemm<T>({.m = count,
               .n = width,
               .k = steps,
               .trans_a = transposed,
               .lda = g.channels,
               .ldb = pixels,
               .ldc = pixels,
               .beta = bias != nullptr ? 1.0 : 0.0},
              weight + (transposed ? row : row * g.channels), source + image * steps * pixels + column, out);
    }
  });
}

/// How a weight gradient is cut: parts of its rows by parts of the list of turns, whose sums are added in order. A turn
/// is an image, or copies of several small ones side by side.
struct ProductPlan {
  std::int64_t images, turns, rows, row_parts, turn_parts;
};

ProductPlan product_plan(const ConvGeometry& g) {
  constexpr std::int64_t kRows = 128, kPixels = 64, kTurnPixels = 256, kPartPixels = 1024;
  ProductPlan plan{};
  const bool side_by_side = g.pixels() < kPixels && g.batch > 1;
  plan.images = side_by_side ? std::min(kTurnPixels / g.pixels(), g.batch) : 1;
  plan.turns = ceil_div(g.batch, plan.images);
  plan.rows = ceil_div(g.out_channels, std::clamp<std::int64_t>(g.out_channels / kRows, 1, kUnits));
  plan.row_parts = ceil_div(g.out_channels, plan.rows);
  const std::int64_t most = std::min(plan.turns, g.batch * g.pixels() / kPartPixels);
  plan.turn_parts = std::clamp<std::int64_t>(kUnits / plan.row_parts, 1, std::max<std::int64_t>(1, most));
  return plan;
}

/// copies (turn, plane, image of the turn, pixel) = planes (image, plane, pixel).
template <class T>
void put_side_by_side(const ConvGeometry& g, const ProductPlan& plan, std::int64_t planes, const T* x, T* copies) {
  const std::int64_t pixels = g.pixels();
  parallel_for(0, plan.turns * planes, grain_of(plan.images * pixels), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t image = i / planes * plan.images, count = std::min(plan.images, g.batch - image);
      const T* from = x + (image * planes + i % planes) * pixels;
      T* to = copies + (image * planes + i % planes * count) * pixels;
      for (std::int64_t k = 0; k < count; ++k) {
        std::copy_n(from + k * planes * pixels, pixels, to + k * pixels);
      }
    }
  });
}

/// Sums rows [row, row + rows) of the gradient over the turns [first, last).
template <class T>
void add_products(const ConvGeometry& g, const ProductPlan& plan, std::int64_t row, std::int64_t rows,
                  std::int64_t first, std::int64_t last, const T* x, const T* dy, T* sums) {
  sum_turns(first, last, rows * g.channels, sums, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t turn = from; turn < to; ++turn) {
      const std::int64_t image = turn * plan.images, steps = std::min(plan.images, g.batch - image) * g.pixels();
      gemm<T>({.m = rows, .n = g.channels, .k = steps, .trans_b = true, .beta = turn > from ? 1.0 : 0.0},
              dy + image * g.out_channels * g.pixels() + row * steps, x + image * g.channels * g.pixels(), sums);
    }
  });
}

}  // namespace

bool is_product(const ConvGeometry& g) {
  constexpr std::int64_t kPixels = 16;
  const bool cells = g.taps() == 1 && (g.out_height - 1) * g.stride_h < g.height &&
                     (g.out_width - 1) * g.stride_w < g.width && (g.pixels() >= kPixels || g.pixels() == 1);
  const bool whole =
      g.pixels() == 1 && g.kernel_h == g.height && g.kernel_w == g.width && g.dilation_h == 1 && g.dilation_w == 1;
  return g.groups == 1 && g.pad_top == 0 && g.pad_left == 0 && (cells || whole);
}

template <class T>
void ProductConv<T>::forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  if (is_strided(g)) {
    Workspace<T> cells(g.batch * g.channels * g.pixels());
    collect(g, x, cells.data());
    forward(of_cells(g), cells.data(), weight, bias, y);
  } else if (g.pixels() == 1) {
    gemm<T>({.m = g.batch, .n = g.out_channels, .k = g.patch(), .trans_b = true}, x, weight, y, bias);
  } else {
    multiply_images(g, false, weight, x, bias, y);
  }
}

template <class T>
void ProductConv<T>::input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
  if (is_strided(g)) {
    Workspace<T> cells(g.batch * g.channels * g.pixels());
    input_gradient(of_cells(g), dy, weight, bias, cells.data());
    spread(g, cells.data(), bias, dx);
  } else if (g.pixels() == 1) {
    for (std::int64_t image = 0; image < g.batch; ++image) {
      fill_rows(bias, g.channels, g.plane(), g.plane(), dx + image * g.patch());
    }
    gemm<T>({.m = g.batch, .n = g.patch(), .k = g.out_channels, .beta = bias != nullptr ? 1.0 : 0.0}, dy, weight, dx);
  } else {
    multiply_images(g, true, weight, dy, bias, dx);
  }
}

template <class T>
void ProductConv<T>::weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight) {
  if (is_strided(g)) {
    Workspace<T> cells(g.batch * g.channels * g.pixels());
    collect(g, x, cells.data());
    weight_gradient(of_cells(g), cells.data(), dy, dweight);
    return;
  }
  if (g.pixels() == 1) {
    gemm<T>({.m = g.out_channels, .n = g.patch(), .k = g.batch, .trans_a = true}, dy, x, dweight);
    return;
  }
  const ProductPlan plan = product_plan(g);
  Workspace<T> x_copies(plan.images > 1 ? g.x_size() : 0), y_copies(plan.images > 1 ? g.y_size() : 0);
  if (plan.images > 1) {
    put_side_by_side(g, plan, g.channels, x, x_copies.data());
    put_side_by_side(g, plan, g.out_channels, dy, y_copies.data());
    x = x_copies.data();
    dy = y_copies.data();
  }
  const std::int64_t parts = plan.turn_parts, units = parts * plan.row_parts;
  Workspace<T> sums(parts > 1 ? parts * g.weight_size() : 0);
  parallel_for(0, units, work_grain(g.y_size() * g.channels, units), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t part = unit / plan.row_parts, row = unit % plan.row_parts * plan.rows;
      T* out = (parts > 1 ? sums.data() + part * g.weight_size() : dweight) + row * g.channels;
      add_products(g, plan, row, std::min(plan.rows, g.out_channels - row), plan.turns * part / parts,
                   plan.turns * (part + 1) / parts, x, dy, out);
    }
  });
  if (parts > 1) {
    add_parts(parts, g.weight_size(), sums.data(), dweight);
  }
}

template struct ProductConv<float>;
template struct ProductConv<double>;

}  // namespace evenkeel::kernels
