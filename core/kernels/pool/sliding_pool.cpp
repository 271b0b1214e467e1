#include "evenkeel/core/kernels/pool/sliding_pool.hpp"

#include "evenkeel/core/kernels/pool/halving_pool.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace evenkeel::kernels {
namespace {

using std::int64_t;

constexpr int64_t kLargest = 16;  // elements of a register

/// Room for whole registers behind the last output of a row, and for every column of x.
PoolBlock layout_of(const SlidingPool& pool) {
  const int64_t windows = round_up(pool.out_width, kLargest) + (pool.kernel_w - 1) / pool.stride_w;
  const int64_t columns = (pool.pad_w + pool.width - 1) / pool.stride_w + 1;
  const int64_t phase = round_up(std::max(windows, columns), kLargest);
  const int64_t rows = std::max((pool.out_height - 1) * pool.stride_h + pool.kernel_h, pool.pad_h + pool.height);
  return {rows, phase * pool.stride_w, phase};
}

/// Calls body.operator()<Kernels>(first plane, last plane) on several threads where it pays.
template <template <class, class> class Kernels, class T, class Body>
void for_planes(const SlidingPool& pool, const Body& body) {
  dispatch_isa([&]<class Arch>() {
    parallel_for(0, pool.planes, grain_of(pool.inputs() + pool.outputs()),
                 [&](int64_t first, int64_t last) { body.template operator()<Kernels<Arch, T>>(first, last); });
  });
}

/// Shares of a whole 2x2 window: no other divisor's product is exact.
bool is_halving_average(const SlidingPool& pool, const double* shares) {
  return is_halving_pool(pool) && (pool.outputs() == 0 || shares[0] == 0.25);
}

/// Calls body.operator()<Kernels>(plane, block) with x's planes as blocks.
template <class T, class Body>
void for_each_block(const SlidingPool& pool, const MappedPlanes<T>& x, T fill, const PoolBlock& layout,
                    const Body& body) {
  for_planes<SlidingPoolKernels, T>(pool, [&]<class K>(int64_t first, int64_t last) {
    std::vector<T> block(static_cast<std::size_t>(layout.rows * layout.row_size), fill);
    PlaneReader<T> reader(x, pool.inputs());
    for (int64_t plane = first; plane < last; ++plane) {
      K::split(pool, layout, reader.plane(plane), block.data());
      body.template operator()<K>(plane, block.data());
    }
  });
}

/// Calls body.operator()<Kernels>(x, first plane, how many) for a halving pool: planes with a map one by one.
template <class T, class Body>
void for_halved(const SlidingPool& pool, const MappedPlanes<T>& x, const Body& body) {
  for_planes<HalvingPoolKernels, T>(pool, [&]<class K>(int64_t first, int64_t last) {
    if (!x.map) {
      return body.template operator()<K>(x.x + first * pool.inputs(), first, last - first);
    }
    PlaneReader<T> reader(x, pool.inputs());
    for (int64_t plane = first; plane < last; ++plane) {
      body.template operator()<K>(reader.plane(plane), plane, 1);
    }
  });
}

/// What the gradient of a plane needs.
template <class T>
struct Gradient {
  const PoolBlock& layout;
  PoolOutputs<T> outputs;
  T* row;
};

/// Calls body.operator()<Kernels>(plane, gradient).
template <class T, class Body>
void for_each_gradient(const SlidingPool& pool, const Body& body) {
  const PoolBlock layout = layout_of(pool);
  const int64_t margin = (pool.kernel_w - 1) / pool.stride_w;
  const int64_t row_size = margin + layout.phase_size;
  const auto size = static_cast<std::size_t>(pool.out_height * row_size);
  for_planes<SlidingPoolKernels, T>(pool, [&]<class K>(int64_t first, int64_t last) {
    std::vector<T> sent(size), at(size, T(-1)), row(static_cast<std::size_t>(layout.row_size));
    const Gradient<T> gradient{layout, {margin, row_size, sent.data(), at.data()}, row.data()};
    for (int64_t plane = first; plane < last; ++plane) {
      body.template operator()<K>(plane, gradient);
    }
  });
}

/// Calls body(output, where its window's cell is in the plane).
template <class Body>
void for_each_cell(const SlidingPool& pool, const std::uint8_t* cells, const Body& body) {
  parallel_for(0, pool.planes, grain_of(pool.outputs()), [&](int64_t first, int64_t last) {
    for (int64_t i = first * pool.outputs(); i < last * pool.outputs(); ++i) {
      const int64_t cell = cells[i];
      const int64_t place = i % pool.outputs();
      const int64_t row = place / pool.out_width * pool.stride_h - pool.pad_h + cell / pool.kernel_w;
      const int64_t column = place % pool.out_width * pool.stride_w - pool.pad_w + cell % pool.kernel_w;
      body(i, row * pool.width + column);
    }
  });
}

}  // namespace

