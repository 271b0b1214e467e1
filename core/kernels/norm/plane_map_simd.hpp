#pragma once

#include "evenkeel/core/kernels/elementwise/unary_simd.hpp"
#include "evenkeel/core/kernels/norm/plane_map.hpp"
#include "evenkeel/core/kernels/simd/batch.hpp"

#include <cstdint>

namespace evenkeel::kernels::simd {

/// A PlaneMap for one register, whose lanes may have numbers of their own: the same bits as the loops of
/// normalize_simd.hpp.
template <class Arch, class T>
struct LaneMap {
  using V = Batch<Arch, T>;
  V hi, lo, a, b;
  bool relu;

  /// All lanes of one plane.
  LaneMap(const Piece<T>& p, bool then_relu) : hi(p.hi), lo(p.lo), a(p.a), b(p.b), relu(then_relu) {}
  /// Lane i of plane of(i).
  template <class Of>
  static LaneMap of_lanes(const Of& of, bool then_relu) {
    constexpr std::int64_t kWidth = kLanes<Arch, T>;
    alignas(64) T numbers[4][kWidth];
    for (std::int64_t i = 0; i < kWidth; ++i) {
      const Piece<T>& p = of(i);
      numbers[0][i] = p.hi;
      numbers[1][i] = p.lo;
      numbers[2][i] = p.a;
      numbers[3][i] = p.b;
    }
    LaneMap map(of(0), then_relu);
    map.hi = V::load_aligned(numbers[0]);
    map.lo = V::load_aligned(numbers[1]);
    map.a = V::load_aligned(numbers[2]);
    map.b = V::load_aligned(numbers[3]);
    return map;
  }

  [[gnu::always_inline]] V operator()(const V& x) const {
    const V z = fma(V((x - hi) - lo), a, b);
    return relu ? V(Relu::f(z)) : z;
  }
};

}  // namespace evenkeel::kernels::simd
