#include "evenkeel/core/copy.hpp"

#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/strided.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace evenkeel {
namespace {

using Loop = StridedLoop<2>;  // operand 0: target, 1: source

template <class To, class From>
void copy_run(To* target, std::int64_t target_stride, const From* source, std::int64_t source_stride,
              std::int64_t count) {
  if (target_stride == 1 && source_stride == 1) {
    if constexpr (std::is_same_v<To, From>) {
      std::memcpy(target, source, static_cast<std::size_t>(count) * sizeof(To));
    } else {
      for (std::int64_t i = 0; i < count; ++i) {
        target[i] = convert<To>(source[i]);
      }
    }
  } else if (target_stride == 1 && source_stride == 0) {
    std::fill(target, target + count, convert<To>(*source));
  } else {
    for (std::int64_t i = 0; i < count; ++i) {
      target[i * target_stride] = convert<To>(source[i * source_stride]);
    }
  }
}

template <class To, class From>
void copy_straight(const Loop& loop, const std::byte* source, std::byte* target) {
  const std::int64_t target_stride = loop.strides[0].back();
  const std::int64_t source_stride = loop.strides[1].back();
  parallel_for(0, numel(loop.shape), kElementGrain, [&](std::int64_t first, std::int64_t last) {
    for_each_run(loop, first, last, [&](const std::array<std::int64_t, 2>& offsets, std::int64_t count) {
      copy_run(reinterpret_cast<To*>(target) + offsets[0], target_stride,
               reinterpret_cast<const From*>(source) + offsets[1], source_stride, count);
    });
  });
}

// The dim along which the source is dense while the target is dense along the last: a transposition. -1: none (a source
// that repeats one element along the last dim is filled row by row).
int transposed_dim(const Loop& loop) {
  if (loop.strides[0].back() != 1 || loop.strides[1].back() <= 1) {
    return -1;
  }
  const Shape& strides = loop.strides[1];
  const auto dense = std::find(strides.begin(), strides.end(), 1);
  return dense == strides.end() ? -1 : static_cast<int>(dense - strides.begin());
}

// Copies by square tiles, so that both sides use whole cache lines.
template <class To, class From>
void copy_transposed(Loop loop, int dim, const std::byte* source, std::byte* target) {
  constexpr std::int64_t kTile = 16;  // one cache line of float
  const std::int64_t rows = loop.shape[dim];
  const std::int64_t columns = loop.shape.back();
  const std::int64_t target_stride = loop.strides[0][dim];
  const std::int64_t source_stride = loop.strides[1].back();
  const std::int64_t strips = kernels::ceil_div(rows, kTile);
  loop.shape[dim] = strips;  // what is left to walk: strips of kTile rows, as wide as the last dim
  loop.strides[0][dim] *= kTile;
  loop.strides[1][dim] *= kTile;
  for (Shape* list : {&loop.shape, &loop.strides[0], &loop.strides[1]}) {
    list->erase(list->rank() - 1);
    list->insert(list->rank(), (*list)[dim]);  // the strips become the last dim
    list->erase(dim);
  }
  const std::int64_t grain = grain_of(kTile * columns);
  parallel_for(0, numel(loop.shape), grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t strip = first; strip < last; ++strip) {
      const std::int64_t height = std::min(kTile, rows - strip % strips * kTile);
      for_each_run(loop, strip, strip + 1, [&](const std::array<std::int64_t, 2>& at, std::int64_t) {
        To* to = reinterpret_cast<To*>(target) + at[0];
        const From* from = reinterpret_cast<const From*>(source) + at[1];
        for (std::int64_t begin = 0; begin < columns; begin += kTile) {
          const std::int64_t end = std::min(begin + kTile, columns);
          for (std::int64_t r = 0; r < height; ++r) {
            copy_run(to + r * target_stride + begin, 1, from + r + begin * source_stride, source_stride, end - begin);
          }
        }
      });
    }
  });
}

// The dims in the order of the target's memory, so that writes go forward and permuted copies of equal layout merge.
Loop in_target_order(const Shape& shape, const Shape& target_strides, const Shape& source_strides) {
  std::array<int, Shape::kMaxRank> order{};
  const auto end = order.begin() + shape.rank();
  std::iota(order.begin(), end, 0);
  std::stable_sort(order.begin(), end, [&](int a, int b) { return target_strides[a] > target_strides[b]; });
  Loop loop;
  for (auto d = order.begin(); d != end; ++d) {
    loop.shape.push_back(shape[*d]);
    loop.strides[0].push_back(target_strides[*d]);
    loop.strides[1].push_back(source_strides[*d]);
  }
  return collapse(loop.shape, loop.strides);
}

template <class To, class From>
void copy_typed(const Loop& loop, const std::byte* source, std::byte* target) {
  const int dim = transposed_dim(loop);
  if (dim >= 0) {
    copy_transposed<To, From>(loop, dim, source, target);
  } else {
    copy_straight<To, From>(loop, source, target);
  }
}

}  // namespace

void copy_strided(const Shape& shape, const StridedSource& source, const StridedTarget& target) {
  if (numel(shape, "copy") == 0) {
    return;
  }
  const Loop loop = in_target_order(shape, target.strides, source.strides);
  // Bytes, not bools: uninitialised memory may be copied, and may hold something else than 0 and 1.
  if (source.dtype == DType::boolean && target.dtype == DType::boolean) {
    copy_typed<std::uint8_t, std::uint8_t>(loop, source.data, target.data);
    return;
  }
  dispatch_all(target.dtype, [&]<class To>() {
    dispatch_all(source.dtype, [&]<class From>() { copy_typed<To, From>(loop, source.data, target.data); });
  });
}

}  // namespace evenkeel
