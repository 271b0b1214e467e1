#include "evenkeel/core/array_ops.hpp"

#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/strided.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace evenkeel {
namespace {

// As dispatch_all, but bool moves as bytes: memory that was never written may hold something else than 0 and 1.
template <class F>
void dispatch_moved(DType dtype, const F& f) {
  if (dtype == DType::boolean) {
    f.template operator()<std::uint8_t>();
  } else {
    dispatch_all(dtype, f);
  }
}

// Calls f for the dtypes that can be added.
template <class F>
void dispatch_all_numbers(DType dtype, std::string_view op, const F& f) {
  require<DtypeError>(dtype != DType::boolean, op, "expected numbers, got bool");
  dispatch_moved(dtype, f);
}

template <class T>
T add(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));  // wraps around
  } else {
    return a + b;
  }
}

template <class T>
const T* moved_data(const Array& x) {
  return reinterpret_cast<const T*>(x.raw());
}
template <class T>
T* moved_data(Array& x) {
  return reinterpret_cast<T*>(x.mutable_raw());
}

// Every entry of index (any strides) in [0, size). Checked before anything is written.
void check_index(const Array& index, std::int64_t size, int dim, std::string_view op) {
  require<DtypeError>(index.dtype() == DType::int64, op, "index must be int64, got ", index.dtype());
  const std::int64_t* values = index.data<std::int64_t>();
  const StridedLoop<1> loop = collapse<1>(index.shape(), {index.strides()});
  for_each_run(loop, 0, index.numel(), [&](const std::array<std::int64_t, 1>& offsets, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t value = values[offsets[0] + i * loop.strides[0].back()];
      require<IndexError>(value >= 0 && value < size, op, "index ", value, " is out of bounds for dimension ", dim,
                          " with size ", size);
    }
  });
}

// A contiguous array seen as [outer][size][inner] around one dim.
struct AroundDim {
  std::int64_t outer = 1, size = 1, inner = 1;
  AroundDim(const Shape& shape, int dim) : size(shape[dim]) {
    for (int d = 0; d < shape.rank(); ++d) {
      (d < dim ? outer : inner) *= d == dim ? 1 : shape[d];
    }
  }
};

int check_index_list(const Array& x, std::int64_t dim, const Array& index, std::string_view op) {
  require<ShapeError>(x.rank() >= 1, op, "there must be at least 1 dimension, got shape ", x.shape());
  require<ShapeError>(index.rank() == 1, op, "index must be a vector, got shape ", index.shape());
  const int d = normalize_dim(dim, x.rank(), op);
  check_index(index, x.shape()[d], d, op);
  return d;
}

// gather and scatter_add_ share their rules: `indexed` is what index points into along dim, `others` has index's shape.
void check_gather(const Array& indexed, const Shape& others, int dim, const Array& index, std::string_view op) {
  require<ShapeError>(index.rank() == indexed.rank() && index.rank() == others.rank(), op,
                      "Index tensor must have the same number of dimensions as input tensor, got shapes ",
                      index.shape(), ", ", indexed.shape(), " and ", others);
  for (int d = 0; d < index.rank(); ++d) {
    const std::int64_t size = index.shape()[d];
    require<ShapeError>(size <= others[d] && (d == dim || size <= indexed.shape()[d]), op,
                        "Size does not match at dimension ", d, ": expected index ", index.shape(),
                        " to be smaller than ", indexed.shape(), " apart from dimension ", dim, ", and no larger than ",
                        others);
  }
  check_index(index, indexed.rank() == 0 ? 1 : indexed.shape()[dim], dim, op);
}

// `strides` with no step along dim: the caller adds index * stride itself.
Shape without_dim(Shape strides, int dim) {
  strides[dim] = 0;
  return strides;
}

}  // namespace

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

Array index_select(const Array& x, std::int64_t dim, const Array& index) {
  const int d = check_index_list(x, dim, index, "index_select");
  const Array source = x.contiguous();
  const std::vector<std::int64_t> rows = index.to_vector<std::int64_t>();
  const auto count = static_cast<std::int64_t>(rows.size());
  const AroundDim view(x.shape(), d);
  Shape shape = x.shape();
  shape[d] = count;
  Array result = Array::empty(shape, x.dtype());
  dispatch_moved(x.dtype(), [&]<class T>() {
    const T* in = moved_data<T>(source);
    T* out = moved_data<T>(result);
    parallel_for(0, view.outer * count, grain_of(view.inner), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t row = i / count * view.size + rows[static_cast<std::size_t>(i % count)];
        std::copy_n(in + row * view.inner, view.inner, out + i * view.inner);
      }
    });
  });
  return result;
}

