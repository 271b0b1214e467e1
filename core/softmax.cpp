#include "evenkeel/core/softmax.hpp"

#include "evenkeel/core/kernels/reduce/softmax.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/reduce.hpp"

#include <algorithm>

namespace evenkeel {
namespace {

using kernels::SoftmaxRuns;

constexpr std::int64_t kGrain = kElementGrain / 4;
constexpr std::int64_t kBlockColumns = 64;  // fewest per unit of work: 256 bytes of each row of floats

/// How the runs along a dim lie in memory: contiguous x[outer][n][inner], perhaps of x with dim and the last dim
/// swapped.
struct RowLayout {
  std::int64_t outer = 1, n = 1, inner = 1;
  bool turned = false;

  RowLayout(const Array& x, int dim) {
    if (x.rank() == 0) {
      return;
    }
    turned = dim != x.rank() - 1 && x.transpose(dim, x.rank() - 1).is_contiguous();
    for (int d = 0; d < x.rank(); ++d) {
      std::int64_t& size = d == dim ? n : d < dim || turned ? outer : inner;
      size *= x.shape()[d];
    }
  }
};

Array arranged(const Array& x, int dim, const RowLayout& layout) {
  return layout.turned ? x.transpose(dim, x.rank() - 1).contiguous() : x.contiguous();
}

/// Calls f(runs, offset of their first element, index of the first run) until all runs are done.
template <class F>
void for_each_block(const RowLayout& layout, const F& f) {
  const auto [outer, n, inner, turned] = layout;
  if (outer * n * inner == 0) {
    return;
  }
  if (inner == 1) {
    parallel_for(0, outer, std::max<std::int64_t>(kGrain / n, 1), [&](std::int64_t first, std::int64_t last) {
      f(SoftmaxRuns{last - first, layout.n, layout.n, false}, first * layout.n, first);
    });
    return;
  }
  const std::int64_t width = std::min(std::max(kGrain / n / kBlockColumns, std::int64_t{1}) * kBlockColumns, inner);
  const std::int64_t chunks = kernels::ceil_div(inner, width);
  const std::int64_t grain = grain_of(n * width, kGrain);
  parallel_for(0, outer * chunks, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t o = unit / chunks, c = unit % chunks * width;
      f(SoftmaxRuns{std::min(width, layout.inner - c), layout.n, layout.inner, true}, o * layout.n * layout.inner + c,
        o * layout.inner + c);
    }
  });
}

/// kernel(runs, x, y) over the runs of x along dim.
template <class F>
Array forward(const Array& x, std::int64_t dim, std::string_view op, const F& kernel) {
  const int d = normalize_dim(dim, x.rank(), op);
  const RowLayout layout(x, d);
  return dispatch_float(x.dtype(), op, [&]<class T>() {
    const Array from = arranged(x, d, layout);
    Array y = Array::empty(from.shape(), x.dtype());
    const T* px = from.data<T>();
    T* py = y.mutable_data<T>();
    for_each_block(layout, [&](SoftmaxRuns runs, std::int64_t i, std::int64_t) { kernel(runs, px + i, py + i); });
    return arranged(y, d, layout);
  });
}

template <class F>
Array gradient(const Array& dy, const Array& y, std::int64_t dim, std::string_view op, const F& kernel) {
  const int d = normalize_dim(dim, y.rank(), op);
  require_alike(dy.dtype() == y.dtype(), dy.shape() == y.shape(), op, "the gradient is ", dy.dtype(), " ", dy.shape(),
                ", the value ", y.dtype(), " ", y.shape());
  const RowLayout layout(y, d);
  return dispatch_float(y.dtype(), op, [&]<class T>() {
    const Array from_dy = arranged(dy, d, layout);
    const Array from_y = arranged(y, d, layout);
    Array dx = Array::empty(from_y.shape(), y.dtype());
    const T* pdy = from_dy.data<T>();
    const T* py = from_y.data<T>();
    T* pdx = dx.mutable_data<T>();
    for_each_block(layout,
                   [&](SoftmaxRuns runs, std::int64_t i, std::int64_t) { kernel(runs, pdy + i, py + i, pdx + i); });
    return arranged(dx, d, layout);
  });
}

}  // namespace

Array softmax(const Array& x, std::int64_t dim) {
  return forward(x, dim, "softmax", [](auto... arguments) { kernels::softmax(arguments...); });
}

Array log_softmax(const Array& x, std::int64_t dim) {
  return forward(x, dim, "log_softmax", [](auto... arguments) { kernels::log_softmax(arguments...); });
}

Array softmax_gradient(const Array& dy, const Array& y, std::int64_t dim) {
  return gradient(dy, y, dim, "softmax", [](auto... arguments) { kernels::softmax_gradient(arguments...); });
}

Array log_softmax_gradient(const Array& dy, const Array& y, std::int64_t dim) {
  return gradient(dy, y, dim, "log_softmax", [](auto... arguments) { kernels::log_softmax_gradient(arguments...); });
}

SoftmaxStatistics softmax_statistics(const Array& x, int dim) {
  const Array from = x.contiguous();
  const RowLayout layout(from, dim);
  const Shape runs_shape{layout.outer * layout.inner};
  SoftmaxStatistics result{Array::empty(runs_shape, x.dtype()), Array::empty(runs_shape, DType::float64)};
  double* total = result.total.mutable_data<double>();
  dispatch_float(x.dtype(), "softmax_statistics", [&]<class T>() {
    const T* px = from.data<T>();
    T* largest = result.largest.mutable_data<T>();
    for_each_block(layout, [&](SoftmaxRuns runs, std::int64_t i, std::int64_t run) {
      kernels::softmax_statistics(runs, px + i, largest + run, total + run);
    });
  });
  return result;
}

Array scaled_exponentials(const Array& x, int dim, const Array& largest, const Array& scale, const Array& shift) {
  const Array from = x.contiguous();
  const RowLayout layout(from, dim);
  Array y = Array::empty(x.shape(), x.dtype());
  dispatch_float(x.dtype(), "scaled_exponentials", [&]<class T>() {
    const T* px = from.data<T>();
    const T* most = largest.data<T>();
    const T* factor = scale.data<T>();
    const T* less = shift.data<T>();
    T* py = y.mutable_data<T>();
    for_each_block(layout, [&](SoftmaxRuns runs, std::int64_t i, std::int64_t run) {
      kernels::scaled_exponentials(runs, px + i, most + run, factor + run, less + run, py + i);
    });
  });
  return y;
}

}  // namespace evenkeel
