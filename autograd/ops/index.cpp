#include "evenkeel/autograd/ops/index.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/constant.hpp"
#include "evenkeel/autograd/ops/indexing.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/index.hpp"
#include "evenkeel/core/reduce.hpp"

namespace evenkeel {
namespace {

/// What an op that changes some elements of x begins with: x's values in memory of their own. That is x's memory where
/// nobody else has it, as the zeros that a formula adds to; then x is no input.
struct Target {
  explicit Target(Tensor x) {
    const bool reuse = x.is_unshared() && !x.meta() && x.array().is_contiguous();
    values = reuse ? x.array() : x.array().clone();
    input = reuse ? Tensor() : std::move(x);
  }
  Array values;
  Tensor input;
};

void check_all_defined(std::string_view op, const Tensor& x, const Tensor& index, const Tensor& source) {
  check_defined(op, x);
  check_defined(op, index);
  check_defined(op, source);
}

Tensor zeros_of(const Shape& shape, const Tensor& like) { return zeros(shape, {.dtype = like.dtype()}); }

/// x with zeros behind it, up to `shape`: of what no index read there is no gradient.
Tensor extended(const Tensor& x, const Shape& shape) {
  std::vector<std::int64_t> padding;
  for (int d = x.rank() - 1; d >= 0; --d) {
    padding.insert(padding.end(), {0, shape[d] - x.shape()[d]});
  }
  return x.shape() == shape ? x : pad(x, padding);
}

/// Whether scatter's source is what stands in the result: no later entry has replaced it.
Tensor scattered_last(const Shape& shape, std::int64_t dim, const Tensor& index) {
  const Array places = Array::arange(0, static_cast<double>(index.numel()), 1, DType::int64).reshape(index.shape());
  Array last = Array::zeros(shape, DType::int64);
  scatter_(last, dim, index.array(), places);
  return eq(Tensor(gather(last, dim, index.array())), Tensor(places));
}

}  // namespace

/// dx = dy added into zeros
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index) {
  check_defined("index_select", x);
  check_defined("index_select", index);
  return record({.name = "index_select", .inputs = {x, index}, .keep = Keep::input(1)},
                index_select(x.array(), dim, index.array()),
                [dim, shape = x.shape()](const Saved& saved, const Tensor& dy) -> Grads {
                  return {index_add(zeros_of(shape, dy), dim, saved.input(1), dy), Tensor()};
                });
}

/// dx = dy, dsource = dy's rows
Tensor index_add(Tensor x, std::int64_t dim, const Tensor& index, const Tensor& source) {
  check_all_defined("index_add", x, index, source);
  Target y(std::move(x));
  index_add_(y.values, dim, index.array(), source.array(), "index_add");
  return record({.name = "index_add", .inputs = {y.input, index, source}, .keep = Keep::input(1)}, std::move(y.values),
                [dim](const Saved& saved, const Tensor& dy) -> Grads {
                  return {dy, Tensor(), saved.needs(2) ? index_select(dy, dim, saved.input(1)) : Tensor()};
                });
}

/// dx = dy added into zeros
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index) {
  check_defined("gather", x);
  check_defined("gather", index);
  return record({.name = "gather", .inputs = {x, index}, .keep = Keep::input(1)}, gather(x.array(), dim, index.array()),
                [dim, shape = x.shape()](const Saved& saved, const Tensor& dy) -> Grads {
                  return {scatter_add(zeros_of(shape, dy), dim, saved.input(1), dy), Tensor()};
                });
}

/// dx = dy, 0 where index points; dsource = dy there, 0 for what was replaced
Tensor scatter(Tensor x, std::int64_t dim, const Tensor& index, const Tensor& source) {
  check_all_defined("scatter", x, index, source);
  Target y(std::move(x));
  scatter_(y.values, dim, index.array(), source.array(), "scatter");
  return record({.name = "scatter", .inputs = {y.input, index, source}, .keep = Keep::input(1)}, std::move(y.values),
                [dim, shape = source.shape()](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor places = saved.input(1);
                  Grads grads(3);
                  if (saved.needs(0)) {
                    grads[0] = scatter(dy, dim, places, 0);
                  }
                  if (saved.needs(2)) {
                    const Tensor last = scattered_last(dy.shape(), dim, places);
                    grads[2] = extended(where(last, gather(dy, dim, places), constant(0, dy)), shape);
                  }
                  return grads;
                });
}

