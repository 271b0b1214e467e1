#pragma once

#include <cstdint>

namespace evenkeel {

/// A size for the two spatial axes (height, width); a plain number means both.
struct Size2 {
  std::int64_t h = 0, w = 0;
  constexpr Size2(std::int64_t both) : h(both), w(both) {}  // NOLINT(google-explicit-constructor): 3 means 3x3
  constexpr Size2(std::int64_t height, std::int64_t width) : h(height), w(width) {}
  friend bool operator==(const Size2&, const Size2&) = default;
};

}  // namespace evenkeel
