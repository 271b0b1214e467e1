#include "evenkeel/autograd/ops/pool.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/core/deferred.hpp"
#include "evenkeel/core/kernels/pool/pool.hpp"
#include "evenkeel/core/kernels/pool/sliding_pool.hpp"

#include <algorithm>
#include <memory>
#include <vector>

namespace evenkeel {
namespace {

using SharedGeometry = std::shared_ptr<const PoolGeometry>;

/// One axis of a sliding pool.
struct PoolAxis {
  std::int64_t size, kernel, stride, pad, dilation;
};

/// From the first to the last cell of a window.
std::int64_t extent(const PoolAxis& a) { return a.dilation * (a.kernel - 1) + 1; }

/// Outputs along one axis. With ceil_mode the last window may hang over the end, but must start inside the input or the
/// padding before it.
std::int64_t pooled_size(const PoolAxis& a, bool ceil_mode) {
  const std::int64_t room = a.size + 2 * a.pad - extent(a);
  if (room < 0 && (!ceil_mode || room + a.stride - 1 < 0)) {
    return 0;
  }
  const std::int64_t outputs = (room + (ceil_mode ? a.stride - 1 : 0)) / a.stride + 1;
  return ceil_mode && (outputs - 1) * a.stride >= a.size + a.pad ? outputs - 1 : outputs;
}

void check_input(std::string_view op, const Tensor& x) {
  check_float(op, x);
  const int first = x.rank() == 4 ? 1 : 0;
  const bool ranks = x.rank() == 3 || x.rank() == 4;
  require<ShapeError>(ranks && std::all_of(x.shape().begin() + (ranks ? first : x.rank()), x.shape().end(),
                                           [](std::int64_t size) { return size > 0; }),
                      op, "the input must be 3D or 4D, with no size of 0 but the batch's, got shape ", x.shape());
}

void check_window(std::string_view op, Size2 kernel, Size2 stride, Size2 pad, Size2 dilation) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 31;
  require(kernel.h > 0 && kernel.w > 0, op, "kernel_size must be positive, got (", kernel.h, ", ", kernel.w, ")");
  require(stride.h > 0 && stride.w > 0, op, "stride must be positive, got (", stride.h, ", ", stride.w, ")");
  require(dilation.h > 0 && dilation.w > 0, op, "dilation must be positive, got (", dilation.h, ", ", dilation.w, ")");
  require(pad.h >= 0 && pad.w >= 0, op, "padding must not be negative, got (", pad.h, ", ", pad.w, ")");
  require(pad.h <= kernel.h / 2 && pad.w <= kernel.w / 2, op, "padding must be at most half of kernel_size, got (",
          pad.h, ", ", pad.w, ") and (", kernel.h, ", ", kernel.w, ")");
  require(std::max({kernel.h, kernel.w, stride.h, stride.w, dilation.h, dilation.w}) < kLargest, op,
          "kernel size, stride and dilation must be below 2^31");
}

/// Sizes of a pool of x; throws if no window fits.
SlidingPool sliding_pool(std::string_view op, const Tensor& x, const PoolAxis& rows, const PoolAxis& columns,
                         bool ceil_mode) {
  const std::int64_t oh = pooled_size(rows, ceil_mode);
  const std::int64_t ow = pooled_size(columns, ceil_mode);
  if (oh < 1 || ow < 1) {
    fail<ShapeError>(op, "Given input size: ", x.shape(), ". Calculated output size: (", oh, "x", ow,
                     "). Output size is too small. Kernel size with its dilation: (", extent(rows), " x ",
                     extent(columns), "), padded input size: (", rows.size + 2 * rows.pad, " x ",
                     columns.size + 2 * columns.pad, ")");
  }
  return {.planes = x.numel() / (rows.size * columns.size),
          .height = rows.size,
          .width = columns.size,
          .out_height = oh,
          .out_width = ow,
          .kernel_h = rows.kernel,
          .kernel_w = columns.kernel,
          .stride_h = rows.stride,
          .stride_w = columns.stride,
          .pad_h = rows.pad,
          .pad_w = columns.pad};
}

PoolGeometry geometry_of(const SlidingPool& p, Size2 dilation) {
  return {p.planes, p.height, p.width,
          sliding_windows(p.height, p.out_height, p.kernel_h, p.stride_h, p.pad_h, dilation.h),
          sliding_windows(p.width, p.out_width, p.kernel_w, p.stride_w, p.pad_w, dilation.w)};
}

/// x's shape with the last two sizes replaced.
Shape with_plane(Shape shape, std::int64_t height, std::int64_t width) {
  shape[shape.rank() - 2] = height;
  shape[shape.rank() - 1] = width;
  return shape;
}

/// The windows of one call. The places of their maxima are an array of cell numbers (uint8), or of indices into the
/// plane (int64) where `windows` is set.
struct MaxPool {
  SlidingPool pool;
  SharedGeometry windows;  ///< null: the loops of core/kernels/pool/sliding_pool.hpp run

