#include "evenkeel/autograd/ops/scan.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/scan.hpp"

#include <algorithm>

namespace evenkeel {
namespace {

/// Padding, as pad() takes it, along dim only.
std::vector<std::int64_t> along(const Tensor& x, std::int64_t dim, std::int64_t before, std::int64_t after) {
  std::vector<std::int64_t> padding(static_cast<std::size_t>(2 * (x.rank() - dim)), 0);
  padding[padding.size() - 2] = before;
  padding[padding.size() - 1] = after;
  return padding;
}

/// x moved on by one place along dim, or back, with 0 where nothing comes from.
Tensor moved(const Tensor& x, std::int64_t dim, bool back) {
  if (x.rank() == 0) {
    return reshape(moved(reshape(x, {1}), 0, back), {});
  }
  const std::int64_t by = back ? -1 : 1;
  return pad(x, along(x, dim, by, -by));
}

/// Running sums of floating or int64 numbers; dx = running sums of dy from the other end.
Tensor running_sum(const Tensor& x, std::int64_t dim, bool reverse) {
  return record({.name = "cumsum", .inputs = {x}}, linear_scan(Array(), x.array(), dim, reverse),
                [=](const Saved&, const Tensor& dy) -> Grads { return {running_sum(dy, dim, !reverse)}; });
}

/// da of a linear_scan: db_i s_(i-1), or db_i s_(i+1) in reverse. The first a is not read: its gradient is 0, also
/// where 0 times infinity would not be.
Tensor factor_gradient(const Tensor& s, const Tensor& db, std::int64_t dim, bool reverse) {
  if (db.rank() == 0) {
    return reshape(factor_gradient(reshape(s, {1}), reshape(db, {1}), 0, reverse), {});
  }
  const std::int64_t count = db.size(dim), later = std::min<std::int64_t>(1, count);
  const Tensor of_db = reverse ? slice(db, dim, 0, count - later) : slice(db, dim, later, count);
  const Tensor of_s = reverse ? slice(s, dim, later, count) : slice(s, dim, 0, count - later);
  return pad(of_db * of_s, along(db, dim, reverse ? 0 : later, reverse ? later : 0));
}

/// The tensor that a scan works on: integers as int64.
Tensor scanned(std::string_view op, const Tensor& x, std::int64_t& dim) {
  check_defined(op, x);
  dim = normalize_dim(dim, x.rank(), op);
  return is_floating(x.dtype()) ? x : to(x, DType::int64);
}

}  // namespace

Tensor cumsum(const Tensor& x, std::int64_t dim) {
  const Tensor v = scanned("cumsum", x, dim);
  return running_sum(v, dim, false);
}

/// A scan with a = x and b = x_0, 0, 0, ... (as -0: adding it keeps the sign of 0).
Tensor cumprod(const Tensor& x, std::int64_t dim) {
  const Tensor v = scanned("cumprod", x, dim);
  if (v.rank() == 0 || v.size(dim) == 0) {
    return clone(v);
  }
  const Tensor first = pad(slice(v, dim, 0, 1), along(v, dim, 0, v.size(dim) - 1), -0.0);
  return linear_scan(v, first, dim);
}

/// db = the scan of dy from the other end, each a one place further; da_i = db_i s_(i-1)
Tensor linear_scan(const Tensor& a, const Tensor& b, std::int64_t dim, bool reverse) {
  check_defined("linear_scan", a);
  check_defined("linear_scan", b);
  dim = normalize_dim(dim, b.rank(), "linear_scan");
  const Keep keep = Keep::input(0) | (a.requires_grad() ? Keep::output() : Keep::nothing());
  return record({.name = "linear_scan", .inputs = {a, b}, .keep = keep},
                linear_scan(a.array(), b.array(), dim, reverse), [=](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor db = linear_scan(moved(saved.input(0), dim, !reverse), dy, dim, !reverse);
                  return {saved.needs(0) ? factor_gradient(saved.output(), db, dim, reverse) : Tensor(), db};
                });
}

}  // namespace evenkeel
