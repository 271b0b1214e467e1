#pragma once

#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/pool.hpp"
#include "evenkeel/core/kernels/pool/pool.hpp"
#include "evenkeel/core/kernels/pool/sliding_pool.hpp"

#include <algorithm>
#include <array>

namespace evenkeel {

// What the pools of 1, 2 and 3 axes share: sizes and windows, seen as those of volumes.

/// Depth, height and width; of fewer axes those before are `other`.
struct PoolSizes : std::array<std::int64_t, 3> {
  PoolSizes() : array{} {}
  template <int D>
  explicit PoolSizes(const SizeND<D>& size, std::int64_t other = 1) : array{other, other, other} {
    for (int axis = 0; axis < D; ++axis) {
      at(static_cast<std::size_t>(3 - D + axis)) = size[axis];
    }
  }
  /// The last `dims` sizes of `shape`.
  PoolSizes(const Shape& shape, int dims) : array{1, 1, 1} { std::copy(shape.end() - dims, shape.end(), end() - dims); }
  std::int64_t cells() const { return front() * at(1) * back(); }
  /// `shape` with these as its last sizes.
  Shape put_into(Shape shape, int dims) const {
    for (int axis = 1; axis <= std::min(dims, shape.rank()); ++axis) {
      shape[shape.rank() - axis] = at(3 - static_cast<std::size_t>(axis));
    }
    return shape;
  }
};

/// Throws unless x is (N, C, *) or (C, *) of floats, * being `dims` axes, and has numbers but for a batch of 0.
void check_pool_input(std::string_view op, const Tensor& x, int dims);

/// What a pool and its formulas are called: literals, a row per number of axes.
struct PoolNames {
  std::string_view op, backward, gather = "";
};

/// The windows of a sliding pool.
struct SlidingWindows {
  int dims;
  PoolSizes kernel, stride, padding, dilation;
  bool ceil_mode;

  template <int D>
  explicit SlidingWindows(const MaxPoolOptions<D>& o)
      : dims(D),
        kernel(o.kernel_size),
        stride(o.stride.value_or(o.kernel_size)),
        padding(o.padding, 0),
        dilation(o.dilation),
        ceil_mode(o.ceil_mode) {}
  /// From the first to the last cell of a window.
  PoolSizes extent() const;
};

/// What a pool makes of sizes.
struct Pooling {
  PoolNames names;
  int dims;
  PoolSizes in, out;
  std::int64_t planes;

  /// Throws if no window fits x.
  static Pooling sliding(const PoolNames& names, const Tensor& x, const SlidingWindows& windows);
  /// Outputs of these sizes; 0: as x.
  static Pooling adaptive(const PoolNames& names, const Tensor& x, int dims, PoolSizes out);

  Shape input_shape(const Tensor& y) const { return in.put_into(y.shape(), dims); }
  Shape output_shape(const Tensor& x) const { return out.put_into(x.shape(), dims); }
  /// For the loops of core/kernels/pool/sliding_pool.hpp, which are for planes of depth 1.
  SlidingPool sliding_pool(const SlidingWindows& windows) const;
  PoolGeometry geometry(const SlidingWindows& windows) const;
  PoolGeometry adaptive_geometry() const;
};

}  // namespace evenkeel
