#include "autograd/ops/pool.hpp"

#include "autograd/node.hpp"
#include "core/kernels/pool.hpp"

#include <algorithm>
#include <memory>

namespace evenkeel {
namespace {

using SharedGeometry = std::shared_ptr<const PoolGeometry>;

/// One axis of a sliding pool.
struct PoolAxis {
  std::int64_t size, kernel, stride, pad, dilation;
};

/// Outputs along one axis. With ceil_mode the last window may hang over the end, but must start inside the input or the
/// padding before it.
std::int64_t pooled_size(const PoolAxis& a, bool ceil_mode) {
  const std::int64_t room = a.size + 2 * a.pad - a.dilation * (a.kernel - 1) - 1;
  if (room < 0 && (!ceil_mode || room + a.stride - 1 < 0)) {
    return 0;
  }
  const std::int64_t outputs = (room + (ceil_mode ? a.stride - 1 : 0)) / a.stride + 1;
  return ceil_mode && (outputs - 1) * a.stride >= a.size + a.pad ? outputs - 1 : outputs;
}

void check_input(std::string_view op, const Tensor& x) {
  require(x.defined(), op, "got an undefined tensor");
  require(is_floating(x.dtype()), op, "expected float32 or float64, got ", x.dtype());
  const int first = x.rank() == 4 ? 1 : 0;
  const bool ranks = x.rank() == 3 || x.rank() == 4;
  require(ranks && std::all_of(x.shape().begin() + (ranks ? first : x.rank()), x.shape().end(),
                               [](std::int64_t size) { return size > 0; }),
          op, "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got: ", x.shape());
}

void check_window(std::string_view op, Size2 kernel, Size2 stride, Size2 pad, Size2 dilation) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 31;
  require(kernel.h > 0 && kernel.w > 0, op, "kernel size should be greater than zero, but got kH: ", kernel.h,
          " kW: ", kernel.w);
  require(stride.h > 0 && stride.w > 0, op, "stride should be greater than zero, but got dH: ", stride.h,
          " dW: ", stride.w);
  require(dilation.h > 0 && dilation.w > 0, op, "dilation should be greater than zero, but got dilationH: ", dilation.h,
          " dilationW: ", dilation.w);
  require(pad.h >= 0 && pad.w >= 0, op, "pad must be non-negative, but got padH: ", pad.h, " padW: ", pad.w);
  require(pad.h <= kernel.h / 2 && pad.w <= kernel.w / 2, op,
          "pad should be smaller than or equal to half of kernel size, but got padW = ", pad.w, ", padH = ", pad.h,
          ", kW = ", kernel.w, ", kH = ", kernel.h);
  require(std::max({kernel.h, kernel.w, stride.h, stride.w, dilation.h, dilation.w}) < kLargest, op,
          "kernel size, stride and dilation must be below 2^31");
}

PoolGeometry sliding_geometry(std::string_view op, const Tensor& x, const PoolAxis& rows, const PoolAxis& columns,
                              bool ceil_mode) {
  const std::int64_t oh = pooled_size(rows, ceil_mode);
  const std::int64_t ow = pooled_size(columns, ceil_mode);
  require(oh > 0 && ow > 0, op, "Given input size: ", x.shape(), ". Calculated output size: (", oh, "x", ow,
          "). Output size is too small");
  return {x.numel() / (rows.size * columns.size), rows.size, columns.size,
          sliding_windows(rows.size, oh, rows.kernel, rows.stride, rows.pad, rows.dilation),
          sliding_windows(columns.size, ow, columns.kernel, columns.stride, columns.pad, columns.dilation)};
}

/// x's shape with the last two sizes replaced.
Shape with_plane(Shape shape, std::int64_t height, std::int64_t width) {
  shape[shape.rank() - 2] = height;
  shape[shape.rank() - 1] = width;
  return shape;
}
Shape input_shape(const Tensor& dy, const PoolGeometry& g) { return with_plane(dy.shape(), g.height, g.width); }
Shape output_shape(const Tensor& x, const PoolGeometry& g) {
  return with_plane(x.shape(), static_cast<std::int64_t>(g.rows.size()), static_cast<std::int64_t>(g.columns.size()));
}

Tensor gather_maxima(const Tensor& x, const SharedGeometry& g, const Array& indices);

/// dx = 0 but dx[index] += dy; linear in dy, with gather as its adjoint.
Tensor scatter_maxima(const Tensor& dy, const SharedGeometry& g, const Array& indices) {
  Array value = Array::empty(input_shape(dy, *g), dy.dtype());
  dispatch_float(dy.dtype(), "max_pool2d", [&]<class T>() {
    kernels::scatter_windows<T>(*g, dy.array().contiguous().data<T>(), indices.data<std::int64_t>(),
                                value.mutable_data<T>());
  });
  return record({.name = "max_pool2d_backward", .inputs = {dy}}, std::move(value),
                [g, indices](const Saved&, const Tensor& v) -> Grads { return {gather_maxima(v, g, indices)}; });
}

Tensor gather_maxima(const Tensor& x, const SharedGeometry& g, const Array& indices) {
  Array value = Array::empty(output_shape(x, *g), x.dtype());
  dispatch_float(x.dtype(), "max_pool2d", [&]<class T>() {
    kernels::gather_windows<T>(*g, x.array().contiguous().data<T>(), indices.data<std::int64_t>(),
                               value.mutable_data<T>());
  });
  return record({.name = "max_pool2d_gather", .inputs = {x}}, std::move(value),
                [g, indices](const Saved&, const Tensor& dy) -> Grads { return {scatter_maxima(dy, g, indices)}; });
}

}  // namespace

