#include "evenkeel/core/index.hpp"

#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/strided.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace evenkeel {
namespace {

// As dispatch_all, but bool moves as bytes: memory that was never written may hold something else than 0 and 1.
template <class F>
void dispatch_elements(DType dtype, const F& f) {
  if (dtype == DType::boolean) {
    f.template operator()<std::uint8_t>();
  } else {
    dispatch_all(dtype, f);
  }
}

template <class T>
const T* elements(const Array& x) {
  return reinterpret_cast<const T*>(x.raw());
}
template <class T>
T* elements(Array& x) {
  return reinterpret_cast<T*>(x.mutable_raw());
}

// What becomes of an element that a value comes to.
struct Replace {
  template <class T>
  T operator()(T /*old*/, T value) const {
    return value;
  }
};
struct AddUp {
  template <class T>
  T operator()(T old, T value) const {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(static_cast<std::uint64_t>(old) + static_cast<std::uint64_t>(value));  // wraps around
    } else {
      return old + value;
    }
  }
};

void check_numbers_add(DType dtype, std::string_view op) {
  require<DtypeError>(dtype != DType::boolean, op, "expected numbers, got bool");
}

void check_one_dtype(const Array& target, const Array& source, std::string_view op) {
  require<DtypeError>(source.dtype() == target.dtype(), op, "target and source must have one dtype, got ",
                      target.dtype(), " and ", source.dtype());
}

// Every entry of index (any strides) in [0, size). Checked before anything is written.
void check_entries(const Array& index, std::int64_t size, int dim, std::string_view op) {
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

int check_index_list(const Array& x, std::int64_t dim, const Array& index, std::string_view op) {
  require<ShapeError>(x.rank() >= 1, op, "there must be at least 1 dimension, got shape ", x.shape());
  require<ShapeError>(index.rank() == 1, op, "index must be a vector, got shape ", index.shape());
  const int d = normalize_dim(dim, x.rank(), op);
  check_entries(index, x.shape()[d], d, op);
  return d;
}

// gather and scatter share their rules: `indexed` is what index points into along dim, `others` has index's shape.
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
  check_entries(index, indexed.rank() == 0 ? 1 : indexed.shape()[dim], dim, op);
}

// `strides` with no step along dim: the caller adds index * stride itself.
Shape without_step(Shape strides, int dim) {
  strides[dim] = 0;
  return strides;
}

// Entries for all elements of a result, walked by strides of their own; one entry is `step` elements of the source.
struct Entries {
  const std::int64_t* data;
  Shape strides;
  std::int64_t step;
};

// result[i] = x[i + entry[i] step], where x is walked by `strides` over the result's shape.
void read_entries(const Array& x, const Shape& strides, const Entries& entries, Array& result) {
  const StridedLoop<3> loop = collapse<3>(result.shape(), {result.strides(), entries.strides, strides});
  const std::array<std::int64_t, 3> by = {loop.strides[0].back(), loop.strides[1].back(), loop.strides[2].back()};
  const bool dense = by[0] == 1 && by[1] == 0 && by[2] == 1;
  dispatch_elements(x.dtype(), [&]<class T>() {
    const T* in = elements<T>(x);
    T* out = elements<T>(result);
    parallel_for(0, result.numel(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      for_each_run(loop, begin, end, [&](const std::array<std::int64_t, 3>& at, std::int64_t count) {
        const std::int64_t* entry = entries.data + at[1];
        if (dense) {
          std::copy_n(in + at[2] + *entry * entries.step, count, out + at[0]);
          return;
        }
        for (std::int64_t i = 0; i < count; ++i) {
          out[at[0] + i * by[0]] = in[at[2] + i * by[2] + entry[i * by[1]] * entries.step];
        }
      });
    });
  });
}

// A part of the target that entries move, and what comes to it: entry b's element i is target[offsets[b] + i], its
// value source[b value_step + i], where i walks over `shape` by strides.
struct Rows {
  Shape shape, target_strides, source_strides;
  const std::vector<std::int64_t>& offsets;
  std::int64_t value_step;
};