template <class T>
void sliding_max(const SlidingPool& pool, const std::type_identity_t<MappedPlanes<T>>& x, T* y, std::uint8_t* cells) {
  if (is_halving_pool(pool)) {
    for_halved(pool, x, [&]<class K>(const T* planes, int64_t first, int64_t count) {
      K::max(pool, count, planes, y + first * pool.outputs(), cells + first * pool.outputs());
    });
    return;
  }
  const PoolBlock layout = layout_of(pool);
  constexpr T kLowest = -std::numeric_limits<T>::infinity();
  for_each_block<T>(pool, x, kLowest, layout, [&]<class K>(int64_t plane, T* block) {
    K::max(pool, layout, block, y + plane * pool.outputs(), cells + plane * pool.outputs());
  });
}

template <class T>
void sliding_max_gradient(const SlidingPool& pool, const T* dy, const std::uint8_t* cells, T* dx) {
  if (is_halving_pool(pool)) {
    for_planes<HalvingPoolKernels, T>(pool, [&]<class K>(int64_t first, int64_t last) {
      K::max_gradient(pool, last - first, dy + first * pool.outputs(), cells + first * pool.outputs(),
                      dx + first * pool.inputs());
    });
    return;
  }
  for_each_gradient<T>(pool, [&]<class K>(int64_t plane, const Gradient<T>& g) {
    K::max_gradient(pool, g.layout, dy + plane * pool.outputs(), cells + plane * pool.outputs(), g.outputs, g.row,
                    dx + plane * pool.inputs());
  });
}

template <class T>
void sliding_max_gather(const SlidingPool& pool, const T* x, const std::uint8_t* cells, T* y) {
  for_each_cell(pool, cells, [&](int64_t i, int64_t index) { y[i] = x[i / pool.outputs() * pool.inputs() + index]; });
}

void sliding_max_indices(const SlidingPool& pool, const std::uint8_t* cells, int64_t* indices) {
  for_each_cell(pool, cells, [&](int64_t i, int64_t index) { indices[i] = index; });
}

template <class T>
void sliding_sum(const SlidingPool& pool, const double* shares, const std::type_identity_t<MappedPlanes<T>>& x, T* y) {
  if (is_halving_average(pool, shares)) {
    for_halved(pool, x, [&]<class K>(const T* planes, int64_t first, int64_t count) {
      K::average(pool, count, planes, y + first * pool.outputs());
    });
    return;
  }
  const PoolBlock layout = layout_of(pool);
  for_each_block<T>(pool, x, T(0), layout, [&]<class K>(int64_t plane, T* block) {
    K::sum(pool, layout, shares, block, y + plane * pool.outputs());
  });
}

template <class T>
void sliding_sum_gradient(const SlidingPool& pool, const double* shares, const T* dy, T* dx) {
  if (is_halving_average(pool, shares)) {
    for_planes<HalvingPoolKernels, T>(pool, [&]<class K>(int64_t first, int64_t last) {
      K::average_gradient(pool, last - first, dy + first * pool.outputs(), dx + first * pool.inputs());
    });
    return;
  }
  for_each_gradient<T>(pool, [&]<class K>(int64_t plane, const Gradient<T>& g) {
    K::sum_gradient(pool, g.layout, shares, dy + plane * pool.outputs(), g.outputs, g.row, dx + plane * pool.inputs());
  });
}

template void sliding_max(const SlidingPool&, const MappedPlanes<float>&, float*, std::uint8_t*);
template void sliding_max(const SlidingPool&, const MappedPlanes<double>&, double*, std::uint8_t*);
template void sliding_max_gradient(const SlidingPool&, const float*, const std::uint8_t*, float*);
template void sliding_max_gradient(const SlidingPool&, const double*, const std::uint8_t*, double*);
template void sliding_max_gather(const SlidingPool&, const float*, const std::uint8_t*, float*);
template void sliding_max_gather(const SlidingPool&, const double*, const std::uint8_t*, double*);
template void sliding_sum(const SlidingPool&, const double*, const MappedPlanes<float>&, float*);
template void sliding_sum(const SlidingPool&, const double*, const MappedPlanes<double>&, double*);
template void sliding_sum_gradient(const SlidingPool&, const double*, const float*, float*);
template void sliding_sum_gradient(const SlidingPool&, const double*, const double*, double*);

}  // namespace evenkeel::kernels
