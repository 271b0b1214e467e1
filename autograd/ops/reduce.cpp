#include "evenkeel/autograd/ops/reduce.hpp"

#include "evenkeel/autograd/ops/elementary.hpp"
#include "evenkeel/autograd/ops/elementwise.hpp"
#include "evenkeel/autograd/ops/index.hpp"
#include "evenkeel/autograd/ops/logic.hpp"
#include "evenkeel/autograd/ops/scan.hpp"
#include "evenkeel/core/reduce.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace evenkeel {
namespace {

/// The dims of a reduction, and what its result looks like with them kept.
struct Reduced {
  Dims dims;
  Shape kept;
  std::int64_t count;  ///< elements per result

  Reduced(std::string_view op, const Tensor& x, const Dims& wanted) {
    check_defined(op, x);
    dims = normalize_dims(wanted, x.rank(), op);
    kept = reduced_shape(x.shape(), dims, true);
    count = 1;
    for (const std::int64_t dim : dims) {
      count *= x.size(dim);
    }
  }
};

/// sign(x) factor
Tensor with_sign_of(const Tensor& x, const Tensor& factor) {
  const Tensor zero = constant(0, x);
  return where(gt(x, zero), factor, where(lt(x, zero), -factor, zero));
}

/// dy shared evenly by the elements of x that are equal to y, or NaN as y is.
Tensor share_evenly(const Tensor& x, const Tensor& y, const Tensor& dy, const Dims& dims) {
  const Tensor nan = isnan(y), same = eq(x, y);
  const Tensor equal = any(nan).item() != 0 ? logical_or(same, logical_and(isnan(x), nan)) : same;
  const Tensor share = divide_or_zero(dy, Tensor(sum(equal.array(), dims, true).to(x.dtype())));
  return where(equal, share, constant(0, x));
}

}  // namespace

/// dx = dy, repeated
Tensor sum(const Tensor& x, const Dims& dims, bool keepdim) {
  const Reduced over("sum", x, dims);
  return record({.name = "sum", .inputs = {x}}, sum(x.array(), over.dims, keepdim),
                [over, shape = x.shape()](const Saved&, const Tensor& dy) -> Grads {
                  return {expand(reshape(dy, over.kept), shape)};
                });
}

/// dx = dy / n, repeated
Tensor mean(const Tensor& x, const Dims& dims, bool keepdim) {
  check_float("mean", x);
  const Reduced over("mean", x, dims);
  return record({.name = "mean", .inputs = {x}}, mean(x.array(), over.dims, keepdim),
                [over, shape = x.shape()](const Saved&, const Tensor& dy) -> Grads {
                  return {expand(reshape(dy / static_cast<double>(over.count), over.kept), shape)};
                });
}

/// y = sum((x - m)^2) / (n - c);  dx = 2 dy (x - m) / (n - c), since sum(x - m) = 0 the mean adds no term
Tensor var(const Tensor& x, const Dims& dims, double correction, bool keepdim) {
  check_float("var", x);
  const Reduced over("var", x, dims);
  return record({.name = "var", .inputs = {x}, .keep = Keep::input(0)}, var(x.array(), over.dims, correction, keepdim),
                [over, correction](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor v = saved.input(0);
                  const double scale = 2 / (static_cast<double>(over.count) - correction);
                  return {(v - mean(v, over.dims, true)) * reshape(dy * scale, over.kept)};
                });
}

/// y = sqrt(var);  dx = dy (x - m) / ((n - c) y), 0 where y = 0
Tensor std(const Tensor& x, const Dims& dims, double correction, bool keepdim) {
  check_float("std", x);
  const Reduced over("std", x, dims);
  return record({.name = "std", .inputs = {x}, .keep = Keep::input(0) | Keep::output()},
                standard_deviation(x.array(), over.dims, correction, keepdim),
                [over, correction](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor v = saved.input(0);
                  const double scale = 1 / (static_cast<double>(over.count) - correction);
                  const Tensor factor = divide_or_zero(dy * scale, saved.output());
                  return {(v - mean(v, over.dims, true)) * reshape(factor, over.kept)};
                });
}

