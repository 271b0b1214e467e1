#include "evenkeel/autograd/ops/pool.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/pool_windows.hpp"
#include "evenkeel/core/deferred.hpp"

#include <memory>
#include <vector>

namespace evenkeel {
namespace {

constexpr std::array<PoolNames, 3> kMaxPool{{{"max_pool1d", "max_pool1d_backward", "max_pool1d_gather"},
                                             {"max_pool2d", "max_pool2d_backward", "max_pool2d_gather"},
                                             {"max_pool3d", "max_pool3d_backward", "max_pool3d_gather"}}};
constexpr std::array<PoolNames, 3> kAdaptiveMaxPool{
    {{"adaptive_max_pool1d", "adaptive_max_pool1d_backward", "adaptive_max_pool1d_gather"},
     {"adaptive_max_pool2d", "adaptive_max_pool2d_backward", "adaptive_max_pool2d_gather"},
     {"adaptive_max_pool3d", "adaptive_max_pool3d_backward", "adaptive_max_pool3d_gather"}}};
constexpr std::array<PoolNames, 3> kAvgPool{{{"avg_pool1d", "avg_pool1d_backward"},
                                             {"avg_pool2d", "avg_pool2d_backward"},
                                             {"avg_pool3d", "avg_pool3d_backward"}}};
constexpr std::array<PoolNames, 3> kAdaptiveAvgPool{{{"adaptive_avg_pool1d", "adaptive_avg_pool1d_backward"},
                                                     {"adaptive_avg_pool2d", "adaptive_avg_pool2d_backward"},
                                                     {"adaptive_avg_pool3d", "adaptive_avg_pool3d_backward"}}};

/// A pool's reading of x: only planes of images have maps.
template <class T>
MappedInput<T> mapped(const Tensor& x, const Pooling& p) {
  return MappedInput<T>(x.array(), p.dims == 2);
}

/// The windows of one call. The places of their maxima are an array of cell numbers (uint8), or of indices into the
/// plane (int64) where `windows` is set.
struct MaxPool : Pooling {
  SlidingPool sliding;
  std::shared_ptr<const PoolGeometry> windows;  ///< null: the loops of core/kernels/pool/sliding_pool.hpp run
};

Tensor gather_maxima(const Tensor& x, const MaxPool& p, const Array& places);

/// dx = 0 but dx[place] += dy; linear in dy, with gather as its adjoint.
Tensor scatter_maxima(const Tensor& dy, const MaxPool& p, const Array& places) {
  Array value = Array::empty(p.input_shape(dy), dy.dtype());
  const Array source = dy.array().contiguous();
  dispatch_float(dy.dtype(), p.names.op, [&]<class T>() {
    if (p.windows) {
      kernels::scatter_windows<T>(*p.windows, source.data<T>(), places.data<std::int64_t>(), value.mutable_data<T>());
    } else {
      kernels::sliding_max_gradient<T>(p.sliding, source.data<T>(), places.data<std::uint8_t>(),
                                       value.mutable_data<T>());
    }
  });
  return record({.name = p.names.backward, .inputs = {dy}, .keep = Keep::extra(places)}, std::move(value),
                [p](const Saved& saved, const Tensor& v) -> Grads { return {gather_maxima(v, p, saved.extra(0))}; });
}

Tensor gather_maxima(const Tensor& x, const MaxPool& p, const Array& places) {
  Array value = Array::empty(p.output_shape(x), x.dtype());
  const Array source = x.array().contiguous();
  dispatch_float(x.dtype(), p.names.op, [&]<class T>() {
    if (p.windows) {
      kernels::gather_windows<T>(*p.windows, source.data<T>(), places.data<std::int64_t>(), value.mutable_data<T>());
    } else {
      kernels::sliding_max_gather<T>(p.sliding, source.data<T>(), places.data<std::uint8_t>(), value.mutable_data<T>());
    }
  });
  return record({.name = p.names.gather, .inputs = {x}, .keep = Keep::extra(places)}, std::move(value),
                [p](const Saved& saved, const Tensor& dy) -> Grads { return {scatter_maxima(dy, p, saved.extra(0))}; });
}

/// y = the largest cell of each window, its place in `places`.
Array find_maxima(const Tensor& x, const MaxPool& p, Array& places) {
  Array y = Array::empty(p.output_shape(x), x.dtype());
  places =
      p.windows ? Array::empty(y.shape(), DType::int64) : Array::empty({y.numel() + kernels::kCellSlack}, DType::uint8);
  dispatch_float(x.dtype(), p.names.op, [&]<class T>() {
    const MappedInput<T> input = mapped<T>(x, p);
    if (p.windows) {
      kernels::max_windows<T>(*p.windows, input.planes(), y.mutable_data<T>(), places.mutable_data<std::int64_t>());
    } else {
      kernels::sliding_max<T>(p.sliding, input.planes(), y.mutable_data<T>(), places.mutable_data<std::uint8_t>());
    }
  });
  return y;
}

/// y = x[index of the maximum];  dx[index] += dy.
Tensor maxima(const Tensor& x, const MaxPool& p, Array& places) {
  Array value = find_maxima(x, p, places);
  return record({.name = p.names.op, .inputs = {x}, .keep = Keep::extra(places)}, std::move(value),
                [p](const Saved& saved, const Tensor& dy) -> Grads { return {scatter_maxima(dy, p, saved.extra(0))}; });
}

Tensor maxima(const Tensor& x, const MaxPool& p) {
  Array places;
  return maxima(x, p, places);
}

MaxPooled maxima_with_indices(const Tensor& x, const MaxPool& p) {
  Array places;
  Tensor y = maxima(x, p, places);
  if (p.windows) {
    return {std::move(y), Tensor(std::move(places))};
  }
  Array indices = Array::empty(y.shape(), DType::int64);
  kernels::sliding_max_indices(p.sliding, places.data<std::uint8_t>(), indices.mutable_data<std::int64_t>());
  return {std::move(y), Tensor(std::move(indices))};
}

template <int D>
MaxPool max_pool_of(const Tensor& x, const MaxPoolOptions<D>& options) {
  const PoolNames& names = kMaxPool[D - 1];
  check_pool(names.op, options);
  const SlidingWindows w(options);
  MaxPool p{Pooling::sliding(names, x, w), {}, nullptr};
  p.sliding = p.sliding_pool(w);
  if (D == 3 || options.dilation != SizeND<D>(1) || !kernels::is_sliding_pool(p.sliding)) {
    const auto g = std::make_shared<const PoolGeometry>(p.geometry(w));
    const auto filled = [](const std::vector<PoolWindow>& windows) {
      return std::all_of(windows.begin(), windows.end(), [](const PoolWindow& window) { return window.count > 0; });
    };
    require<ShapeError>(filled(g->slices) && filled(g->rows) && filled(g->columns), names.op,
                        "a dilated window has no cell inside the input ", x.shape());
    p.windows = g;
  }
  return p;
}

template <int D>
MaxPool adaptive_max_pool_of(const Tensor& x, const SizeND<D>& output_size) {
  const PoolNames& names = kAdaptiveMaxPool[D - 1];
  check_pool(names.op, output_size);
  MaxPool p{Pooling::adaptive(names, x, D, PoolSizes(output_size)), {}, nullptr};
  Array::empty(p.output_shape(x), x.dtype());  // before the windows, which are as many: too many throw here
  p.windows = std::make_shared<const PoolGeometry>(x.numel() > 0 ? p.adaptive_geometry() : PoolGeometry{});
  return p;
}

/// An average over windows.
struct Average : Pooling {
  PoolGeometry windows;
  PoolDivisor divisor;
  SlidingPool sliding;         ///< its sizes; its windows if `shares` is not empty
  std::vector<double> shares;  ///< for the loops of core/kernels/pool/sliding_pool.hpp, else empty
};
using SharedAverage = std::shared_ptr<const Average>;

Tensor average(const Tensor& x, const SharedAverage& a);

/// dx = dy / divisor, added over the windows; linear in dy, with the average itself as its adjoint.
Tensor spread(const Tensor& dy, const SharedAverage& a) {
  Array value = Array::empty(a->input_shape(dy), dy.dtype());
  const Array source = dy.array().contiguous();
  dispatch_float(dy.dtype(), a->names.op, [&]<class T>() {
    if (a->shares.empty()) {
      kernels::average_windows_gradient<T>(a->windows, a->divisor, source.data<T>(), value.mutable_data<T>());
    } else {
      kernels::sliding_sum_gradient<T>(a->sliding, a->shares.data(), source.data<T>(), value.mutable_data<T>());
    }
  });
  return record({.name = a->names.backward, .inputs = {dy}}, std::move(value),
                [a](const Saved&, const Tensor& v) -> Grads { return {average(v, a)}; });
}

/// y = sum of the window / divisor;  dx = dy / divisor in every cell of the window.
Tensor average_into(Array value, const Tensor& x, const SharedAverage& a) {
  dispatch_float(x.dtype(), a->names.op, [&]<class T>() {
    const MappedInput<T> input = mapped<T>(x, *a);
    if (a->shares.empty()) {
      kernels::average_windows<T>(a->windows, a->divisor, input.planes(), value.mutable_data<T>());
    } else {
      kernels::sliding_sum<T>(a->sliding, a->shares.data(), input.planes(), value.mutable_data<T>());
    }
  });
  return record({.name = a->names.op, .inputs = {x}}, std::move(value),
                [a](const Saved&, const Tensor& dy) -> Grads { return {spread(dy, a)}; });
}

Tensor average(const Tensor& x, const SharedAverage& a) {
  return average_into(Array::empty(a->output_shape(x), x.dtype()), x, a);
}

/// The windows of an average, as a max_pool's.
template <int D>
MaxPoolOptions<D> window_of(const AvgPoolOptions<D>& o) {
  return {.kernel_size = o.kernel_size, .stride = o.stride, .padding = o.padding, .ceil_mode = o.ceil_mode};
}

/// Whether holds(axis) on every axis.
template <int D, class Holds>
bool on_all(const Holds& holds) {
  bool all = true;
  for (int axis = 0; axis < D; ++axis) {
    all = all && holds(axis);
  }
  return all;
}

template <int D>
bool at_least(const SizeND<D>& size, std::int64_t least) {
  return on_all<D>([&](int axis) { return size[axis] >= least; });
}

}  // namespace

template <int D>
void check_pool(std::string_view op, const MaxPoolOptions<D>& o) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 31;
  const SizeND<D> stride = o.stride.value_or(o.kernel_size);
  require(at_least(o.kernel_size, 1), op, "kernel_size must be positive, got ", o.kernel_size);
  require(at_least(stride, 1), op, "stride must be positive, got ", stride);
  require(at_least(o.dilation, 1), op, "dilation must be positive, got ", o.dilation);
  require(at_least(o.padding, 0), op, "padding must not be negative, got ", o.padding);
  require(on_all<D>([&](int i) { return o.padding[i] <= o.kernel_size[i] / 2; }), op,
          "padding must be at most half of kernel_size, got ", o.padding, " and ", o.kernel_size);
  require(on_all<D>([&](int i) {
            return std::max({o.kernel_size[i], stride[i], o.dilation[i]}) < kLargest;
          }),
          op, "kernel size, stride and dilation must be below 2^31");
}