  Shape input_shape(const Tensor& y) const { return with_plane(y.shape(), pool.height, pool.width); }
  Shape output_shape(const Tensor& x) const { return with_plane(x.shape(), pool.out_height, pool.out_width); }
};

Tensor gather_maxima(const Tensor& x, const MaxPool& p, const Array& places);

/// dx = 0 but dx[place] += dy; linear in dy, with gather as its adjoint.
Tensor scatter_maxima(const Tensor& dy, const MaxPool& p, const Array& places) {
  Array value = Array::empty(p.input_shape(dy), dy.dtype());
  const Array source = dy.array().contiguous();
  dispatch_float(dy.dtype(), "max_pool2d", [&]<class T>() {
    if (p.windows) {
      kernels::scatter_windows<T>(*p.windows, source.data<T>(), places.data<std::int64_t>(), value.mutable_data<T>());
    } else {
      kernels::sliding_max_gradient<T>(p.pool, source.data<T>(), places.data<std::uint8_t>(), value.mutable_data<T>());
    }
  });
  return record({.name = "max_pool2d_backward", .inputs = {dy}, .keep = Keep::extra(places)}, std::move(value),
                [p](const Saved& saved, const Tensor& v) -> Grads { return {gather_maxima(v, p, saved.extra(0))}; });
}

Tensor gather_maxima(const Tensor& x, const MaxPool& p, const Array& places) {
  Array value = Array::empty(p.output_shape(x), x.dtype());
  const Array source = x.array().contiguous();
  dispatch_float(x.dtype(), "max_pool2d", [&]<class T>() {
    if (p.windows) {
      kernels::gather_windows<T>(*p.windows, source.data<T>(), places.data<std::int64_t>(), value.mutable_data<T>());
    } else {
      kernels::sliding_max_gather<T>(p.pool, source.data<T>(), places.data<std::uint8_t>(), value.mutable_data<T>());
    }
  });
  return record({.name = "max_pool2d_gather", .inputs = {x}, .keep = Keep::extra(places)}, std::move(value),
                [p](const Saved& saved, const Tensor& dy) -> Grads { return {scatter_maxima(dy, p, saved.extra(0))}; });
}

/// y = the largest cell of each window, its place in `places`.
Array find_maxima(const Tensor& x, const MaxPool& p, Array& places) {
  Array y = Array::empty(p.output_shape(x), x.dtype());
  places = p.windows ? Array::empty({y.numel()}, DType::int64)
                     : Array::empty({y.numel() + kernels::kCellSlack}, DType::uint8);
  dispatch_float(x.dtype(), "max_pool2d", [&]<class T>() {
    const MappedInput<T> input(x.array());
    if (p.windows) {
      kernels::max_pool2d<T>(*p.windows, input.planes(), y.mutable_data<T>(), places.mutable_data<std::int64_t>());
    } else {
      kernels::sliding_max<T>(p.pool, input.planes(), y.mutable_data<T>(), places.mutable_data<std::uint8_t>());
    }
  });
  return y;
}

}  // namespace

/// y = x[index of the maximum];  dx[index] += dy.
Tensor max_pool2d(const Tensor& x, const MaxPool2dOptions& options) {
  const Size2 kernel = options.kernel_size;
  const Size2 stride = options.stride.value_or(kernel);
  const Size2 dilation = options.dilation;
  check_input("max_pool2d", x);
  check_window("max_pool2d", kernel, stride, options.padding, dilation);
  MaxPool p{sliding_pool("max_pool2d", x, {x.size(-2), kernel.h, stride.h, options.padding.h, dilation.h},
                         {x.size(-1), kernel.w, stride.w, options.padding.w, dilation.w}, options.ceil_mode),
            nullptr};
  if (dilation != Size2(1) || !kernels::is_sliding_pool(p.pool)) {
    const auto g = std::make_shared<const PoolGeometry>(geometry_of(p.pool, dilation));
    const auto has_cells = [](const PoolWindow& window) { return window.count > 0; };
    require<ShapeError>(std::all_of(g->rows.begin(), g->rows.end(), has_cells) &&
                            std::all_of(g->columns.begin(), g->columns.end(), has_cells),
                        "max_pool2d", "a dilated window has no cell inside the input ", x.shape());
    p.windows = g;
  }
  Array places;
  Array value = find_maxima(x, p, places);
  return record({.name = "max_pool2d", .inputs = {x}, .keep = Keep::extra(places)}, std::move(value),
                [p](const Saved& saved, const Tensor& dy) -> Grads { return {scatter_maxima(dy, p, saved.extra(0))}; });
}

