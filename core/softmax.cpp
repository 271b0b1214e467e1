#include "core/kernels/softmax.hpp"

#include "core/parallel.hpp"
#include "core/reduce.hpp"

#include <algorithm>

namespace evenkeel {
namespace {

/// x with `dim` moved to the end, contiguous, so that rows are runs.
Array as_rows(const Array& x, int dim) {
  return x.rank() == 0 ? x.contiguous() : x.transpose(dim, x.rank() - 1).contiguous();
}

/// Calls run(rows, n, first element) over chunks of rows.
template <class F>
void for_each_row(const Array& rows, const F& run) {
  if (rows.numel() == 0) {
    return;
  }
  const std::int64_t n = rows.rank() == 0 ? 1 : rows.shape().back();
  parallel_for(0, rows.numel() / n, std::max<std::int64_t>(kElementGrain / 4 / n, 1),
               [&](std::int64_t first, std::int64_t last) { run(last - first, n, first * n); });
}

/// kernel(rows, n, x, y) over the rows of x along dim.
template <class F>
Array forward(const Array& x, std::int64_t dim, std::string_view op, const F& kernel) {
  const int d = normalize_dim(dim, x.rank(), op);
  return dispatch_float(x.dtype(), op, [&]<class T>() {
    const Array rows = as_rows(x, d);
    Array y = Array::empty(rows.shape(), x.dtype());
    const T* px = rows.data<T>();
    T* py = y.mutable_data<T>();
    for_each_row(rows, [&](std::int64_t count, std::int64_t n, std::int64_t i) { kernel(count, n, px + i, py + i); });
    return as_rows(y, d);
  });
}

template <class F>
Array gradient(const Array& dy, const Array& y, std::int64_t dim, std::string_view op, const F& kernel) {
  const int d = normalize_dim(dim, y.rank(), op);
  require(dy.shape() == y.shape() && dy.dtype() == y.dtype(), op, "the gradient is ", dy.dtype(), " ", dy.shape(),
          ", the value ", y.dtype(), " ", y.shape());
  return dispatch_float(y.dtype(), op, [&]<class T>() {
    const Array rows_dy = as_rows(dy, d);
    const Array rows_y = as_rows(y, d);
    Array dx = Array::empty(rows_y.shape(), y.dtype());
    const T* pdy = rows_dy.data<T>();
    const T* py = rows_y.data<T>();
    T* pdx = dx.mutable_data<T>();
    for_each_row(rows_y, [&](std::int64_t count, std::int64_t n, std::int64_t i) {
      kernel(count, n, pdy + i, py + i, pdx + i);
    });
    return as_rows(dx, d);
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

}  // namespace evenkeel
