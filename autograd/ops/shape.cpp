#include "evenkeel/autograd/ops/shape.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/core/array_ops.hpp"
#include "evenkeel/core/reduce.hpp"

#include <algorithm>
#include <functional>

namespace evenkeel {
namespace {

/// A view (or copy) with the same elements in the same order: dx is dy in x's shape.
Tensor reshaped(std::string_view op, const Tensor& x, Array value) {
  return record({.name = op, .inputs = {x}, .view = true}, std::move(value),
                [shape = x.shape()](const Saved&, const Tensor& dy) -> Grads { return {reshape(dy, shape)}; });
}

/// The adjoint of slice: x in zeros of `shape`.
Tensor embed(const Tensor& x, const Shape& shape, std::int64_t dim, std::int64_t start, std::int64_t stop,
             std::int64_t step) {
  Array y = Array::zeros(shape, x.dtype());
  y.slice(dim, start, stop, step).copy_(x.array());
  return record({.name = "slice_backward", .inputs = {x}}, std::move(y),
                [=](const Saved&, const Tensor& dy) -> Grads { return {slice(dy, dim, start, stop, step)}; });
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  check_defined("reshape", x);
  return reshaped("reshape", x, x.array().reshape(shape));
}

Tensor flatten(const Tensor& x, std::int64_t start_dim, std::int64_t end_dim) {
  check_defined("flatten", x);
  return reshaped("flatten", x, x.array().flatten(start_dim, end_dim));
}

/// dx = dy transposed
Tensor transpose(const Tensor& x, std::int64_t dim0, std::int64_t dim1) {
  check_defined("transpose", x);
  return record({.name = "transpose", .inputs = {x}, .view = true}, x.array().transpose(dim0, dim1),
                [dim0, dim1](const Saved&, const Tensor& dy) -> Grads { return {transpose(dy, dim0, dim1)}; });
}

/// dx = dy with the inverse permutation
Tensor permute(const Tensor& x, const Dims& dims) {
  check_defined("permute", x);
  Array y = x.array().permute(dims);
  Dims inverse = dims;
  for (int i = 0; i < dims.rank(); ++i) {
    inverse[normalize_dim(dims[i], x.rank(), "permute")] = i;
  }
  return record({.name = "permute", .inputs = {x}, .view = true}, std::move(y),
                [inverse](const Saved&, const Tensor& dy) -> Grads { return {permute(dy, inverse)}; });
}

/// dx = dy in its place among zeros
Tensor slice(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t stop, std::int64_t step) {
  check_defined("slice", x);
  return record({.name = "slice", .inputs = {x}, .view = true}, x.array().slice(dim, start, stop, step),
                [=, shape = x.shape()](const Saved&, const Tensor& dy) -> Grads {
                  return {embed(dy, shape, dim, start, stop, step)};
                });
}

Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index) {
  check_defined("select", x);
  Array y = x.array().select(dim, index);
  dim = normalize_dim(dim, x.rank(), "select");
  index = index < 0 ? index + x.size(dim) : index;
  return record({.name = "select", .inputs = {x}, .view = true}, std::move(y),
                [=, shape = x.shape()](const Saved&, const Tensor& dy) -> Grads {
                  return {embed(unsqueeze(dy, dim), shape, dim, index, index + 1, 1)};
                });
}

/// dx = dy: the engine sums the stretched axes, as for every op that broadcasts.
Tensor expand(const Tensor& x, const Shape& shape) {
  check_defined("expand", x);
  return record({.name = "expand", .inputs = {x}, .view = true}, x.array().expand(shape),
                [](const Saved&, const Tensor& dy) -> Grads { return {dy}; });
}

Tensor squeeze(const Tensor& x) {
  check_defined("squeeze", x);
  return reshaped("squeeze", x, x.array().squeeze());
}

Tensor squeeze(const Tensor& x, std::int64_t dim) {
  check_defined("squeeze", x);
  return reshaped("squeeze", x, x.array().squeeze(dim));
}

Tensor unsqueeze(const Tensor& x, std::int64_t dim) {
  check_defined("unsqueeze", x);
  return reshaped("unsqueeze", x, x.array().unsqueeze(dim));
}

/// dx = dy
Tensor contiguous(const Tensor& x) {
  check_defined("contiguous", x);
  if (x.array().is_contiguous()) {
    return x;
  }
  return record({.name = "contiguous", .inputs = {x}}, x.array().contiguous(),
                [](const Saved&, const Tensor& dy) -> Grads { return {dy}; });
}

/// dx = dy
Tensor clone(const Tensor& x) {
  check_defined("clone", x);
  return record({.name = "clone", .inputs = {x}}, x.array().clone(),
                [](const Saved&, const Tensor& dy) -> Grads { return {dy}; });
}

/// dx = dy, repeated
Tensor sum_to(const Tensor& x, const Shape& shape) {
  check_defined("sum_to", x);
  if (x.shape() == shape) {
    return x;
  }
  return record({.name = "sum_to", .inputs = {x}}, sum_to(x.array(), shape),
                [from = x.shape()](const Saved&, const Tensor& dy) -> Grads { return {expand(dy, from)}; });
}

/// dx_i = the slice of dy that x_i became
Tensor cat(const std::vector<Tensor>& tensors, std::int64_t dim) {
  require(!tensors.empty(), "cat", "the list of tensors must not be empty");
  std::vector<Array> arrays;
  std::vector<std::int64_t> ends;
  for (const Tensor& x : tensors) {
    check_defined("cat", x);
    arrays.push_back(x.array());
  }
  Array y = concat_arrays(arrays, dim);
  dim = normalize_dim(dim, y.rank(), "cat");
  ends.reserve(arrays.size());
  for (const Array& x : arrays) {
    ends.push_back((ends.empty() ? 0 : ends.back()) + x.size(dim));
  }
  return record({.name = "cat", .inputs = tensors}, std::move(y),
                [dim, ends](const Saved& saved, const Tensor& dy) -> Grads {
                  Grads grads(ends.size());
                  for (std::size_t i = 0; i < ends.size(); ++i) {
                    if (saved.needs(i)) {
                      grads[i] = slice(dy, dim, i == 0 ? 0 : ends[i - 1], ends[i]);
                    }
                  }
                  return grads;
                });
}

/// dx_i = dy[i] along dim
Tensor stack(const std::vector<Tensor>& tensors, std::int64_t dim) {
  require(!tensors.empty(), "stack", "the list of tensors must not be empty");
  std::vector<Array> arrays;
  for (const Tensor& x : tensors) {
    check_defined("stack", x);
    require<ShapeError>(x.shape() == tensors[0].shape(), "stack", "tensors must have one shape, got ",
                        tensors[0].shape(), " and ", x.shape());
    dim = normalize_dim(dim, x.rank() + 1, "stack");
    arrays.push_back(x.array().unsqueeze(dim));
  }
  return record({.name = "stack", .inputs = tensors}, concat_arrays(arrays, dim),
                [dim, count = tensors.size()](const Saved& saved, const Tensor& dy) -> Grads {
                  Grads grads(count);
                  for (std::size_t i = 0; i < count; ++i) {
                    if (saved.needs(i)) {
                      grads[i] = select(dy, dim, static_cast<std::int64_t>(i));
                    }
                  }
                  return grads;
                });
}

/// dx = dy with the padding taken off (where it was negative: zeros put back)
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& padding, double value) {
  check_defined("pad", x);
  return record({.name = "pad", .inputs = {x}}, pad(x.array(), padding, value),
                [padding](const Saved&, const Tensor& dy) -> Grads {
                  std::vector<std::int64_t> back(padding.size());
                  std::transform(padding.begin(), padding.end(), back.begin(), std::negate<>());
                  return {pad(dy, back)};
                });
}

}  // namespace evenkeel