template <int D>
void check_pool(std::string_view op, const AvgPoolOptions<D>& options) {
  check_pool(op, window_of(options));
  require(options.divisor_override != 0, op, "divisor must be not zero");
}

template <int D>
void check_pool(std::string_view op, const SizeND<D>& output_size) {
  require(at_least(output_size, 0), op, "output_size must not be negative, got ", output_size);
}

template <int D>
Tensor max_pool(const Tensor& x, const MaxPoolOptions<D>& options) {
  return maxima(x, max_pool_of(x, options));
}

template <int D>
MaxPooled max_pool_with_indices(const Tensor& x, const MaxPoolOptions<D>& options) {
  return maxima_with_indices(x, max_pool_of(x, options));
}

template <int D>
Tensor adaptive_max_pool(const Tensor& x, const SizeND<D>& output_size) {
  return maxima(x, adaptive_max_pool_of(x, output_size));
}

template <int D>
MaxPooled adaptive_max_pool_with_indices(const Tensor& x, const SizeND<D>& output_size) {
  return maxima_with_indices(x, adaptive_max_pool_of(x, output_size));
}

template <int D>
Tensor avg_pool(const Tensor& x, const AvgPoolOptions<D>& options) {
  const PoolNames& names = kAvgPool[D - 1];
  check_pool(names.op, options);
  const SlidingWindows w(window_of(options));
  const Pooling p = Pooling::sliding(names, x, w);
  Average a{p, p.geometry(w), {options.count_include_pad, options.divisor_override.value_or(0)}, p.sliding_pool(w), {}};
  if (D < 3 && kernels::is_sliding_pool(a.sliding)) {
    a.shares = shares_of(a.windows, a.divisor);
  }
  return average(x, std::make_shared<const Average>(std::move(a)));
}

