#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>

namespace evenkeel {

/// A size for each of D spatial axes, in their order in a shape: (length), (depth, height, width). A plain number means
/// all of them.
template <int D>
struct SizeND {
  std::array<std::int64_t, D> sizes{};
  constexpr SizeND(std::int64_t all) { sizes.fill(all); }  // NOLINT(google-explicit-constructor): 3 means 3x3x3
  template <std::integral... Each>
  requires(D > 1 && sizeof...(Each) == D) constexpr SizeND(Each... each) : sizes{static_cast<std::int64_t>(each)...} {}
  constexpr std::int64_t& operator[](int axis) { return sizes[static_cast<std::size_t>(axis)]; }
  constexpr std::int64_t operator[](int axis) const { return sizes[static_cast<std::size_t>(axis)]; }
  friend bool operator==(const SizeND&, const SizeND&) = default;
};

/// The two of an image have names.
template <>
struct SizeND<2> {
  std::int64_t h = 0, w = 0;
  constexpr SizeND(std::int64_t both) : h(both), w(both) {}  // NOLINT(google-explicit-constructor): 3 means 3x3
  constexpr SizeND(std::int64_t height, std::int64_t width) : h(height), w(width) {}
  constexpr std::int64_t& operator[](int axis) { return axis == 0 ? h : w; }
  constexpr std::int64_t operator[](int axis) const { return axis == 0 ? h : w; }
  friend bool operator==(const SizeND&, const SizeND&) = default;
};

using Size2 = SizeND<2>;

/// Whether low <= size < high along every axis.
template <int D>
constexpr bool all_within(const SizeND<D>& size, std::int64_t low, std::int64_t high = INT64_MAX) {
  bool holds = true;
  for (int axis = 0; axis < D; ++axis) {
    holds = holds && size[axis] >= low && size[axis] < high;
  }
  return holds;
}

/// Number of cells.
template <int D>
constexpr std::int64_t product_of(const SizeND<D>& size) {
  std::int64_t cells = 1;
  for (int axis = 0; axis < D; ++axis) {
    cells *= size[axis];
  }
  return cells;
}

/// The sizes of the last D axes of a shape.
template <int D, class Shape>
constexpr SizeND<D> last_axes(const Shape& shape) {
  SizeND<D> size = 0;
  for (int axis = 0; axis < D; ++axis) {
    size[axis] = shape[shape.rank() - D + axis];
  }
  return size;
}

/// As Python prints a tuple: "(3,)", "(3, 5)".
template <int D>
std::string to_string(const SizeND<D>& size) {
  std::string text = "(" + std::to_string(size[0]);
  for (int axis = 1; axis < D; ++axis) {
    text += ", " + std::to_string(size[axis]);
  }
  return text + (D == 1 ? ",)" : ")");
}

}  // namespace evenkeel
