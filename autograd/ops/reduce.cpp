#include "evenkeel/autograd/ops/reduce.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/constant.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/elementwise.hpp"
#include "evenkeel/core/reduce.hpp"

#include <cmath>

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

/// a / b, 0 where b = 0. The divisor is replaced there, so that no 0 * inf arises in a second derivative either.
Tensor divide_or_zero(const Tensor& a, const Tensor& b) {
  const Tensor zero = constant(0, b), empty = eq(b, zero);
  return where(empty, zero, a / where(empty, constant(1, b), b));
}

/// sign(x) factor
Tensor with_sign_of(const Tensor& x, const Tensor& factor) {
  const Tensor zero = constant(0, x);
  return where(gt(x, zero), factor, where(lt(x, zero), -factor, zero));
}

/// dy shared evenly by the elements of x that are equal to y.
Tensor share_evenly(const Tensor& x, const Tensor& y, const Tensor& dy, const Dims& dims) {
  const Tensor equal = eq(x, y);
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

Tensor max(const Tensor& x, const Dims& dims, bool keepdim) {
  const Reduced over("max", x, dims);
  return record(
      {.name = "max", .inputs = {x}, .keep = Keep::input(0) | Keep::output()}, max(x.array(), over.dims, keepdim),
      [over](const Saved& saved, const Tensor& dy) -> Grads {
        return {share_evenly(saved.input(0), reshape(saved.output(), over.kept), reshape(dy, over.kept), over.dims)};
      });
}

Tensor min(const Tensor& x, const Dims& dims, bool keepdim) {
  const Reduced over("min", x, dims);
  return record(
      {.name = "min", .inputs = {x}, .keep = Keep::input(0) | Keep::output()}, min(x.array(), over.dims, keepdim),
      [over](const Saved& saved, const Tensor& dy) -> Grads {
        return {share_evenly(saved.input(0), reshape(saved.output(), over.kept), reshape(dy, over.kept), over.dims)};
      });
}

Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim) { return Tensor(argmax(x.array(), dim, keepdim)); }
Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim) { return Tensor(argmin(x.array(), dim, keepdim)); }

}  // namespace evenkeel
