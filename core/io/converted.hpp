#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace evenkeel::detail {

// Numbers that files hold in other types than arrays do.

/// Fills `out` by `convert` from numbers of type Narrow, which read(destination, bytes) gives in order.
template <class Narrow, class Wide, class Read>
void read_converted(const Read& read, std::span<Wide> out, Wide (*convert)(Narrow)) {
  constexpr std::size_t kChunk = 8192;
  std::array<Narrow, kChunk> buffer;
  for (std::size_t done = 0; done < out.size();) {
    const std::size_t count = std::min(kChunk, out.size() - done);
    read(buffer.data(), count * sizeof(Narrow));
    std::transform(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count),
                   out.begin() + static_cast<std::ptrdiff_t>(done), convert);
    done += count;
  }
}

// 16-bit floats as the float32 of the same value.

inline float from_bfloat16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

inline float from_float16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t exponent = bits >> 10 & 0x1fu;
  const std::uint32_t fraction = bits & 0x3ffu;
  if (exponent == 0) {  // zero and subnormal: fraction * 2^-24, exact
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  const std::uint32_t wide_exponent = exponent == 0x1fu ? 0xffu : exponent + 127 - 15;
  return std::bit_cast<float>(sign | wide_exponent << 23 | fraction << 13);
}

}  // namespace evenkeel::detail
