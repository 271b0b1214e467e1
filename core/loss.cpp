#include "evenkeel/core/loss.hpp"

#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/parallel.hpp"

namespace evenkeel {
namespace {

void check_pair(std::string_view name, const Array& x, const Array& t) {
  require_alike(x.dtype() == t.dtype(), x.shape() == t.shape(), name, "input is ", x.dtype(), " ", x.shape(),
                ", target is ", t.dtype(), " ", t.shape());
}

}  // namespace

namespace detail {

double loss_sum(std::string_view name, std::size_t op, const Array& x, const Array& t, double a) {
  check_pair(name, x, t);
  const Array inputs = x.contiguous(), targets = t.contiguous();
  const std::int64_t n = x.numel(), chunks = kernels::ceil_div(n, kElementGrain);
  return dispatch_float(x.dtype(), name, [&]<class T>() {
    const T* px = inputs.data<T>();
    const T* pt = targets.data<T>();
    if (chunks <= 1) {
      return kernels::loss_sum(op, n, px, pt, a);
    }
    Array partial = Array::empty({chunks}, DType::float64);
    double* sums = partial.mutable_data<double>();
    parallel_for(0, n, kElementGrain, [&](std::int64_t first, std::int64_t last) {
      sums[first / kElementGrain] = kernels::loss_sum(op, last - first, px + first, pt + first, a);
    });
    double total = 0;
    for (std::int64_t i = 0; i < chunks; ++i) {
      total += sums[i];
    }
    return total;
  });
}

Array loss_values(std::string_view name, std::size_t op, const Array& x, const Array& t, double a) {
  check_pair(name, x, t);
  const Array inputs = x.contiguous(), targets = t.contiguous();
  Array y = Array::empty(x.shape(), x.dtype());
  dispatch_float(x.dtype(), name, [&]<class T>() {
    const T* px = inputs.data<T>();
    const T* pt = targets.data<T>();
    T* py = y.mutable_data<T>();
    parallel_for(0, x.numel(), kElementGrain, [&](std::int64_t first, std::int64_t last) {
      kernels::loss_values(op, last - first, px + first, pt + first, a, py + first);
    });
  });
  return y;
}

Array loss_gradient(std::string_view name, std::size_t op, const Array& dy, const Array& x, const Array& t, double a) {
  check_pair(name, x, t);
  const bool one = dy.numel() == 1;
  require_alike(dy.dtype() == x.dtype(), one || dy.shape() == x.shape(), name, "the gradient is ", dy.dtype(), " ",
                dy.shape(), ", the input ", x.dtype(), " ", x.shape());
  const Array gradients = dy.contiguous(), inputs = x.contiguous(), targets = t.contiguous();
  Array dx = Array::empty(x.shape(), x.dtype());
  dispatch_float(x.dtype(), name, [&]<class T>() {
    const T* pdy = gradients.data<T>();
    const T* px = inputs.data<T>();
    const T* pt = targets.data<T>();
    T* pdx = dx.mutable_data<T>();
    parallel_for(0, x.numel(), kElementGrain, [&](std::int64_t first, std::int64_t last) {
      kernels::loss_gradient(op, last - first, one ? pdy : pdy + first, one, px + first, pt + first, a, pdx + first);
    });
  });
  return dx;
}

}  // namespace detail

}  // namespace evenkeel
