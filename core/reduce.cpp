#include "evenkeel/core/reduce.hpp"

#include "evenkeel/core/elementwise.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/reduce_block.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

namespace evenkeel {
namespace {

using kernels::Deviations;
using kernels::Largest;
using kernels::LargestMagnitude;
using kernels::Product;
using kernels::Smallest;
using kernels::Sum;
using kernels::SumOfMagnitudes;
using kernels::SumOfPowers;
using kernels::SumOfSquares;

/// The dims that a reduction works on and the number of elements per result.
struct ReducePlan {
  ReducePlan(const Array& x, const Dims& wanted, std::string_view op) : dims(normalize_dims(wanted, x.rank(), op)) {
    for (const std::int64_t d : dims) {
      count *= x.shape()[static_cast<int>(d)];
    }
  }
  Shape result(const Array& x, bool keepdim) const { return reduced_shape(x.shape(), dims, keepdim); }

  Dims dims;
  std::int64_t count = 1;
};

/// f(i) for every result i, rounded to `dtype`.
template <class F>
Array finish(const Shape& shape, DType dtype, const F& f) {
  Array y = Array::empty(shape, dtype);
  dispatch_float(dtype, "reduce", [&]<class T>() {
    T* py = y.mutable_data<T>();
    parallel_for(0, y.numel(), kElementGrain, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        py[i] = static_cast<T>(f(i));
      }
    });
  });
  return y;
}

void require_floating(const Array& x, std::string_view op) {
  require<DtypeError>(is_floating(x.dtype()), op, "dtype must be float32 or float64, got ", x.dtype(), " (shape ",
                      x.shape(), ")");
}

/// Folds integers (or bools) over plan.dims with f(accumulator, value), starting with `start`.
template <class T, class R, class F>
Array fold_integers(const Array& x, const ReducePlan& plan, const Shape& shape, R start, const F& f) {
  Dims order;
  for (int d = 0; d < x.rank(); ++d) {
    if (std::find(plan.dims.begin(), plan.dims.end(), d) == plan.dims.end()) {
      order.push_back(d);
    }
  }
  for (const std::int64_t d : plan.dims) {
    order.push_back(d);
  }
  const Array rows = x.permute(order).contiguous();
  const T* px = rows.data<T>();
  Array y = Array::empty(shape, dtype_of<R>);
  R* py = y.mutable_data<R>();
  const std::int64_t grain = grain_of(plan.count);
  parallel_for(0, y.numel(), grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      R result = start;
      for (std::int64_t k = 0; k < plan.count; ++k) {
        result = f(result, px[i * plan.count + k]);
      }
      py[i] = result;
    }
  });
  return y;
}

/// Calls f.operator()<T>() for int64, uint8 and bool.
template <class F>
Array dispatch_integers(DType dtype, const F& f) {
  switch (dtype) {
    case DType::int64:
      return f.template operator()<std::int64_t>();
    case DType::uint8:
      return f.template operator()<std::uint8_t>();
    default:
      return f.template operator()<bool>();
  }
}

template <class F>
Array extreme(const Array& x, const Dims& dims, bool keepdim, std::string_view op) {
  constexpr bool kLargest = std::is_same_v<F, Largest>;
  const ReducePlan plan(x, dims, op);
  const Shape shape = plan.result(x, keepdim);
  require<ShapeError>(plan.count > 0, op, "there must be an element to reduce over, got shape ", x.shape());
  if (is_floating(x.dtype())) {
    const Array values = reduce_dims(reduce_op<F>(), x, plan.dims);
    const double* v = values.data<double>();
    return finish(shape, x.dtype(), [v](std::int64_t i) { return v[i]; });
  }
  return dispatch_integers(x.dtype(), [&]<class T>() {
    constexpr T kStart = kLargest ? std::numeric_limits<T>::lowest() : std::numeric_limits<T>::max();
    return fold_integers<T, T>(x, plan, shape, kStart,
                               [](T a, T b) { return std::is_same_v<F, Largest> ? std::max(a, b) : std::min(a, b); });
  });
}