void index_add_(Array& target, std::int64_t dim, const Array& index, const Array& source) {
  const int d = check_index_list(target, dim, index, "index_add_");
  Shape expected = target.shape();
  expected[d] = index.numel();
  require<ShapeError>(source.shape() == expected, "index_add_", "source must have shape ", expected, ", got ",
                      source.shape(), " for target ", target.shape(), " and ", index.numel(),
                      " indices along dimension ", d);
  require<DtypeError>(source.dtype() == target.dtype(), "index_add_", "target and source must have one dtype, got ",
                      target.dtype(), " and ", source.dtype());
  const std::vector<std::int64_t> rows = index.to_vector<std::int64_t>();
  const auto count = static_cast<std::int64_t>(rows.size());
  const AroundDim view(target.shape(), d);
  const Array values = source.shares_storage(target) ? source.clone() : source.contiguous();
  Array sums = target.contiguous();
  // Columns are independent; within one, the rows are added in order, so that the result is always the same.
  dispatch_all_numbers(target.dtype(), "index_add_", [&]<class T>() {
    const T* in = moved_data<T>(values);
    T* out = moved_data<T>(sums);
    parallel_for(0, view.outer * view.inner, grain_of(count), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t at = begin, next = begin; at < end; at = next) {
        const std::int64_t o = at / view.inner;
        const std::int64_t column = at % view.inner;
        next = std::min(end, (o + 1) * view.inner);
        for (std::int64_t j = 0; j < count; ++j) {
          const T* from = in + (o * count + j) * view.inner + column;
          T* to = out + (o * view.size + rows[static_cast<std::size_t>(j)]) * view.inner + column;
          for (std::int64_t i = 0; i < next - at; ++i) {
            to[i] = add(to[i], from[i]);
          }
        }
      }
    });
  });
  if (!sums.shares_storage(target)) {
    target.copy_(sums);
  }
}

Array gather(const Array& x, std::int64_t dim, const Array& index) {
  const int d = normalize_dim(dim, x.rank(), "gather");
  check_gather(x, index.shape(), d, index, "gather");
  if (x.rank() == 0) {
    return x.clone();
  }
  Array result = Array::empty(index.shape(), x.dtype());
  const std::int64_t step = x.strides()[d];
  const StridedLoop<3> loop =
      collapse<3>(index.shape(), {result.strides(), index.strides(), without_dim(x.strides(), d)});
  const std::int64_t* indices = index.data<std::int64_t>();
  dispatch_moved(x.dtype(), [&]<class T>() {
    const T* in = moved_data<T>(x);
    T* out = moved_data<T>(result);
    parallel_for(0, index.numel(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      for_each_run(loop, begin, end, [&](const std::array<std::int64_t, 3>& at, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) {
          const std::int64_t entry = indices[at[1] + i * loop.strides[1].back()];
          out[at[0] + i * loop.strides[0].back()] = in[at[2] + i * loop.strides[2].back() + entry * step];
        }
      });
    });
  });
  return result;
}

void scatter_add_(Array& target, std::int64_t dim, const Array& index, const Array& source) {
  const int d = normalize_dim(dim, target.rank(), "scatter_add_");
  check_gather(target, source.shape(), d, index, "scatter_add_");
  require<DtypeError>(source.dtype() == target.dtype(), "scatter_add_", "target and source must have one dtype, got ",
                      target.dtype(), " and ", source.dtype());
  if (target.rank() == 0) {
    Array row = target.unsqueeze(0);
    scatter_add_(row, 0, index.unsqueeze(0), source.unsqueeze(0));
    return;
  }
  const Array values = source.shares_storage(target) ? source.clone() : source;
  const Array places = index.shares_storage(target) ? index.clone() : index;
  const std::int64_t count = index.shape()[d];
  const std::array<std::int64_t, 3> steps{target.strides()[d], places.strides()[d], values.strides()[d]};
  Shape columns = index.shape();
  columns[d] = 1;
  // Columns along dim are independent; within one, entries are added in order, so that the result is always the same.
  const StridedLoop<3> loop = collapse<3>(columns, {target.strides(), places.strides(), values.strides()});
  const std::int64_t* indices = places.data<std::int64_t>();
  dispatch_all_numbers(target.dtype(), "scatter_add_", [&]<class T>() {
    const T* in = moved_data<T>(values);
    T* out = moved_data<T>(target);
    parallel_for(0, count == 0 ? 0 : numel(columns), grain_of(count), [&](std::int64_t begin, std::int64_t end) {
      for_each_run(loop, begin, end, [&](const std::array<std::int64_t, 3>& at, std::int64_t run) {
        for (std::int64_t i = 0; i < run; ++i) {
          T* column = out + at[0] + i * loop.strides[0].back();
          const std::int64_t* entries = indices + at[1] + i * loop.strides[1].back();
          const T* from = in + at[2] + i * loop.strides[2].back();
          for (std::int64_t j = 0; j < count; ++j) {
            T& sum = column[entries[j * steps[1]] * steps[0]];
            sum = add(sum, from[j * steps[2]]);
          }
        }
      });
    });
  });
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