Tensor scatter(Tensor x, std::int64_t dim, const Tensor& index, double value) {
  check_all_defined("scatter", x, index, x);
  const Tensor source = expand(constant(value, x), index.shape());
  return scatter(std::move(x), dim, index, source);
}

/// dx = dy, dsource = dy where index points
Tensor scatter_add(Tensor x, std::int64_t dim, const Tensor& index, const Tensor& source) {
  check_all_defined("scatter_add", x, index, source);
  Target y(std::move(x));
  scatter_add_(y.values, dim, index.array(), source.array(), "scatter_add");
  return record({.name = "scatter_add", .inputs = {y.input, index, source}, .keep = Keep::input(1)},
                std::move(y.values), [dim, shape = source.shape()](const Saved& saved, const Tensor& dy) -> Grads {
                  return {dy, Tensor(), saved.needs(2) ? extended(gather(dy, dim, saved.input(1)), shape) : Tensor()};
                });
}

Tensor nonzero(const Tensor& x) {
  check_defined("nonzero", x);
  return Tensor(nonzero(x.array()));
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  check_defined("masked_select", x);
  check_defined("masked_select", mask);
  require<DtypeError>(mask.dtype() == DType::boolean, "masked_select", "mask must be bool, got ", mask.dtype());
  const Shape shape = broadcast_shapes(x.shape(), mask.shape(), "masked_select");
  return index(expand(x, shape), expand(mask, shape));
}

Tensor one_hot(const Tensor& index, std::int64_t num_classes) {
  check_defined("one_hot", index);
  require<DtypeError>(index.dtype() == DType::int64, "one_hot", "index must be int64, got ", index.dtype());
  require(num_classes > 0 || num_classes == -1, "one_hot", "num_classes must be positive, or -1 to infer it, got ",
          num_classes);
  require<ShapeError>(num_classes > 0 || index.numel() > 0, "one_hot",
                      "Can not infer total number of classes from empty tensor, got shape ", index.shape());
  if (index.numel() > 0) {
    const std::int64_t least = amin(index.array()).item_int64();
    const std::int64_t largest = amax(index.array()).item_int64();
    require<IndexError>(least >= 0, "one_hot", "Class values must be non-negative, got ", least);
    num_classes = num_classes == -1 ? largest + 1 : num_classes;
    require<IndexError>(largest < num_classes, "one_hot", "Class values must be smaller than num_classes, got ",
                        largest, " for ", num_classes, " classes");
  }
  Shape shape = index.shape();
  shape.push_back(num_classes);
  return scatter(zeros(shape, {.dtype = DType::int64}), -1, unsqueeze(index, -1), 1);
}

/// dweight = dy added into zeros
Tensor embedding(const Tensor& index, const Tensor& weight, std::optional<std::int64_t> padding_idx) {
  check_defined("embedding", index);
  check_defined("embedding", weight);
  require<ShapeError>(weight.rank() == 2, "embedding", "weight must have two dims, got shape ", weight.shape());
  const std::int64_t rows = weight.size(0);
  require<IndexError>(!padding_idx || (*padding_idx >= -rows && *padding_idx < rows), "embedding",
                      "padding_idx must be within num_embeddings = ", rows, ", got ", padding_idx.value_or(0));
  const std::int64_t padding = padding_idx ? (*padding_idx + rows) % rows : -1;
  Shape shape = index.shape();
  shape.push_back(weight.size(1));
  const Array value = index_select(weight.array(), 0, index.array().flatten(), "embedding");
  return record({.name = "embedding", .inputs = {index, weight}, .keep = Keep::input(0)}, value.reshape(shape),
                [padding, of_weight = weight.shape()](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor list = flatten(saved.input(0));
                  Tensor rows_of_dy = reshape(dy, {list.numel(), of_weight[1]});
                  if (padding >= 0) {
                    const Tensor is_padding = unsqueeze(eq(list, constant(static_cast<double>(padding), list)), -1);
                    rows_of_dy = where(is_padding, constant(0, dy), rows_of_dy);
                  }
                  return {Tensor(), index_add(zeros_of(of_weight, dy), 0, list, rows_of_dy)};
                });
}

}  // namespace evenkeel