template <bool kLargest>
Array arg_extreme(const Array& x, std::int64_t dim, bool keepdim, std::string_view op) {
  const ReducePlan plan(x, x.rank() == 0 ? Dims{} : Dims{normalize_dim(dim, x.rank(), op)}, op);
  require<ShapeError>(plan.count > 0, op, "there must be an element to reduce over, got shape ", x.shape(), " and dim ",
                      dim);
  Array y = Array::empty(plan.result(x, keepdim), DType::int64);
  const int d = plan.dims.empty() ? -1 : static_cast<int>(plan.dims[0]);
  std::int64_t inner = 1;
  for (int i = d + 1; i < x.rank(); ++i) {
    inner *= x.shape()[i];
  }
  const Array values = x.contiguous();
  std::int64_t* py = y.mutable_data<std::int64_t>();
  dispatch_all(x.dtype(), [&]<class T>() {
    const T* px = values.data<T>();
    const auto better = [](T a, T b) { return (kLargest ? a > b : a < b) || (a != a && b == b); };
    const std::int64_t grain = grain_of(plan.count);
    parallel_for(0, y.numel(), grain, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        const T* p = px + i / inner * inner * plan.count + i % inner;
        std::int64_t best = 0;
        for (std::int64_t k = 1; k < plan.count; ++k) {
          best = better(p[k * inner], p[best * inner]) ? k : best;
        }
        py[i] = best;
      }
    });
  });
  return y;
}

/// Sum or Product; integers wrap around.
template <class F>
Array merge_plan(const Array& x, const ReducePlan& plan, const Shape& shape) {
  if (is_floating(x.dtype())) {
    const Array results = reduce_dims(reduce_op<F>(), x, plan.dims);
    const double* r = results.data<double>();
    return finish(shape, x.dtype(), [r](std::int64_t i) { return r[i]; });
  }
  return dispatch_integers(x.dtype(), [&]<class T>() {
    constexpr auto kStart = static_cast<std::int64_t>(F::kIdentity);
    return fold_integers<T, std::int64_t>(x, plan, shape, kStart, [](std::int64_t a, T b) {
      return static_cast<std::int64_t>(F::Merge::f(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b)));
    });
  });
}

/// result(variance) of every group, in double.
template <class F>
Array from_variance(const Array& x, const ReducePlan& plan, double correction, bool keepdim, const F& result) {
  const double n = static_cast<double>(plan.count);
  const Array sums = reduce_dims(reduce_op<Sum>(), x, plan.dims);
  const double* s = sums.data<double>();
  const Array m = finish(plan.result(x, true), DType::float64, [s, n](std::int64_t i) { return s[i] / n; });
  const Array deviations = reduce_dims(reduce_op<Deviations>(), x, plan.dims, m);
  const double* s1 = deviations.data<double>();
  const double* s2 = s1 + m.numel();
  const double degrees = n - correction;
  // s1 is 0 but for the rounding of m; s1^2 / n takes what that adds to s2 away again.
  return finish(plan.result(x, keepdim), x.dtype(), [=](std::int64_t i) {
    const double squares = s2[i] - s1[i] * s1[i] / n;
    return result(degrees > 0 ? (squares < 0 ? 0 : squares) / degrees : std::numeric_limits<double>::quiet_NaN());
  });
}

/// Whether a sum of powers has all its digits.
bool in_range(double sum) { return sum > 1e-280 && sum < 1e300; }

/// norm, from `sums` of powers as far as they have not left double's range, else from those of x / m, times m, the
/// largest |x|, which may be 0, infinite or NaN.
Array scaled_norm(const Array& x, double p, const ReducePlan& plan, const Array& exponents, const Array& sums,
                  bool keepdim) {
  const Array largest = reduce_dims(reduce_op<LargestMagnitude>(), x, plan.dims);
  const double* m = largest.data<double>();
  const Array inverse = finish(plan.result(x, true), DType::float64,
                               [m](std::int64_t i) { return m[i] > 0 && std::isfinite(m[i]) ? 1 / m[i] : 1; });
  const Array scaled = zip<kernels::Multiply>(x.to(DType::float64), inverse);
  const Array scaled_sums = reduce_dims(reduce_op<SumOfPowers>(), scaled, plan.dims, exponents);
  const double *s = sums.data<double>(), *t = scaled_sums.data<double>(), *by = inverse.data<double>();
  return finish(plan.result(x, keepdim), x.dtype(),
                [=](std::int64_t i) { return in_range(s[i]) ? std::pow(s[i], 1 / p) : std::pow(t[i], 1 / p) / by[i]; });
}

}  // namespace

Array sum(const Array& x, const Dims& dims, bool keepdim) {
  const ReducePlan plan(x, dims, "sum");
  return merge_plan<Sum>(x, plan, plan.result(x, keepdim));
}

Array prod(const Array& x, const Dims& dims, bool keepdim) {
  const ReducePlan plan(x, dims, "prod");
  return merge_plan<Product>(x, plan, plan.result(x, keepdim));
}

