#include "evenkeel/core/sort.hpp"

#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/strided.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <type_traits>
#include <vector>

namespace evenkeel {
namespace {

// A number whose order is that of the values: NaN after all others, -0 beside 0; reversed where descending.
template <class T>
auto rank_key(T value, bool descending) {
  if constexpr (std::is_floating_point_v<T>) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    constexpr Bits kSign = Bits{1} << (8 * sizeof(T) - 1);
    const auto bits = std::bit_cast<Bits>(value == T(0) ? T(0) : value);
    const Bits key = std::isnan(value) ? ~Bits{0} : (bits & kSign) != 0 ? ~bits : bits | kSign;
    return descending ? ~key : key;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    const std::uint64_t key = static_cast<std::uint64_t>(value) ^ (std::uint64_t{1} << 63);
    return descending ? ~key : key;
  } else {
    const auto key = static_cast<std::uint32_t>(value);
    return descending ? ~key : key;
  }
}

// An element's key and place in its row: every two differ in order, so that it makes no difference which algorithm
// sorts, and equal values keep theirs.
struct WideRank {
  std::uint64_t key;
  std::int64_t place;

  WideRank() = default;
  WideRank(std::uint64_t key, std::int64_t place) : key(key), place(place) {}
  std::int64_t index() const { return place; }
  friend bool operator<(const WideRank& a, const WideRank& b) {
    return a.key < b.key || (a.key == b.key && a.place < b.place);
  }
};
// The same in one word, for keys of 32 bits in rows shorter than 2^32.
struct NarrowRank {
  std::uint64_t both;

  NarrowRank() = default;
  NarrowRank(std::uint32_t key, std::int64_t place)
      : both(std::uint64_t{key} << 32 | static_cast<std::uint64_t>(place)) {}
  std::int64_t index() const { return static_cast<std::int64_t>(both & 0xffffffffU); }
  friend bool operator<(const NarrowRank& a, const NarrowRank& b) { return a.both < b.both; }
};

template <class Rank>
void rank_row(std::vector<Rank>& row, std::int64_t k, bool sorted) {
  const auto end_of_k = row.begin() + k;
  if (k < std::ssize(row) / 64) {
    std::partial_sort(row.begin(), end_of_k, row.end());
  } else {
    std::nth_element(row.begin(), end_of_k, row.end());  // does nothing if all are wanted
    std::sort(row.begin(), end_of_k);
  }
  if (!sorted) {
    std::sort(row.begin(), end_of_k, [](const Rank& a, const Rank& b) { return a.index() < b.index(); });
  }
}

// The rows are those of x's shape with 1 for dim; k of their n elements go to `result`.
template <class T, class Rank>
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
    std::vector<Rank> row(static_cast<std::size_t>(n));
    for_each_run(loop, begin, end, [&](const std::array<std::int64_t, 2>& at, std::int64_t count) {
      for (std::int64_t r = 0; r < count; ++r) {
        const T* from = in + at[0] + r * in_next;
        for (std::int64_t i = 0; i < n; ++i) {
          row[static_cast<std::size_t>(i)] = Rank(rank_key(from[i * in_step], descending), i);
        }
        rank_row(row, k, sorted);
        for (std::int64_t i = 0; i < k; ++i) {
          const std::int64_t to = at[1] + r * out_next + i * out_step, index = row[static_cast<std::size_t>(i)].index();
          values[to] = from[index * in_step];
          indices[to] = index;
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
    dispatch_all(x.dtype(), [&]<class T>() {
      if constexpr (sizeof(T) <= 4) {
        if (size < std::int64_t{1} << 32) {
          sort_typed<T, NarrowRank>(x, d, descending, sorted, result);
          return;
        }
      }
      sort_typed<T, WideRank>(x, d, descending, sorted, result);
    });
  }
  return result;
}

}  // namespace evenkeel
