#pragma once

#include "evenkeel/core/kernels/norm/local_response.hpp"
#include "evenkeel/core/kernels/simd/batch.hpp"
#include "evenkeel/core/kernels/simd/math_simd.hpp"

namespace evenkeel::kernels {
namespace simd {

/// Registers of a row, the last of which may be a part of one.
template <class Arch, class T>
struct RowRegisters {
  using V = Batch<Arch, T>;
  static constexpr std::int64_t kWidth = kLanes<Arch, T>;
  std::int64_t count;  ///< lanes in use

  V load(const T* p) const { return count == kWidth ? V::load_unaligned(p) : load_partial<Arch, T>(p, count, T(0)); }
  void store(T* p, V value) const {
    if (count == kWidth) {
      value.store_unaligned(p);
    } else {
      store_partial<Arch, T>(value, p, count);
    }
  }
};

/// f(registers, place) for all places of a row.
template <class Arch, class T, class F>
void each_register(std::int64_t width, F f) {
  constexpr std::int64_t kWidth = kLanes<Arch, T>;
  std::int64_t i = 0;
  for (; i + kWidth <= width; i += kWidth) {
    f(RowRegisters<Arch, T>{kWidth}, i);
  }
  if (i < width) {
    f(RowRegisters<Arch, T>{width - i}, i);
  }
}

/// k + a times the sum of squares of rows first to last.
template <class Arch, class T>
Batch<Arch, T> local_divisor(const LocalResponse& s, const RowRegisters<Arch, T>& r, const T* x, std::int64_t first,
                             std::int64_t last) {
  using V = Batch<Arch, T>;
  V sum(T(0));
  for (std::int64_t c = first; c <= last; ++c) {
    const V value = r.load(x + c * s.plane);
    sum = fma(value, value, sum);
  }
  return fma(sum, V(static_cast<T>(s.a)), V(static_cast<T>(s.k)));
}

}  // namespace simd

template <class Arch, class T>
void LocalResponseKernels<Arch, T>::forward(const LocalResponse& s, std::int64_t width, const T* x, T* y, T* powers) {
  using V = simd::Batch<Arch, T>;
  const T exponent = static_cast<T>(-s.beta);
  for (std::int64_t c = 0; c < s.channels; ++c) {
    const std::int64_t first = c > s.before ? c - s.before : 0;
    const std::int64_t last = c + s.after < s.channels ? c + s.after : s.channels - 1;
    simd::each_register<Arch, T>(width, [&](auto r, std::int64_t j) {
      const std::int64_t i = c * s.plane + j;
      const V power = math::pow_uniform(simd::local_divisor<Arch, T>(s, r, x + j, first, last), exponent);
      if (powers) {
        r.store(powers + i, power);
      }
      r.store(y + i, r.load(x + i) * power);
    });
  }
}

template <class Arch, class T>
void LocalResponseKernels<Arch, T>::gradient(const LocalResponse& s, std::int64_t width, const T* x, const T* powers,
                                             const T* dy, T* dx, T* terms) {
  using V = simd::Batch<Arch, T>;
  const V factor(static_cast<T>(-2 * s.a * s.beta));
  const std::int64_t rows = s.before + s.after + 1;
  for (std::int64_t i = 0; i < rows * width; ++i) {
    terms[i] = T(0);
  }
  // Channel j's terms take the place of those of channel j - rows, which no sum needs any more; beyond the ends, 0.
  for (std::int64_t j = 0; j < s.channels + s.before; ++j) {
    T* row = terms + j % rows * width;
    const std::int64_t first = j > s.before ? j - s.before : 0;
    const std::int64_t last = j + s.after < s.channels ? j + s.after : s.channels - 1;
    simd::each_register<Arch, T>(width, [&](auto r, std::int64_t place) {
      V term(T(0));
      if (j < s.channels) {
        const std::int64_t i = j * s.plane + place;
        const V divisor = simd::local_divisor<Arch, T>(s, r, x + place, first, last);
        term = r.load(dy + i) * r.load(x + i) * r.load(powers + i) / divisor;
      }
      r.store(row + place, term);
    });
    if (j < s.before) {
      continue;
    }
    const std::int64_t c = (j - s.before) * s.plane;
    simd::each_register<Arch, T>(width, [&](auto r, std::int64_t place) {
      V sum(T(0));
      for (std::int64_t k = 0; k < rows; ++k) {
        sum = sum + r.load(terms + k * width + place);
      }
      const std::int64_t i = c + place;
      r.store(dx + i, fma(r.load(dy + i), r.load(powers + i), factor * r.load(x + i) * sum));
    });
  }
}

}  // namespace evenkeel::kernels
