#include "evenkeel/autograd/ops/unfold.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/core/kernels/conv/im2col.hpp"

#include <algorithm>

namespace evenkeel {
namespace {

/// One of the two, forward or as the other's gradient.
Tensor windows_of(const ConvGeometry& g, const Tensor& x, const Shape& images, const Shape& columns, bool to_columns) {
  const char* op = to_columns ? "unfold" : "fold";
  Array value = Array::empty(to_columns ? columns : images, x.dtype());
  if (value.numel() > 0) {
    dispatch_float(x.dtype(), op, [&]<class T>() {
      const Array source = x.array().contiguous();
      if (to_columns) {
        kernels::unfold_images(g, source.data<T>(), value.mutable_data<T>());
      } else {
        kernels::fold_images(g, source.data<T>(), value.mutable_data<T>());
      }
    });
  }
  return record({.name = op, .inputs = {x}}, std::move(value), [=](const Saved&, const Tensor& dy) -> Grads {
    return {windows_of(g, dy, images, columns, !to_columns)};
  });
}

void check_options(const char* op, const UnfoldOptions& o) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 31;  // keeps the arithmetic of sizes within 64 bits
  require(all_within(o.kernel_size, 1), op, "kernel size should be greater than zero, but got ", o.kernel_size);
  require(all_within(o.dilation, 1), op, "dilation should be greater than zero, but got ", o.dilation);
  require(all_within(o.padding, 0), op, "padding should be non-negative, but got ", o.padding);
  require(all_within(o.stride, 1), op, "stride should be greater than zero, but got ", o.stride);
  require(all_within(o.kernel_size, 1, kLargest) && all_within(o.dilation, 1, kLargest) &&
              all_within(o.padding, 0, kLargest) && all_within(o.stride, 1, kLargest),
          op, "kernel size, dilation, padding and stride must be below 2^31");
}

/// The sizes of y may be 0.
ConvGeometry window_geometry(std::int64_t batch, std::int64_t channels, Size2 size, const UnfoldOptions& o) {
  const auto count = [&](int axis) {
    const std::int64_t rest = size[axis] + 2 * o.padding[axis] - o.dilation[axis] * (o.kernel_size[axis] - 1) - 1;
    return rest < 0 ? 0 : rest / o.stride[axis] + 1;
  };
  return {.batch = batch,
          .channels = channels,
          .height = size.h,
          .width = size.w,
          .out_channels = 1,
          .out_height = count(0),
          .out_width = count(1),
          .kernel_h = o.kernel_size.h,
          .kernel_w = o.kernel_size.w,
          .stride_h = o.stride.h,
          .stride_w = o.stride.w,
          .pad_top = o.padding.h,
          .pad_left = o.padding.w,
          .dilation_h = o.dilation.h,
          .dilation_w = o.dilation.w,
          .groups = 1};
}

std::string describe_windows(const UnfoldOptions& o) {
  return concat("kernel_size=", o.kernel_size, ", dilation=", o.dilation, ", padding=", o.padding);
}

/// No size but the batch's is 0.
bool has_cells(const Tensor& x, int batched_rank) {
  const Shape& shape = x.shape();
  return std::all_of(shape.begin() + (x.rank() == batched_rank ? 1 : 0), shape.end(),
                     [](std::int64_t size) { return size > 0; });
}

}  // namespace

Tensor unfold(const Tensor& x, const UnfoldOptions& o) {
  check_float("unfold", x);
  check_options("unfold", o);
  require<ShapeError>((x.rank() == 3 || x.rank() == 4) && has_cells(x, 4), "unfold",
                      "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions "
                      "for input, but got: ",
                      x.shape());
  const Size2 size = last_axes<2>(x.shape());
  const ConvGeometry g = window_geometry(x.rank() == 4 ? x.size(0) : 1, x.size(-3), size, o);
  if (g.out_height == 0 || g.out_width == 0) {
    fail<ShapeError>("unfold", "Given input with spatial size ", size, ", ", describe_windows(o),
                     ", calculated shape of the array of sliding blocks as (", g.out_height, ", ", g.out_width,
                     "), but its components must be at least one");
  }
  Shape columns{numel({g.channels, g.kernel_h, g.kernel_w}, "unfold"), numel({g.out_height, g.out_width}, "unfold")};
  if (x.rank() == 4) {
    columns.insert(0, g.batch);
  }
  return windows_of(g, x, x.shape(), columns, true);
}

Tensor fold(const Tensor& x, Size2 output_size, const UnfoldOptions& o) {
  check_float("fold", x);
  check_options("fold", o);
  require<ShapeError>((x.rank() == 2 || x.rank() == 3) && has_cells(x, 3), "fold",
                      "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
                      "dimensions for input, but got: ",
                      x.shape());
  const std::int64_t rows = x.size(-2), taps = product_of(o.kernel_size);
  require<ShapeError>(rows % taps == 0, "fold", "Expected size of input's dimension ", x.rank() - 2,
                      " to be divisible by the product of kernel_size, but got ", rows,
                      " and kernel_size=", o.kernel_size);
  const ConvGeometry g = window_geometry(x.rank() == 3 ? x.size(0) : 1, rows / taps, output_size, o);
  const std::int64_t windows = numel({g.out_height, g.out_width}, "fold");
  if (!all_within(output_size, 1) || windows != x.size(-1)) {
    fail<ShapeError>("fold", "Given output_size=", output_size, ", ", describe_windows(o), ", stride=", o.stride,
                     ", expected size of input's dimension ", x.rank() - 1,
                     " to match the calculated number of sliding blocks ", g.out_height, " * ", g.out_width, " = ",
                     windows, ", but got ", x.size(-1));
  }
  Shape images{g.channels, output_size.h, output_size.w};
  if (x.rank() == 3) {
    images.insert(0, g.batch);
  }
  return windows_of(g, x, images, x.shape(), false);
}

}  // namespace evenkeel
