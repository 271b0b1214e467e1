#pragma once

#include "evenkeel/core/dtype.hpp"
#include "evenkeel/core/shape.hpp"

#include <cstddef>
#include <limits>
#include <type_traits>

namespace evenkeel {

/// A number as another dtype. Floats truncate toward zero to integers and saturate: out of range gives the nearest
/// representable value, NaN gives 0 (PyTorch leaves both undefined). int64 to uint8 wraps around. To bool: not equal 0.
template <class To, class From>
inline To convert(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return value != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // The upper bound as a float is max + 1 for int64, hence >=.
    constexpr From kLow = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From kHigh = static_cast<From>(std::numeric_limits<To>::max());
    if (value >= kHigh) {
      return std::numeric_limits<To>::max();
    }
    return value > kLow ? static_cast<To>(value) : value <= kLow ? std::numeric_limits<To>::min() : To(0);
  } else {
    return static_cast<To>(value);
  }
}

/// A strided block of memory that starts at `data`.
struct StridedSource {
  const std::byte* data;
  DType dtype;
  Shape strides;
};
struct StridedTarget {
  std::byte* data;
  DType dtype;
  Shape strides;
};

/// Writes source's elements, converted, to target; both have `shape`, their memory does not overlap. Parallel.
void copy_strided(const Shape& shape, const StridedSource& source, const StridedTarget& target);

}  // namespace evenkeel