// Elements of a row are independent; to each come its values in the order of the entries. A chunk of a row is some
// cache lines wide.
template <class Combine>
void write_rows(Array& target, const Rows& rows, const Array& source, const Combine& combine) {
  const StridedLoop<2> loop = collapse<2>(rows.shape, {rows.target_strides, rows.source_strides});
  constexpr std::int64_t kColumns = 64;
  const std::int64_t target_step = loop.strides[0].back(), source_step = loop.strides[1].back();
  const auto count = static_cast<std::int64_t>(rows.offsets.size());
  dispatch_elements(target.dtype(), [&]<class T>() {
    const T* in = elements<T>(source);
    T* out = elements<T>(target);
    parallel_for(0, numel(rows.shape), std::max(grain_of(count), kColumns), [&](std::int64_t begin, std::int64_t end) {
      for_each_run(loop, begin, end, [&](const std::array<std::int64_t, 2>& at, std::int64_t run) {
        for (std::int64_t b = 0; b < count; ++b) {
          T* to = out + at[0] + rows.offsets[static_cast<std::size_t>(b)];
          const T* from = in + at[1] + b * rows.value_step;
          if (target_step == 1 && source_step == 1) {
            for (std::int64_t i = 0; i < run; ++i) {
              to[i] = combine(to[i], from[i]);
            }
          } else {
            for (std::int64_t i = 0; i < run; ++i) {
              to[i * target_step] = combine(to[i * target_step], from[i * source_step]);
            }
          }
        }
      });
    });
  });
}

// Columns along dim are independent; within one the entries come in order.
template <class Combine>
void write_columns(Array& target, int dim, const Array& index, const Array& source, const Combine& combine) {
  const Array values = source.shares_storage(target) ? source.clone() : source;
  const Array places = index.shares_storage(target) ? index.clone() : index;
  const std::int64_t count = index.shape()[dim];
  const std::array<std::int64_t, 3> steps{target.strides()[dim], places.strides()[dim], values.strides()[dim]};
  Shape columns = index.shape();
  columns[dim] = 1;
  const StridedLoop<3> loop = collapse<3>(columns, {target.strides(), places.strides(), values.strides()});
  const std::int64_t* indices = places.data<std::int64_t>();
  dispatch_elements(target.dtype(), [&]<class T>() {
    const T* in = elements<T>(values);
    T* out = elements<T>(target);
    parallel_for(0, count == 0 ? 0 : numel(columns), grain_of(count), [&](std::int64_t begin, std::int64_t end) {
      for_each_run(loop, begin, end, [&](const std::array<std::int64_t, 3>& at, std::int64_t run) {
        for (std::int64_t i = 0; i < run; ++i) {
          T* column = out + at[0] + i * loop.strides[0].back();
          const std::int64_t* entries = indices + at[1] + i * loop.strides[1].back();
          const T* from = in + at[2] + i * loop.strides[2].back();
          for (std::int64_t j = 0; j < count; ++j) {
            T& element = column[entries[j * steps[1]] * steps[0]];
            element = combine(element, from[j * steps[2]]);
          }
        }
      });
    });
  });
}

template <class Combine>
void scatter_into(Array& target, std::int64_t dim, const Array& index, const Array& source, std::string_view op,
                  const Combine& combine) {
  const int d = normalize_dim(dim, target.rank(), op);
  check_gather(target, source.shape(), d, index, op);
  check_one_dtype(target, source, op);
  if (target.rank() > 0) {
    write_columns(target, d, index, source, combine);
  } else {
    Array row = target.unsqueeze(0);
    write_columns(row, 0, index.unsqueeze(0), source.unsqueeze(0), combine);
  }
}

// Sizes or strides of the dims that no list picks from.
Shape rest_of(const Shape& x, const Dims& dims) {
  Shape rest;
  for (int d = 0; d < x.rank(); ++d) {
    if (std::find(dims.begin(), dims.end(), d) == dims.end()) {
      rest.push_back(x[d]);
    }
  }
  return rest;
}

// Where each entry's elements begin in an array of the strides.
std::vector<std::int64_t> entry_offsets(const Picks& picks, const Shape& strides) {
  std::vector<std::int64_t> offsets(picks.lists[0].size(), 0);
  for (int i = 0; i < picks.dims.rank(); ++i) {
    const std::int64_t stride = strides[static_cast<int>(picks.dims[i])];
    const std::vector<std::int64_t>& list = picks.lists[static_cast<std::size_t>(i)];
    for (std::size_t b = 0; b < offsets.size(); ++b) {
      offsets[b] += list[b] * stride;
    }
  }
  return offsets;
}

