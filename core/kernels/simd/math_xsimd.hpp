#pragma once

// The functions of core/kernels/simd/math.hpp that are xsimd's, where it knows the instruction set; else the C
// library's, lane by lane.

#include "evenkeel/core/kernels/simd/math_simd.hpp"

#include <xsimd/xsimd.hpp>

namespace evenkeel::kernels::math {

template <class Arch>
struct XsimdArch {};
template <>
struct XsimdArch<Sse2> {
  using type = xsimd::sse2;
};
template <>
struct XsimdArch<Avx2> {
  using type = xsimd::fma3<xsimd::avx2>;
};
template <>
struct XsimdArch<Avx512> {
  using type = xsimd::avx512bw;
};

/// xsimd's f(x), or of each lane the C library's g.
template <class V, class F, class G>
[[gnu::always_inline]] inline V by_xsimd(V x, const F& f, const G& g) {
  using T = typename V::value_type;
  if constexpr (requires { typename XsimdArch<typename V::arch_type>::type; }) {
    using X = xsimd::batch<T, typename XsimdArch<typename V::arch_type>::type>;
    return V(typename V::Raw(f(X(typename V::Raw(x)))));
  } else {
    alignas(V) T lanes[V::size];
    x.store_aligned(lanes);
    for (T& lane : lanes) {
      lane = static_cast<T>(g(lane));
    }
    return V::load_aligned(lanes);
  }
}

template <class V>
V expm1(V x) {
  const V y = by_xsimd(
      x, [](auto v) { return xsimd::expm1(v); }, [](auto lane) { return __builtin_expm1(lane); });
  return select(x == V(0), x, y);
}

template <class V>
V log(V x) {
  using T = typename V::value_type;
  const auto logarithm = [](V v) {
    return by_xsimd(
        v, [](auto u) { return xsimd::log(u); }, [](auto lane) { return __builtin_log(lane); });
  };
  if constexpr (sizeof(T) == sizeof(float)) {
    return logarithm(x);
  } else {  // xsimd's is wrong for subnormal numbers
    const auto subnormal = x < V(0x1p-1022);
    const V y = logarithm(select(subnormal, x * V(0x1p54), x));
    return select(subnormal, y - V(54 * 0.69314718055994530942), y);
  }
}

template <class V>
V log1p(V x) {
  const V y = by_xsimd(
      x, [](auto v) { return xsimd::log1p(v); }, [](auto lane) { return __builtin_log1p(lane); });
  return select(x == V(0), x, y);
}

template <class V>
V sin(V x) {
  return by_xsimd(
      x, [](auto v) { return xsimd::sin(v); }, [](auto lane) { return __builtin_sin(lane); });
}

template <class V>
V cos(V x) {
  return by_xsimd(
      x, [](auto v) { return xsimd::cos(v); }, [](auto lane) { return __builtin_cos(lane); });
}

template <class V>
V tanh(V x) {
  return by_xsimd(
      x, [](auto v) { return xsimd::tanh(v); }, [](auto lane) { return __builtin_tanh(lane); });
}

}  // namespace evenkeel::kernels::math
