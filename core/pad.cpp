#include "evenkeel/core/pad.hpp"

#include "evenkeel/core/kernels/elementwise/binary.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace evenkeel {
namespace {

/// One axis of y. Its cells [first, last) show x's own, in their order.
struct PaddedAxis {
  std::int64_t size = 1, padded = 1, before = 0;
  std::vector<std::int64_t> shown = {0};
  std::int64_t first() const { return std::clamp<std::int64_t>(before, 0, padded); }
  std::int64_t last() const { return std::clamp(before + size, first(), padded); }
  /// The cells of x that negative padding leaves.
  std::int64_t low() const { return std::max<std::int64_t>(0, -before); }
  std::int64_t high() const { return std::min(size, padded - before); }
};

/// The cell of x that a cell of y, counted from x's first, shows.
std::int64_t shown_cell(std::int64_t i, const PaddedAxis& axis, PadMode mode) {
  const std::int64_t low = axis.low(), high = axis.high();
  switch (mode) {
    case PadMode::reflect:
      return i < 0 ? -i : i >= axis.size ? 2 * (axis.size - 1) - i : i;
    case PadMode::circular:
      return i < low ? i + (high - low) : i >= high ? i - (high - low) : i;
    default:
      return std::clamp<std::int64_t>(i, 0, axis.size - 1);
  }
}

/// Planes of three axes, those that are not padded of size 1.
struct PaddedPlanes {
  Shape padded;
  std::int64_t planes = 1;
  PaddedAxis depth = {}, height = {}, width = {};

  std::int64_t rows() const { return depth.padded * height.padded; }  ///< of a plane of y
  std::int64_t plane() const { return depth.size * height.size * width.size; }
  /// Where the row of x starts that row r of all rows of y shows.
  std::int64_t source(std::int64_t r) const {
    const std::int64_t d = depth.shown[static_cast<std::size_t>(r / height.padded % depth.padded)];
    const std::int64_t h = height.shown[static_cast<std::size_t>(r % height.padded)];
    return ((r / rows() * depth.size + d) * height.size + h) * width.size;
  }
};

void check_padding(const Shape& x, const std::vector<std::int64_t>& padding, PadMode mode) {
  require(padding.size() % 2 == 0, "pad", "Padding length must be divisible by 2, got ", padding.size());
  const auto axes = static_cast<int>(std::min<std::size_t>(padding.size() / 2, 4));
  require<ShapeError>(axes >= 1 && axes <= 3 && (x.rank() == axes + 1 || x.rank() == axes + 2), "pad", "Padding size ",
                      padding.size(), " is not supported for ", x.rank(), "D input tensor");
  const int channels = x.rank() - axes - 1;
  require<ShapeError>(mode == PadMode::circular || *std::min_element(x.begin() + channels, x.end()) > 0, "pad",
                      "Expected ", axes + 1, "D or ", axes + 2,
                      "D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but "
                      "got: ",
                      x);
}

PaddedAxis axis_of(const Shape& x, int dim, std::int64_t before, std::int64_t after, PadMode mode) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 4;
  const std::int64_t more = std::max(before, after);
  require(std::min(before, after) >= -kMost && more <= kMost, "pad", "padding ", before, " and ", after,
          " is too large");
  PaddedAxis axis{.size = x[dim], .padded = x[dim] + before + after, .before = before, .shown = {}};
  require(mode != PadMode::reflect || more < axis.size, "pad",
          "Padding size should be less than the corresponding input dimension, but got: padding (", before, ", ", after,
          ") at dimension ", dim, " of input ", x);
  require(mode != PadMode::circular || more <= 0 || more <= axis.high() - axis.low(), "pad",
          "Padding value causes wrapping around more than once: padding (", before, ", ", after, ") at dimension ", dim,
          " of input ", x);
  require<ShapeError>(axis.padded >= 0, "pad", "The input size ", axis.size, ", plus negative padding ", before,
                      " and ", after, " resulted in a negative output size, which is invalid. Check dimension ", dim,
                      " of your input.");
  return axis;
}

