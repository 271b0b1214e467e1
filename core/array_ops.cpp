#include "evenkeel/core/array_ops.hpp"

#include "evenkeel/core/copy.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace evenkeel {

Array concat_arrays(const std::vector<Array>& arrays, std::int64_t dim) {
  require(!arrays.empty(), "cat", "the list of tensors must not be empty");
  const Array& first = arrays.front();
  require<ShapeError>(first.rank() > 0, "cat", "zero-dimensional tensor (at position 0) cannot be concatenated");
  const int d = normalize_dim(dim, first.rank(), "cat");
  Shape shape = first.shape();
  shape[d] = 0;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const Array& x = arrays[i];
    require<ShapeError>(x.rank() == first.rank(), "cat", "Tensors must have same number of dimensions: got ",
                        first.rank(), " and ", x.rank(), " (shapes ", first.shape(), " and ", x.shape(),
                        " of tensor number ", i, ")");
    require<DtypeError>(x.dtype() == first.dtype(), "cat", "tensors must have one dtype, got ", first.dtype(), " and ",
                        x.dtype(), " (tensor number ", i, ")");
    Shape expected = first.shape();
    expected[d] = x.shape()[d];
    require<ShapeError>(x.shape() == expected, "cat", "Sizes of tensors must match except in dimension ", d, ", got ",
                        first.shape(), " and ", x.shape(), " (tensor number ", i, ")");
    require<ShapeError>(!__builtin_add_overflow(shape[d], x.shape()[d], &shape[d]), "cat",
                        "the result has too many elements");
  }
  Array result = Array::empty(shape, first.dtype());
  std::int64_t at = 0;
  for (const Array& x : arrays) {
    result.slice(d, at, at + x.shape()[d]).copy_(x);
    at += x.shape()[d];
  }
  return result;
}

Array flip(const Array& x, const Dims& dims) {
  Shape strides = x.strides();
  std::int64_t first = 0;  // element of the result, in x
  for (const std::int64_t dim : dims) {
    const int d = static_cast<int>(dim);
    first += x.numel() == 0 ? 0 : (x.shape()[d] - 1) * strides[d];
    strides[d] = -strides[d];
  }
  Array result = Array::empty(x.shape(), x.dtype());
  const std::byte* from = x.raw() + first * static_cast<std::int64_t>(item_size(x.dtype()));
  copy_strided(x.shape(), {from, x.dtype(), strides}, {result.mutable_raw(), x.dtype(), result.strides()});
  return result;
}

Array pad(const Array& x, const std::vector<std::int64_t>& padding, double value) {
  require(padding.size() % 2 == 0, "pad", "Padding length must be divisible by 2, got ", padding.size());
  require(std::cmp_less_equal(padding.size() / 2, x.rank()), "pad", "Padding length too large: ", padding.size(),
          " numbers for shape ", x.shape());
  Array kept = x;
  Shape shape = x.shape();
  Shape start = Shape::filled(x.rank(), 0);
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 4;
  for (int i = 0; std::cmp_less(2 * i, padding.size()); ++i) {
    const int d = x.rank() - 1 - i;
    const std::int64_t before = padding[static_cast<std::size_t>(2 * i)];
    const std::int64_t after = padding[static_cast<std::size_t>(2 * i + 1)];
    require(before >= -kMost && before <= kMost && after >= -kMost && after <= kMost, "pad", "padding ", before,
            " and ", after, " is too large");
    shape[d] += before + after;
    require<ShapeError>(shape[d] >= 0, "pad", "The input size ", x.shape()[d], ", plus negative padding ", before,
                        " and ", after, " resulted in a negative output size, which is invalid. Check dimension ", d,
                        " of your input.");
    const std::int64_t first = std::max<std::int64_t>(0, -before);
    const std::int64_t last = x.shape()[d] - std::max<std::int64_t>(0, -after);
    kept = kept.slice(d, first, std::max(first, last));
    start[d] = std::max<std::int64_t>(0, before);
  }
  Array result = Array::full(shape, value, x.dtype());
  Array inside = result;
  for (int d = 0; d < x.rank(); ++d) {
    inside = inside.slice(d, start[d], start[d] + kept.shape()[d]);
  }
  if (kept.numel() > 0) {
    inside.copy_(kept);
  }
  return result;
}

}  // namespace evenkeel