Array mean(const Array& x, const Dims& dims, bool keepdim) {
  require_floating(x, "mean");
  const ReducePlan plan(x, dims, "mean");
  const Array sums = reduce_dims(reduce_op<Sum>(), x, plan.dims);
  const double* s = sums.data<double>();
  const double n = static_cast<double>(plan.count);
  return finish(plan.result(x, keepdim), x.dtype(), [s, n](std::int64_t i) { return s[i] / n; });
}

Array var(const Array& x, const Dims& dims, double correction, bool keepdim) {
  require_floating(x, "var");
  return from_variance(x, ReducePlan(x, dims, "var"), correction, keepdim, [](double variance) { return variance; });
}

Array standard_deviation(const Array& x, const Dims& dims, double correction, bool keepdim) {
  require_floating(x, "std");
  return from_variance(x, ReducePlan(x, dims, "std"), correction, keepdim,
                       [](double variance) { return std::sqrt(variance); });
}

Array norm(const Array& x, double p, const Dims& dims, bool keepdim) {
  require_floating(x, "norm");
  require(p > 0, "norm", "p must be positive, got ", p);
  const ReducePlan plan(x, dims, "norm");
  const Shape shape = plan.result(x, keepdim);
  const auto root = [&](const Array& sums, double exponent) {
    const double* s = sums.data<double>();
    return finish(shape, x.dtype(), [=](std::int64_t i) {
      return exponent == 2 ? std::sqrt(s[i]) : exponent == 1 ? s[i] : std::pow(s[i], 1 / exponent);
    });
  };
  if (std::isinf(p)) {
    // Magnitudes are not negative; max(., 0) is for the empty set, and NaN stays.
    const Array largest = reduce_dims(reduce_op<LargestMagnitude>(), x, plan.dims);
    const double* v = largest.data<double>();
    return finish(shape, x.dtype(), [v](std::int64_t i) { return v[i] < 0 ? 0 : v[i]; });
  }
  if (p == 2) {
    return root(reduce_dims(reduce_op<SumOfSquares>(), x, plan.dims), 2);
  }
  if (p == 1) {
    return root(reduce_dims(reduce_op<SumOfMagnitudes>(), x, plan.dims), 1);
  }
  const Array exponents = Array::full(plan.result(x, true), p, DType::float64);
  const Array sums = reduce_dims(reduce_op<SumOfPowers>(), x, plan.dims, exponents);
  const double* s = sums.data<double>();
  return std::all_of(s, s + exponents.numel(), in_range) ? root(sums, p)
                                                         : scaled_norm(x, p, plan, exponents, sums, keepdim);
}

Array amax(const Array& x, const Dims& dims, bool keepdim) { return extreme<Largest>(x, dims, keepdim, "amax"); }

Array amin(const Array& x, const Dims& dims, bool keepdim) { return extreme<Smallest>(x, dims, keepdim, "amin"); }

Array any(const Array& x, const Dims& dims, bool keepdim) {
  const ReducePlan plan(x, dims, "any");
  return fold_integers<bool, bool>(x.to(DType::boolean), plan, plan.result(x, keepdim), false,
                                   [](bool a, bool b) { return a || b; });
}

Array all(const Array& x, const Dims& dims, bool keepdim) {
  const ReducePlan plan(x, dims, "all");
  return fold_integers<bool, bool>(x.to(DType::boolean), plan, plan.result(x, keepdim), true,
                                   [](bool a, bool b) { return a && b; });
}

Array argmax(const Array& x, std::int64_t dim, bool keepdim) { return arg_extreme<true>(x, dim, keepdim, "argmax"); }

Array argmin(const Array& x, std::int64_t dim, bool keepdim) { return arg_extreme<false>(x, dim, keepdim, "argmin"); }

Array sum_to(const Array& x, const Shape& shape) {
  if (x.shape() == shape) {
    return x;
  }
  const int extra = x.rank() - shape.rank();
  Dims dims;
  for (int d = 0; d < x.rank() && extra >= 0; ++d) {
    const std::int64_t wanted = d < extra ? 1 : shape[d - extra];
    require<ShapeError>(wanted == x.shape()[d] || wanted == 1, "sum_to", "shape ", shape, " does not broadcast to ",
                        x.shape());
    if (wanted != x.shape()[d]) {
      dims.push_back(d);
    }
  }
  require<ShapeError>(extra >= 0, "sum_to", "shape ", shape, " does not broadcast to ", x.shape());
  return dims.empty() ? x.reshape(shape) : merge_plan<Sum>(x, ReducePlan(x, dims, "sum_to"), shape);
}

}  // namespace evenkeel
