#pragma once

#include "evenkeel/core/kernels/norm/plane_map.hpp"

#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

namespace evenkeel {

/// The cells of one axis that one output takes in: `count` cells inside the input from `first` on, `step` apart.
struct PoolWindow {
  std::int64_t first = 0, count = 0, step = 1;
  std::int64_t extent = 0;  ///< count plus the cells that lie in the padding
};

/// The windows of sliding pools along one axis of `size` cells, one per output. Cells beyond the padding at the end
/// (where ceil_mode lets a window hang over) count neither as inside nor as padding.
std::vector<PoolWindow> sliding_windows(std::int64_t size, std::int64_t outputs, std::int64_t kernel,
                                        std::int64_t stride, std::int64_t pad, std::int64_t dilation);
/// Output i takes cells floor(i size / outputs) up to ceil((i + 1) size / outputs).
std::vector<PoolWindow> adaptive_windows(std::int64_t size, std::int64_t outputs);

/// Sizes of a pool over the last three axes: x (planes, depth, height, width), y (planes, slices.size(), rows.size(),
/// columns.size()). An image is a plane of depth 1.
struct PoolGeometry {
  std::int64_t planes = 0, height = 0, width = 0;
  std::vector<PoolWindow> rows, columns;
  std::int64_t depth = 1;
  std::vector<PoolWindow> slices = {{0, 1, 1, 1}};
  std::int64_t inputs() const { return depth * height * width; }
  std::int64_t outputs() const { return static_cast<std::int64_t>(slices.size() * rows.size() * columns.size()); }
};

/// What an average divides by: all cells of the window, those inside the input only, or `fixed` if it is not 0.
struct PoolDivisor {
  bool count_include_pad = true;
  std::int64_t fixed = 0;
};

/// 1 / divisor of every output of a plane.
std::vector<double> shares_of(const PoolGeometry& g, PoolDivisor divisor);

namespace kernels {

/// y = the largest cell of each window, indices = where it is in its plane ((slice * height + row) * width + column).
/// The first maximum in row order wins; NaN wins over all. No window may be empty.
template <class T>
void max_windows(const PoolGeometry& g, const std::type_identity_t<MappedPlanes<T>>& x, T* y, std::int64_t* indices);
/// dx = 0, then dx[index] += dy for every output.
template <class T>
void scatter_windows(const PoolGeometry& g, const T* dy, const std::int64_t* indices, T* dx);
/// The adjoint: y = x[index] for every output.
template <class T>
void gather_windows(const PoolGeometry& g, const T* x, const std::int64_t* indices, T* y);

/// The first of `count` indices that is not in [0, size), if there is one.
std::optional<std::int64_t> find_outside(std::int64_t count, const std::int64_t* indices, std::int64_t size);

/// y = (sum of the window, in double) / divisor
template <class T>
void average_windows(const PoolGeometry& g, PoolDivisor divisor, const std::type_identity_t<MappedPlanes<T>>& x, T* y);
/// dx = 0, then dy / divisor added to every cell of the window.
template <class T>
void average_windows_gradient(const PoolGeometry& g, PoolDivisor divisor, const T* dy, T* dx);

}  // namespace kernels
}  // namespace evenkeel
