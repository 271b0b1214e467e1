#pragma once

#include "evenkeel/core/kernels/elementwise/binary.hpp"
#include "evenkeel/core/kernels/simd/batch.hpp"
#include "evenkeel/core/kernels/simd/math_simd.hpp"

namespace evenkeel::kernels {
namespace simd {

/// One functor's loops.
template <class Arch, class T, class F>
struct BinaryLoops {
  using V = Batch<Arch, T>;

  /// An operand of a run: the next elements, or one number again and again.
  template <bool kRepeat>
  struct Operand {
    const T* p;
    V number;
    explicit Operand(const T* first) : p(first), number(kRepeat ? *first : T(0)) {}
    V load(std::int64_t i) const {
      if constexpr (kRepeat) {
        return number;
      } else {
        return V::load_unaligned(p + i);
      }
    }
    V load_rest(std::int64_t i, std::int64_t count) const {
      if constexpr (kRepeat) {
        return number;
      } else {
        return load_partial<Arch, T>(p + i, count, T(1));
      }
    }
  };

  template <bool kRepeatA, bool kRepeatB>
  static void loop(std::int64_t n, const T* pa, const T* pb, T* y) {
    const Operand<kRepeatA> a(pa);
    const Operand<kRepeatB> b(pb);
    std::int64_t i = 0;
    for (; i + kLanes<Arch, T> <= n; i += kLanes<Arch, T>) {
      V(F::f(a.load(i), b.load(i))).store_unaligned(y + i);
    }
    if (i < n) {
      store_partial<Arch, T>(F::f(a.load_rest(i, n - i), b.load_rest(i, n - i)), y + i, n - i);
    }
  }

  static void run(Repeat repeat, std::int64_t n, const T* a, const T* b, T* y) {
    if (n <= 0) {
      return;
    }
    switch (repeat) {
      case Repeat::left:
        return loop<true, false>(n, a, b, y);
      case Repeat::right:
        return loop<false, true>(n, a, b, y);
      default:
        return loop<false, false>(n, a, b, y);
    }
  }
};

template <class Arch, class T, class List>
struct BinaryTable;
template <class Arch, class T, class... F>
struct BinaryTable<Arch, T, OpList<F...>> {
  static constexpr decltype(&BinaryLoops<Arch, T, Add>::run) run[] = {&BinaryLoops<Arch, T, F>::run...};
};

}  // namespace simd

template <class Arch, class T>
void BinaryKernels<Arch, T>::run(std::size_t op, Repeat repeat, std::int64_t n, const T* a, const T* b, T* y) {
  simd::BinaryTable<Arch, T, BinaryOps>::run[op](repeat, n, a, b, y);
}

template <class Arch, class T>
void BinaryKernels<Arch, T>::add_scaled(std::int64_t n, T scale, const T* b, T* a) {
  using V = simd::Batch<Arch, T>;
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  const V s(scale);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    fma(s, V::load_unaligned(b + i), V::load_unaligned(a + i)).store_unaligned(a + i);
  }
  if (i < n) {
    const V rest_a = simd::load_partial<Arch, T>(a + i, n - i, T(0));
    const V rest_b = simd::load_partial<Arch, T>(b + i, n - i, T(0));
    simd::store_partial<Arch, T>(fma(s, rest_b, rest_a), a + i, n - i);
  }
}

}  // namespace evenkeel::kernels