template <class Combine>
void put(Array& target, const Picks& picks, const Array& values, std::string_view op, const Combine& combine) {
  check_one_dtype(target, values, op);
  const Shape rest = rest_of(target.shape(), picks.dims);
  const int at = picks.place();
  const std::vector<std::int64_t> offsets = entry_offsets(picks, target.strides());
  Shape flat = rest;
  flat.insert(at, static_cast<std::int64_t>(offsets.size()));
  Array source = values.expand(picks.picked_from(target.shape())).reshape(flat);
  source = source.shares_storage(target) ? source.clone() : source;
  Shape source_strides = source.strides();
  source_strides.erase(at);
  write_rows(target, {rest, rest_of(target.strides(), picks.dims), source_strides, offsets, source.strides()[at]},
             source, combine);
}

// Places in row-major order as indices, one list per dim. Whole is a type that holds the places.
template <class Whole>
void split_last(std::vector<std::int64_t>& places, std::int64_t size, std::vector<std::int64_t>& list) {
  list.resize(places.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto place = static_cast<Whole>(places[i]), by = static_cast<Whole>(size);
    list[i] = static_cast<std::int64_t>(place % by);
    places[i] = static_cast<std::int64_t>(place / by);
  }
}

std::vector<std::vector<std::int64_t>> unraveled(std::vector<std::int64_t> places, const Shape& shape) {
  std::vector<std::vector<std::int64_t>> lists(static_cast<std::size_t>(shape.rank()));
  const bool narrow = numel(shape) < std::int64_t{1} << 32;  // half the time to divide
  for (int d = shape.rank() - 1; d > 0 && !places.empty(); --d) {
    const auto split = narrow ? split_last<std::uint32_t> : split_last<std::uint64_t>;
    split(places, shape[d], lists[static_cast<std::size_t>(d)]);
  }
  if (!lists.empty()) {
    lists[0] = std::move(places);
  }
  return lists;
}

}  // namespace

Array index_select(const Array& x, std::int64_t dim, const Array& index, std::string_view op) {
  const int d = check_index_list(x, dim, index, op);
  Shape shape = x.shape();
  shape[d] = index.numel();
  Array result = Array::empty(shape, x.dtype());
  Shape along = Shape::filled(x.rank(), 0);
  along[d] = index.strides()[0];
  read_entries(x, without_step(x.strides(), d), {index.data<std::int64_t>(), along, x.strides()[d]}, result);
  return result;
}

void index_add_(Array& target, std::int64_t dim, const Array& index, const Array& source, std::string_view op) {
  const int d = check_index_list(target, dim, index, op);
  Shape expected = target.shape();
  expected[d] = index.numel();
  require<ShapeError>(source.shape() == expected, op, "source must have shape ", expected, ", got ", source.shape(),
                      " for target ", target.shape(), " and ", index.numel(), " indices along dimension ", d);
  check_numbers_add(target.dtype(), op);
  put(target, {{d}, {index.to_vector<std::int64_t>()}, index.shape()}, source, op, AddUp());
}

Array gather(const Array& x, std::int64_t dim, const Array& index) {
  const int d = normalize_dim(dim, x.rank(), "gather");
  check_gather(x, index.shape(), d, index, "gather");
  if (x.rank() == 0) {
    return x.clone();
  }
  Array result = Array::empty(index.shape(), x.dtype());
  read_entries(x, without_step(x.strides(), d), {index.data<std::int64_t>(), index.strides(), x.strides()[d]}, result);
  return result;
}

void scatter_(Array& target, std::int64_t dim, const Array& index, const Array& source, std::string_view op) {
  scatter_into(target, dim, index, source, op, Replace());
}

void scatter_add_(Array& target, std::int64_t dim, const Array& index, const Array& source, std::string_view op) {
  check_numbers_add(target.dtype(), op);
  scatter_into(target, dim, index, source, op, AddUp());
}