/// y = x[index of the maximum];  dx[index] += dy.
Tensor max_pool2d(const Tensor& x, const MaxPool2dParams& params) {
  const Size2 kernel = params.kernel_size;
  const Size2 stride = params.stride.value_or(kernel);
  check_input("max_pool2d", x);
  check_window("max_pool2d", kernel, stride, params.padding, params.dilation);
  const auto g = std::make_shared<const PoolGeometry>(
      sliding_geometry("max_pool2d", x, {x.size(-2), kernel.h, stride.h, params.padding.h, params.dilation.h},
                       {x.size(-1), kernel.w, stride.w, params.padding.w, params.dilation.w}, params.ceil_mode));
  const auto has_cells = [](const PoolWindow& window) { return window.count > 0; };
  require(std::all_of(g->rows.begin(), g->rows.end(), has_cells) &&
              std::all_of(g->columns.begin(), g->columns.end(), has_cells),
          "max_pool2d", "a dilated window has no cell inside the input ", x.shape());
  Array value = Array::empty(output_shape(x, *g), x.dtype());
  Array indices = Array::empty(value.shape(), DType::int64);
  dispatch_float(x.dtype(), "max_pool2d", [&]<class T>() {
    kernels::max_pool2d<T>(*g, x.array().contiguous().data<T>(), value.mutable_data<T>(),
                           indices.mutable_data<std::int64_t>());
  });
  return record({.name = "max_pool2d", .inputs = {x}}, std::move(value),
                [g, indices](const Saved&, const Tensor& dy) -> Grads { return {scatter_maxima(dy, g, indices)}; });
}

namespace {

Tensor average(std::string_view op, const Tensor& x, const SharedGeometry& g, PoolDivisor divisor);

/// dx = dy / divisor, added over the windows; linear in dy, with the average itself as its adjoint.
Tensor spread(std::string_view op, const Tensor& dy, const SharedGeometry& g, PoolDivisor divisor) {
  Array value = Array::empty(input_shape(dy, *g), dy.dtype());
  dispatch_float(dy.dtype(), op, [&]<class T>() {
    kernels::avg_pool2d_gradient<T>(*g, divisor, dy.array().contiguous().data<T>(), value.mutable_data<T>());
  });
  return record({.name = "avg_pool2d_backward", .inputs = {dy}}, std::move(value),
                [op, g, divisor](const Saved&, const Tensor& v) -> Grads { return {average(op, v, g, divisor)}; });
}

/// y = sum of the window / divisor;  dx = dy / divisor in every cell of the window. `op` is a literal.
Tensor average(std::string_view op, const Tensor& x, const SharedGeometry& g, PoolDivisor divisor) {
  Array value = Array::empty(output_shape(x, *g), x.dtype());
  dispatch_float(x.dtype(), op, [&]<class T>() {
    kernels::avg_pool2d<T>(*g, divisor, x.array().contiguous().data<T>(), value.mutable_data<T>());
  });
  return record({.name = op, .inputs = {x}}, std::move(value),
                [op, g, divisor](const Saved&, const Tensor& dy) -> Grads { return {spread(op, dy, g, divisor)}; });
}

}  // namespace

Tensor avg_pool2d(const Tensor& x, const AvgPool2dParams& params) {
  const Size2 kernel = params.kernel_size;
  const Size2 stride = params.stride.value_or(kernel);
  check_input("avg_pool2d", x);
  check_window("avg_pool2d", kernel, stride, params.padding, 1);
  require(params.divisor_override != 0, "avg_pool2d", "divisor must be not zero");
  const auto g = std::make_shared<const PoolGeometry>(
      sliding_geometry("avg_pool2d", x, {x.size(-2), kernel.h, stride.h, params.padding.h, 1},
                       {x.size(-1), kernel.w, stride.w, params.padding.w, 1}, params.ceil_mode));
  return average("avg_pool2d", x, g, {params.count_include_pad, params.divisor_override.value_or(0)});
}

Tensor adaptive_avg_pool2d(const Tensor& x, Size2 output_size) {
  check_input("adaptive_avg_pool2d", x);
  require(output_size.h >= 0 && output_size.w >= 0, "adaptive_avg_pool2d",
          "elements of output_size must be greater than or equal to 0, but received (", output_size.h, ", ",
          output_size.w, ")");
  const std::int64_t height = x.size(-2);
  const std::int64_t width = x.size(-1);
  const auto g = std::make_shared<const PoolGeometry>(
      PoolGeometry{x.numel() / (height * width), height, width,
                   adaptive_windows(height, output_size.h == 0 ? height : output_size.h),
                   adaptive_windows(width, output_size.w == 0 ? width : output_size.w)});
  return average("adaptive_avg_pool2d", x, g, {});
}

}  // namespace evenkeel