namespace {

/// An average over windows.
struct Average {
  std::string_view op;  ///< a literal
  PoolGeometry windows;
  PoolDivisor divisor;
  SlidingPool pool;            ///< its sizes; its windows if `shares` is not empty
  std::vector<double> shares;  ///< for the loops of core/kernels/pool/sliding_pool.hpp, else empty
};
using SharedAverage = std::shared_ptr<const Average>;

Tensor average(const Tensor& x, const SharedAverage& a);

/// dx = dy / divisor, added over the windows; linear in dy, with the average itself as its adjoint.
Tensor spread(const Tensor& dy, const SharedAverage& a) {
  Array value = Array::empty(with_plane(dy.shape(), a->windows.height, a->windows.width), dy.dtype());
  const Array source = dy.array().contiguous();
  dispatch_float(dy.dtype(), a->op, [&]<class T>() {
    if (a->shares.empty()) {
      kernels::avg_pool2d_gradient<T>(a->windows, a->divisor, source.data<T>(), value.mutable_data<T>());
    } else {
      kernels::sliding_sum_gradient<T>(a->pool, a->shares.data(), source.data<T>(), value.mutable_data<T>());
    }
  });
  return record({.name = "avg_pool2d_backward", .inputs = {dy}}, std::move(value),
                [a](const Saved&, const Tensor& v) -> Grads { return {average(v, a)}; });
}

/// y = sum of the window / divisor;  dx = dy / divisor in every cell of the window.
Tensor average_into(Array value, const Tensor& x, const SharedAverage& a) {
  dispatch_float(x.dtype(), a->op, [&]<class T>() {
    const MappedInput<T> input(x.array());
    if (a->shares.empty()) {
      kernels::avg_pool2d<T>(a->windows, a->divisor, input.planes(), value.mutable_data<T>());
    } else {
      kernels::sliding_sum<T>(a->pool, a->shares.data(), input.planes(), value.mutable_data<T>());
    }
  });
  return record({.name = a->op, .inputs = {x}}, std::move(value),
                [a](const Saved&, const Tensor& dy) -> Grads { return {spread(dy, a)}; });
}

Tensor average(const Tensor& x, const SharedAverage& a) {
  return average_into(Array::empty(with_plane(x.shape(), a->pool.out_height, a->pool.out_width), x.dtype()), x, a);
}

}  // namespace

Tensor avg_pool2d(const Tensor& x, const AvgPool2dOptions& options) {
  const Size2 kernel = options.kernel_size;
  const Size2 stride = options.stride.value_or(kernel);
  check_input("avg_pool2d", x);
  check_window("avg_pool2d", kernel, stride, options.padding, 1);
  require(options.divisor_override != 0, "avg_pool2d", "divisor must be not zero");
  const SlidingPool pool = sliding_pool("avg_pool2d", x, {x.size(-2), kernel.h, stride.h, options.padding.h, 1},
                                        {x.size(-1), kernel.w, stride.w, options.padding.w, 1}, options.ceil_mode);
  Average a{
      "avg_pool2d", geometry_of(pool, 1), {options.count_include_pad, options.divisor_override.value_or(0)}, pool, {}};
  if (kernels::is_sliding_pool(pool)) {
    a.shares = shares_of(a.windows, a.divisor);
  }
  return average(x, std::make_shared<const Average>(std::move(a)));
}

Tensor adaptive_avg_pool2d(const Tensor& x, Size2 output_size) {
  check_input("adaptive_avg_pool2d", x);
  require(output_size.h >= 0 && output_size.w >= 0, "adaptive_avg_pool2d", "output_size must not be negative, got (",
          output_size.h, ", ", output_size.w, ")");
  const std::int64_t height = x.size(-2);
  const std::int64_t width = x.size(-1);
  const std::int64_t out_height = output_size.h == 0 ? height : output_size.h;
  const std::int64_t out_width = output_size.w == 0 ? width : output_size.w;
  const Shape out_shape = with_plane(x.shape(), out_height, out_width);
  numel(out_shape, "adaptive_avg_pool2d");
  Array value = Array::empty(out_shape, x.dtype());  // before the windows, which are as many: too many throw here
  Average a{"adaptive_avg_pool2d", {x.numel() / (height * width), height, width, {}, {}}, {}, {}, {}};
  a.pool.out_height = out_height;
  a.pool.out_width = out_width;
  if (x.numel() > 0) {
    a.windows.rows = adaptive_windows(height, out_height);
    a.windows.columns = adaptive_windows(width, out_width);
  }
  return average_into(std::move(value), x, std::make_shared<const Average>(std::move(a)));
}

}  // namespace evenkeel