PaddedPlanes frame_of(const Shape& x, const std::vector<std::int64_t>& padding, PadMode mode) {
  check_padding(x, padding, mode);
  PaddedPlanes frame{.padded = x};
  std::array<PaddedAxis*, 3> axes{&frame.width, &frame.height, &frame.depth};
  int dim = x.rank() - 1;
  for (std::size_t i = 0; i < padding.size() / 2; ++i, --dim) {
    *axes[i] = axis_of(x, dim, padding[2 * i], padding[2 * i + 1], mode);
    frame.padded[dim] = axes[i]->padded;
  }
  for (; dim >= 0; --dim) {
    frame.planes *= x[dim];
  }
  if (numel(frame.padded, "pad") == 0) {
    return frame;
  }
  for (PaddedAxis* axis : axes) {
    axis->shown.resize(static_cast<std::size_t>(axis->padded));
    for (std::int64_t i = 0; i < axis->padded; ++i) {
      axis->shown[static_cast<std::size_t>(i)] = shown_cell(i - axis->before, *axis, mode);
    }
  }
  return frame;
}

/// visit(cell of y's row, cell of x's row) outside of [first, last).
template <class Visit>
void for_each_edge_cell(const PaddedAxis& width, const Visit& visit) {
  for (const auto& [begin, end] : {std::pair(std::int64_t{0}, width.first()), std::pair(width.last(), width.padded)}) {
    for (std::int64_t j = begin; j < end; ++j) {
      visit(j, width.shown[static_cast<std::size_t>(j)]);
    }
  }
}

}  // namespace

std::string to_string(PadMode mode) {
  constexpr std::array<const char*, 4> kNames{"constant", "reflect", "replicate", "circular"};
  return kNames[static_cast<std::size_t>(mode)];
}

Array pad(const Array& x, const std::vector<std::int64_t>& padding, PadMode mode) {
  const PaddedPlanes frame = frame_of(x.shape(), padding, mode);
  const PaddedAxis& width = frame.width;
  Array y = Array::empty(frame.padded, x.dtype());
  if (y.numel() == 0) {
    return y;
  }
  const Array source = x.contiguous();
  const std::int64_t first = width.first(), inside = width.last() - first;
  dispatch_all(x.dtype(), [&]<class T>() {
    const T* cells = source.data<T>();
    T* padded = y.mutable_data<T>();
    parallel_for(0, frame.planes * frame.rows(), grain_of(width.padded), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T* from = cells + frame.source(r);
        T* to = padded + r * width.padded;
        std::copy_n(from + (first - width.before), inside, to + first);
        for_each_edge_cell(width, [&](std::int64_t j, std::int64_t shown) { to[j] = from[shown]; });
      }
    });
  });
  return y;
}

/// Rows of y meet in those of x, so that a plane is one thread's, and sums are taken in y's order.
Array pad_adjoint(const Array& y, const Shape& shape, const std::vector<std::int64_t>& padding, PadMode mode) {
  const PaddedPlanes frame = frame_of(shape, padding, mode);
  const PaddedAxis& width = frame.width;
  if (y.numel() == 0) {
    return Array::zeros(shape, y.dtype());
  }
  Array x = Array::empty(shape, y.dtype());
  const Array source = y.contiguous();
  const std::int64_t first = width.first(), inside = width.last() - first;
  dispatch_float(y.dtype(), "pad", [&]<class T>() {
    const T* padded = source.data<T>();
    T* cells = x.mutable_data<T>();
    const std::int64_t grain = grain_of(frame.rows() * width.padded);
    parallel_for(0, frame.planes, grain, [&](std::int64_t begin, std::int64_t end) {
      std::fill_n(cells + begin * frame.plane(), (end - begin) * frame.plane(), T(0));
      for (std::int64_t r = begin * frame.rows(); r < end * frame.rows(); ++r) {
        const T* from = padded + r * width.padded;
        T* to = cells + frame.source(r);
        kernels::add_scaled(inside, T(1), from + first, to + (first - width.before));
        for_each_edge_cell(width, [&](std::int64_t j, std::int64_t shown) { to[shown] += from[j]; });
      }
    });
  });
  return x;
}

}  // namespace evenkeel
