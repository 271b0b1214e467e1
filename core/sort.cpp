#include "evenkeel/core/sort.hpp"

#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/strided.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace evenkeel {
namespace {

template <class T>
struct Ranked {
  T value;
  std::int64_t index;
};

// Every two elements differ in order, so that it makes no difference which algorithm sorts.
template <class T>
struct RankOrder {
  bool descending;

  static bool less(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      return a < b || (std::isnan(b) && !std::isnan(a));
    } else {
      return a < b;
    }
  }
  bool operator()(const Ranked<T>& a, const Ranked<T>& b) const {
    const bool before = descending ? less(b.value, a.value) : less(a.value, b.value);
    return before || (a.index < b.index && !(descending ? less(a.value, b.value) : less(b.value, a.value)));
  }
};

template <class T>
void rank_row(std::vector<Ranked<T>>& row, std::int64_t k, bool descending, bool sorted) {
  const auto end_of_k = row.begin() + k;
  const RankOrder<T> order{descending};
  std::nth_element(row.begin(), end_of_k, row.end(), order);  // does nothing if all are wanted
  if (sorted) {
    std::sort(row.begin(), end_of_k, order);
  } else {
    std::sort(row.begin(), end_of_k, [](const auto& a, const auto& b) { return a.index < b.index; });
  }
}

// The rows are those of `shape` whose dim is 1; k of their n elements go to `result`.
template <class T>
void sort_typed(const Array& x, int dim, bool descending, bool sorted, SortedArray& result) {
  const std::int64_t n = x.shape()[dim], k = result.values.shape()[dim];
  const std::int64_t in_step = x.strides()[dim], out_step = result.values.strides()[dim];
  Shape rows = x.shape();
  rows[dim] = 1;
  const StridedLoop<2> loop = collapse<2>(rows, {x.strides(), result.values.strides()});
  const std::int64_t in_next = loop.strides[0].back(), out_next = loop.strides[1].back();
  const T* in = x.data<T>();
  T* values = result.values.mutable_data<T>();
  auto* indices = result.indices.mutable_data<std::int64_t>();
  parallel_for(0, numel(rows), grain_of(32 * n), [&](std::int64_t begin, std::int64_t end) {
    std::vector<Ranked<T>> row(static_cast<std::size_t>(n));
    for_each_run(loop, begin, end, [&](const std::array<std::int64_t, 2>& at, std::int64_t count) {
      for (std::int64_t r = 0; r < count; ++r) {
        for (std::int64_t i = 0; i < n; ++i) {
          row[static_cast<std::size_t>(i)] = {in[at[0] + r * in_next + i * in_step], i};
        }
        rank_row(row, k, descending, sorted);
        for (std::int64_t i = 0; i < k; ++i) {
          const std::int64_t to = at[1] + r * out_next + i * out_step;
          values[to] = row[static_cast<std::size_t>(i)].value;
          indices[to] = row[static_cast<std::size_t>(i)].index;
        }
      }
    });
  });
}

}  // namespace

SortedArray sort_rows(const Array& x, std::int64_t dim, std::int64_t k, bool descending, bool sorted) {
  const int d = normalize_dim(dim, x.rank(), "sort_rows");
  if (x.rank() == 0) {
    const SortedArray one = sort_rows(x.unsqueeze(0), 0, k, descending, sorted);
    return {one.values.reshape({}), one.indices.reshape({})};
  }
  const std::int64_t size = x.shape()[d];
  require<IndexError>(k >= 0 && k <= size, "sort_rows", "k must lie in [0, ", size, "], got ", k);
  Shape shape = x.shape();
  shape[d] = k;
  SortedArray result{Array::empty(shape, x.dtype()), Array::empty(shape, DType::int64)};
  if (k > 0) {
    dispatch_all(x.dtype(), [&]<class T>() { sort_typed<T>(x, d, descending, sorted, result); });
  }
  return result;
}

}  // namespace evenkeel