Tensor standard_deviation(const Tensor& x, const Dims& dims, double correction, bool keepdim) {
  return evenkeel::std(x, dims, correction, keepdim);
}

/// dx = dy sign(x) (|x| / y)^(p-1), 0 where y = 0: dy x / y for p = 2. p = infinity: shared evenly by the largest |x|.
Tensor norm(const Tensor& x, double p, const Dims& dims, bool keepdim) {
  check_float("norm", x);
  require(p >= 1, "norm", "p must be at least 1, got ", p);
  const Reduced over("norm", x, dims);
  return record({.name = "norm", .inputs = {x}, .keep = Keep::input(0) | Keep::output()},
                norm(x.array(), p, over.dims, keepdim), [over, p](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor v = saved.input(0);
                  const Tensor y = reshape(saved.output(), over.kept), g = reshape(dy, over.kept);
                  if (p == 1) {
                    return {with_sign_of(v, g)};
                  }
                  if (p == 2) {
                    return {v * divide_or_zero(g, y)};
                  }
                  if (std::isinf(p)) {
                    return {with_sign_of(v, share_evenly(abs(v), y, g, over.dims))};
                  }
                  return {with_sign_of(v, pow(divide_or_zero(abs(v), y), p - 1) * g)};
                });
}

namespace {

/// amax or amin: the elements equal to the result (a NaN to a NaN) share the gradient evenly.
Tensor extreme_value(std::string_view op, Array (*reduce)(const Array&, const Dims&, bool), const Tensor& x,
                     const Dims& dims, bool keepdim) {
  const Reduced over(op, x, dims);
  require<ShapeError>(over.count > 0, op, "there must be an element to reduce over, got shape ", x.shape());
  return record(
      {.name = op, .inputs = {x}, .keep = Keep::input(0) | Keep::output()}, reduce(x.array(), over.dims, keepdim),
      [over](const Saved& saved, const Tensor& dy) -> Grads {
        return {share_evenly(saved.input(0), reshape(saved.output(), over.kept), reshape(dy, over.kept), over.dims)};
      });
}

/// The values of x at the places that `find`, argmax or argmin, gives.
ValuesAndIndices picked(std::string_view op, Array (*find)(const Array&, std::int64_t, bool), const Tensor& x,
                        std::int64_t dim, bool keepdim) {
  check_defined(op, x);
  dim = normalize_dim(dim, x.rank(), op);
  require<ShapeError>(x.rank() == 0 || x.size(dim) > 0, op, "Expected reduction dim ", dim,
                      " to have non-zero size, got shape ", x.shape());
  const Tensor indices(find(x.array(), dim, true)), values = gather(x, dim, indices);
  return keepdim ? ValuesAndIndices{values, indices} : ValuesAndIndices{squeeze(values, dim), squeeze(indices, dim)};
}

}  // namespace

Tensor amax(const Tensor& x, const Dims& dims, bool keepdim) {
  return extreme_value("amax", evenkeel::amax, x, dims, keepdim);
}
Tensor amin(const Tensor& x, const Dims& dims, bool keepdim) {
  return extreme_value("amin", evenkeel::amin, x, dims, keepdim);
}
Tensor max(const Tensor& x) { return extreme_value("max", evenkeel::amax, x, {}, false); }
Tensor min(const Tensor& x) { return extreme_value("min", evenkeel::amin, x, {}, false); }

ValuesAndIndices max(const Tensor& x, std::int64_t dim, bool keepdim) {
  return picked("max", evenkeel::argmax, x, dim, keepdim);
}
ValuesAndIndices min(const Tensor& x, std::int64_t dim, bool keepdim) {
  return picked("min", evenkeel::argmin, x, dim, keepdim);
}

namespace {

/// x with the dims that are reduced as one, the last: (results, count), in the dims' order; and the way back.
struct ReducedLast {
  Dims order, inverse;
  Shape permuted;

