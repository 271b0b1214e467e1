#include "evenkeel/autograd/ops/sort.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/index.hpp"
#include "evenkeel/core/sort.hpp"

namespace evenkeel {
namespace {

/// dx = dy at the elements' places in zeros
ValuesAndIndices sorted_part(std::string_view op, const Tensor& x, std::int64_t dim, SortedArray part) {
  const Tensor values =
      record({.name = op, .inputs = {x}, .keep = Keep::extra(part.indices)}, std::move(part.values),
             [dim, shape = x.shape()](const Saved& saved, const Tensor& dy) -> Grads {
               return {scatter_add(zeros(shape, {.dtype = dy.dtype()}), dim, Tensor(saved.extra(0)), dy)};
             });
  return {values, Tensor(std::move(part.indices))};
}

std::int64_t size_of_dim(std::string_view op, const Tensor& x, std::int64_t dim) {
  check_defined(op, x);
  return x.rank() == 0 ? 1 : x.shape()[normalize_dim(dim, x.rank(), op)];
}

}  // namespace

ValuesAndIndices sort(const Tensor& x, std::int64_t dim, bool descending) {
  const std::int64_t size = size_of_dim("sort", x, dim);
  return sorted_part("sort", x, dim, sort_rows(x.array(), dim, size, descending));
}

Tensor argsort(const Tensor& x, std::int64_t dim, bool descending) {
  const std::int64_t size = size_of_dim("argsort", x, dim);
  return Tensor(sort_rows(x.array(), dim, size, descending).indices);
}

ValuesAndIndices topk(const Tensor& x, std::int64_t k, std::int64_t dim, bool largest, bool sorted) {
  const std::int64_t size = size_of_dim("topk", x, dim);
  require<IndexError>(k >= (x.rank() == 0 ? 1 : 0) && k <= size, "topk",
                      "selected index k out of range: k must lie in [", x.rank() == 0 ? 1 : 0, ", ", size,
                      "] for shape ", x.shape(), " and dim ", dim, ", got ", k);
  return sorted_part("topk", x, dim, sort_rows(x.array(), dim, k, largest, sorted));
}

}  // namespace evenkeel
