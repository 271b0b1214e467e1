#pragma once

#include "evenkeel/core/shape.hpp"

#include <array>
#include <cstdint>

namespace evenkeel {

/// N operands walked together over one shape; strides in elements.
template <std::size_t N>
struct StridedLoop {
  Shape shape;
  std::array<Shape, N> strides;
};

/// The same walk in as few dims as possible: dims of size 1 are dropped, neighbours that every operand walks as one dim
/// are merged. The rank is at least 1; a single element has stride 1.
template <std::size_t N>
StridedLoop<N> collapse(const Shape& shape, const std::array<Shape, N>& strides) {
  StridedLoop<N> loop;
  for (int d = 0; d < shape.rank(); ++d) {
    if (shape[d] == 1) {
      continue;
    }
    const int last = loop.shape.rank() - 1;
    bool merge = last >= 0;
    for (std::size_t i = 0; merge && i < N; ++i) {
      merge = loop.strides[i][last] == strides[i][d] * shape[d];
    }
    if (merge) {
      loop.shape[last] *= shape[d];
    } else {
      loop.shape.push_back(shape[d]);
    }
    for (std::size_t i = 0; i < N; ++i) {
      if (merge) {
        loop.strides[i][last] = strides[i][d];
      } else {
        loop.strides[i].push_back(strides[i][d]);
      }
    }
  }
  if (loop.shape.empty()) {
    loop.shape.push_back(1);
    for (Shape& stride : loop.strides) {
      stride.push_back(1);
    }
  }
  return loop;
}

/// Calls f(offsets, count) for the elements [first, last) of the row-major walk, one call per run along the last dim:
/// `count` elements that start at offsets[i] and step by strides[i].back() in operand i.
template <std::size_t N, class F>
void for_each_run(const StridedLoop<N>& loop, std::int64_t first, std::int64_t last, F&& f) {
  const int inner = loop.shape.rank() - 1;
  Shape index = loop.shape;
  std::array<std::int64_t, N> offsets{};
  std::int64_t rest = first;
  for (int d = inner; d >= 0 && first < last; --d) {
    index[d] = rest % loop.shape[d];
    rest /= loop.shape[d];
    for (std::size_t i = 0; i < N; ++i) {
      offsets[i] += index[d] * loop.strides[i][d];
    }
  }
  while (first < last) {
    const std::int64_t count = std::min(loop.shape[inner] - index[inner], last - first);
    f(offsets, count);
    first += count;
    index[inner] += count;
    for (std::size_t i = 0; i < N; ++i) {
      offsets[i] += count * loop.strides[i][inner];
    }
    for (int d = inner; d > 0 && index[d] == loop.shape[d]; --d) {
      index[d] = 0;
      ++index[d - 1];
      for (std::size_t i = 0; i < N; ++i) {
        offsets[i] += loop.strides[i][d - 1] - loop.shape[d] * loop.strides[i][d];
      }
    }
  }
}

}  // namespace evenkeel