  ReducedLast(const Tensor& x, const Dims& dims) {
    const auto is_reduced = [&](std::int64_t d) { return std::find(dims.begin(), dims.end(), d) != dims.end(); };
    for (const bool reduced : {false, true}) {
      for (int d = 0; d < x.rank(); ++d) {
        if (is_reduced(d) == reduced) {
          order.push_back(d);
          permuted.push_back(x.size(d));
        }
      }
    }
    inverse = order;
    for (int i = 0; i < order.rank(); ++i) {
      inverse[static_cast<int>(order[i])] = i;
    }
  }
  Tensor rows(const Tensor& x, std::int64_t count) const {
    return reshape(permute(x, order), {x.numel() / count, count});
  }
  Tensor back(const Tensor& rows) const { return permute(reshape(rows, permuted), inverse); }
};

/// In each row the products of the elements before each one, or behind it: p_0 = 1, p_i = x_(i-1) p_(i-1).
Tensor products_beside(const Tensor& rows, bool behind) {
  const std::int64_t by = behind ? -1 : 1, first = behind ? rows.size(1) - 1 : 0;
  Array start = Array::zeros(rows.shape(), rows.dtype());
  start.slice(1, first, first + 1).fill_(1);
  return linear_scan(pad(rows, {by, -by}), Tensor(start), 1, behind);
}

/// Of each element of x, the product of all others that it is multiplied with; in double, without a division.
Tensor products_of_others(const Tensor& x, const Dims& dims, std::int64_t count) {
  const ReducedLast view(x, dims);
  const Tensor rows = to(view.rows(x, count), DType::float64);
  return view.back(to(products_beside(rows, false) * products_beside(rows, true), x.dtype()));
}

}  // namespace

/// dx_i = dy prod_(j != i) x_j
Tensor prod(const Tensor& x, const Dims& dims, bool keepdim) {
  const Reduced over("prod", x, dims);
  return record({.name = "prod", .inputs = {x}, .keep = Keep::input(0)}, prod(x.array(), over.dims, keepdim),
                [over](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor v = saved.input(0);
                  return {v.numel() == 0 ? zeros(v.shape(), {.dtype = v.dtype()})
                                         : products_of_others(v, over.dims, over.count) * reshape(dy, over.kept)};
                });
}

namespace {
/// log sum exp(x), the largest x (if finite) taken out.
Array log_sum_exp(const Array& x, const Dims& dims, bool any) {
  if (!any) {
    return Array::full(reduced_shape(x.shape(), dims, true), -std::numeric_limits<double>::infinity(), x.dtype());
  }
  const NoGradGuard no_grad;
  const Tensor largest(amax(x, dims, true));
  const Tensor taken = where(isfinite(largest), largest, 0);
  return (log(sum(exp(Tensor(x) - taken), dims, true)) + taken).array();
}
}  // namespace

/// dx = dy exp(x - y)
Tensor logsumexp(const Tensor& x, const Dims& dims, bool keepdim) {
  check_float("logsumexp", x);
  const Reduced over("logsumexp", x, dims);
  Array y = log_sum_exp(x.array(), over.dims, over.count > 0).reshape(reduced_shape(x.shape(), over.dims, keepdim));
  return record({.name = "logsumexp", .inputs = {x}, .keep = Keep::input(0) | Keep::output()}, std::move(y),
                [over](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor y_kept = reshape(saved.output(), over.kept);
                  return {reshape(dy, over.kept) * exp(saved.input(0) - y_kept)};
                });
}

Tensor any(const Tensor& x, const Dims& dims, bool keepdim) {
  check_defined("any", x);
  return Tensor(any(x.array(), dims, keepdim));
}
Tensor all(const Tensor& x, const Dims& dims, bool keepdim) {
  check_defined("all", x);
  return Tensor(all(x.array(), dims, keepdim));
}

Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim) {
  check_defined("argmax", x);
  return Tensor(argmax(x.array(), dim, keepdim));
}
Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim) {
  check_defined("argmin", x);
  return Tensor(argmin(x.array(), dim, keepdim));
}

}  // namespace evenkeel
