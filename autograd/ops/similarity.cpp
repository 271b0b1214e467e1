#include "evenkeel/autograd/ops/similarity.hpp"

#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/elementary.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"

#include <limits>

namespace evenkeel {
namespace {

/// x / max(||x||, eps), whose gradient is that of x / ||x|| with the norm's value replaced.
Tensor direction(const Tensor& x, std::int64_t dim, double eps) {
  const Tensor length = norm(x, 2, dim, true), value = length.detach();
  return x / (length + where(lt(value, eps), eps - value, 0));
}

}  // namespace

Tensor normalize(const Tensor& x, double p, std::int64_t dim, double eps) {
  check_float("normalize", x);
  const Tensor length = norm(x, p, normalize_dim(dim, x.rank(), "normalize"), true);
  return x * reciprocal(clamp(length, eps, std::numeric_limits<double>::infinity()));
}

Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, std::int64_t dim, double eps) {
  check_float("cosine_similarity", x1);
  check_float("cosine_similarity", x2);
  require<DtypeError>(x1.dtype() == x2.dtype(), "cosine_similarity", "both tensors must have one dtype, got ",
                      x1.dtype(), " and ", x2.dtype());
  const Shape shape = broadcast_shapes(x1.shape(), x2.shape(), "cosine_similarity");
  dim = normalize_dim(dim, shape.rank(), "cosine_similarity");
  return sum(direction(expand(x1, shape), dim, eps) * direction(expand(x2, shape), dim, eps), dim);
}

}  // namespace evenkeel