std::vector<std::vector<std::int64_t>> nonzero_lists(const Array& x) {
  const StridedLoop<1> loop = collapse<1>(x.shape(), {x.strides()});
  const std::int64_t step = loop.strides[0].back();
  std::vector<std::int64_t> places;  // in row-major order
  dispatch_elements(x.dtype(), [&]<class T>() {
    const T* in = elements<T>(x);
    std::size_t found = 0;
    for_each_run(loop, 0, x.numel(), [&](const std::array<std::int64_t, 1>& at, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        found += in[at[0] + i * step] != T(0);
      }
    });
    places.resize(found + 1);  // one more: each element is written, and stays if it is not 0
    found = 0;
    std::int64_t first = 0;
    for_each_run(loop, 0, x.numel(), [&](const std::array<std::int64_t, 1>& at, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        places[found] = first + i;
        found += in[at[0] + i * step] != T(0);
      }
      first += count;
    });
    places.resize(found);
  });
  return unraveled(std::move(places), x.shape());
}

Array nonzero(const Array& x) {
  if (x.rank() == 0) {
    return Array::empty({x.item() != 0 ? 1 : 0, 0}, DType::int64);
  }
  const auto lists = nonzero_lists(x);
  const auto count = static_cast<std::int64_t>(lists[0].size());
  Array result = Array::empty({count, x.rank()}, DType::int64);
  for (int d = 0; d < x.rank(); ++d) {
    result.select(1, d).copy_(Array::from(lists[static_cast<std::size_t>(d)], {count}));
  }
  return result;
}

int Picks::place() const {
  const bool neighbours = dims.back() - dims[0] + 1 == dims.rank();
  return neighbours ? static_cast<int>(dims[0]) : 0;
}

Shape Picks::picked_from(const Shape& x) const {
  Shape picked = rest_of(x, dims);
  const int at = place();
  for (int d = 0; d < shape.rank(); ++d) {
    picked.insert(at + d, shape[d]);
  }
  return picked;
}

std::vector<std::int64_t> wrapped_indices(const Array& index, std::int64_t size, int dim, std::string_view op) {
  std::vector<std::int64_t> list = index.to_vector<std::int64_t>();
  for (std::int64_t& entry : list) {
    require<IndexError>(entry >= -size && entry < size, op, "index ", entry, " is out of bounds for dimension ", dim,
                        " with size ", size);
    entry += entry < 0 ? size : 0;
  }
  return list;
}

Array pick(const Array& x, const Picks& picks) {
  const int at = picks.place();
  const std::vector<std::int64_t> offsets = entry_offsets(picks, x.strides());
  Shape flat = rest_of(x.shape(), picks.dims), strides = rest_of(x.strides(), picks.dims);
  flat.insert(at, static_cast<std::int64_t>(offsets.size()));
  strides.insert(at, 0);
  Array result = Array::empty(flat, x.dtype());
  Shape along = Shape::filled(flat.rank(), 0);
  along[at] = 1;
  read_entries(x, strides, {offsets.data(), along, 1}, result);
  return result.reshape(picks.picked_from(x.shape()));
}

void put_(Array& target, const Picks& picks, const Array& values) {
  put(target, picks, values, "index_put_", Replace());
}

void put_add_(Array& target, const Picks& picks, const Array& values) {
  check_numbers_add(target.dtype(), "index_put_");
  put(target, picks, values, "index_put_", AddUp());
}

Array last_entries(const Picks& picks, const Shape& x) {
  Shape sizes;
  for (const std::int64_t d : picks.dims) {
    sizes.push_back(x[static_cast<int>(d)]);
  }
  const Shape strides = contiguous_strides(sizes);
  const std::size_t count = picks.lists[0].size();
  std::vector<std::size_t> names(count, 0), last(static_cast<std::size_t>(numel(sizes)), 0);
  for (std::size_t b = 0; b < count; ++b) {
    for (std::size_t i = 0; i < picks.lists.size(); ++i) {
      names[b] += static_cast<std::size_t>(picks.lists[i][b] * strides[static_cast<int>(i)]);
    }
    last[names[b]] = b;
  }
  Array result = Array::empty(picks.shape, DType::boolean);
  bool* out = result.mutable_data<bool>();
  for (std::size_t b = 0; b < count; ++b) {
    out[b] = last[names[b]] == b;
  }
  return result;
}

}  // namespace evenkeel
