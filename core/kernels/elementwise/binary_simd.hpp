#pragma once

#include "evenkeel/core/kernels/elementwise/binary.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"
#include "evenkeel/core/kernels/simd/math_simd.hpp"

namespace evenkeel::kernels {
namespace simd {

/// One functor's loops, over whole registers.
template <class Arch, class T, class F>
struct BinaryLoops {
  using L = Loop<Arch, T>;
  using V = typename L::V;

  /// An operand of a run: the next elements, or one number again and again.
  template <bool kRepeat>
  struct Operand {
    const T* p;
    V number;
    explicit Operand(const T* first) : p(first), number(kRepeat ? *first : T(0)) {}
    V load(std::int64_t i) const { return kRepeat ? number : V::load_unaligned(p + i); }
  };

  template <bool kRepeatA, bool kRepeatB>
  static void loop(std::int64_t n, const T* pa, const T* pb, T* y) {
    const Operand<kRepeatA> a(pa);
    const Operand<kRepeatB> b(pb);
    for (std::int64_t i = 0; i < n; i += L::kWidth) {
      V(F::f(a.load(i), b.load(i))).store_unaligned(y + i);
    }
  }

  static void run(Repeat repeat, std::int64_t n, const T* a, const T* b, T* y) {
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
  using L = simd::Loop<Arch, T>;
  L::table_loop(n, {{a, repeat == Repeat::left}, {b, repeat == Repeat::right}}, y,
                [&](std::int64_t count, const T* const* in, T* out) {
                  simd::BinaryTable<Arch, T, BinaryOps>::run[op](repeat, count, in[0], in[1], out);
                });
}

template <class Arch, class T>
void BinaryKernels<Arch, T>::add_scaled(std::int64_t n, T scale, const T* b, T* a) {
  using L = simd::Loop<Arch, T>;
  const typename L::V s(scale);
  L::each(n, [&](std::int64_t i, auto tag) { L::store(a + i, fma(s, L::load(b + i, tag), L::load(a + i, tag)), tag); });
}

}  // namespace evenkeel::kernels