template <int D>
Tensor adaptive_avg_pool(const Tensor& x, const SizeND<D>& output_size) {
  const PoolNames& names = kAdaptiveAvgPool[D - 1];
  check_pool(names.op, output_size);
  const Pooling p = Pooling::adaptive(names, x, D, PoolSizes(output_size));
  Array value =
      Array::empty(p.output_shape(x), x.dtype());  // before the windows, which are as many: too many throw here
  Average a{p, {}, {}, {}, {}};
  if (x.numel() > 0) {
    a.windows = p.adaptive_geometry();
  }
  return average_into(std::move(value), x, std::make_shared<const Average>(std::move(a)));
}

template void check_pool(std::string_view, const MaxPoolOptions<1>&);
template void check_pool(std::string_view, const AvgPoolOptions<1>&);
template void check_pool(std::string_view, const SizeND<1>&);
template Tensor max_pool(const Tensor&, const MaxPoolOptions<1>&);
template MaxPooled max_pool_with_indices(const Tensor&, const MaxPoolOptions<1>&);
template Tensor avg_pool(const Tensor&, const AvgPoolOptions<1>&);
template Tensor adaptive_avg_pool(const Tensor&, const SizeND<1>&);
template Tensor adaptive_max_pool(const Tensor&, const SizeND<1>&);
template MaxPooled adaptive_max_pool_with_indices(const Tensor&, const SizeND<1>&);
template void check_pool(std::string_view, const MaxPoolOptions<2>&);
template void check_pool(std::string_view, const AvgPoolOptions<2>&);
template void check_pool(std::string_view, const SizeND<2>&);
template Tensor max_pool(const Tensor&, const MaxPoolOptions<2>&);
template MaxPooled max_pool_with_indices(const Tensor&, const MaxPoolOptions<2>&);
template Tensor avg_pool(const Tensor&, const AvgPoolOptions<2>&);
template Tensor adaptive_avg_pool(const Tensor&, const SizeND<2>&);
template Tensor adaptive_max_pool(const Tensor&, const SizeND<2>&);
template MaxPooled adaptive_max_pool_with_indices(const Tensor&, const SizeND<2>&);
template void check_pool(std::string_view, const MaxPoolOptions<3>&);
template void check_pool(std::string_view, const AvgPoolOptions<3>&);
template void check_pool(std::string_view, const SizeND<3>&);
template Tensor max_pool(const Tensor&, const MaxPoolOptions<3>&);
template MaxPooled max_pool_with_indices(const Tensor&, const MaxPoolOptions<3>&);
template Tensor avg_pool(const Tensor&, const AvgPoolOptions<3>&);
template Tensor adaptive_avg_pool(const Tensor&, const SizeND<3>&);
template Tensor adaptive_max_pool(const Tensor&, const SizeND<3>&);
template MaxPooled adaptive_max_pool_with_indices(const Tensor&, const SizeND<3>&);

}  // namespace evenkeel
