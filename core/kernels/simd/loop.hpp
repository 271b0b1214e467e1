#pragma once

// The one loop over an array: whole registers first, then one tail, the last, fewer elements. A kernel writes its
// formula once, as a lambda of the place and a tag, and loads and stores by the tag:
//
//   using L = Loop<Arch, T>;
//   L::each(n, [&](std::int64_t i, auto tag) { L::store(y + i, f(L::load(x + i, tag)), tag); });
//
// A tail takes the same path as whole registers, so that a value never depends on its position. Sums have accumulators
// in registers, several (chains) so that an addition need not wait for the last one: each_chain() says which one is
// next, join() adds them up in pairs, lane_sum() adds the lanes.

#include "evenkeel/core/kernels/simd/batch.hpp"

#include <cstdint>
#include <utility>

namespace evenkeel::kernels::simd {

/// Which lanes of a register hold elements: all of them,
struct Whole {};
/// the first `count` at the end of an array, at least one and not all,
struct Tail {
  std::int64_t count;
};
/// or the first `count`, where zero or less means none and kWidth or more all; found out at each load and store.
struct Some {
  std::int64_t count;
};

template <class Arch, class T>
struct Loop {
  using V = Batch<Arch, T>;
  static constexpr std::int64_t kWidth = kLanes<Arch, T>;

  /// The elements from p; lanes without one are `rest`.
  static V load(const T* p, Whole, T = T(0)) { return V::load_unaligned(p); }
  static V load(const T* p, Tail tail, T rest = T(0)) { return load_partial<Arch, T>(p, tail.count, rest); }
  static V load(const T* p, Some some, T rest = T(0)) {
    return some.count >= kWidth ? V::load_unaligned(p)
           : some.count > 0     ? load_partial<Arch, T>(p, some.count, rest)
                                : V(rest);
  }

  /// Lanes without an element are not stored.
  static void store(T* p, const V& v, Whole) { v.store_unaligned(p); }
  static void store(T* p, const V& v, Tail tail) { store_partial<Arch, T>(v, p, tail.count); }
  static void store(T* p, const V& v, Some some) {
    if (some.count >= kWidth) {
      v.store_unaligned(p);
    } else if (some.count > 0) {
      store_partial<Arch, T>(v, p, some.count);
    }
  }

  /// v, and 0 in the lanes without an element: what a sum may take.
  static V filled(const V& v, Whole) { return v; }
  static V filled(const V& v, Tail tail) { return keep_lanes<Arch, T>(v, tail.count); }

  static constexpr std::int64_t count(Whole) { return kWidth; }
  static constexpr std::int64_t count(Tail tail) { return tail.count; }
  static constexpr std::int64_t count(Some some) { return some.count < kWidth ? some.count : kWidth; }

  /// f(i, tag) for the registers of n elements.
  template <class F>
  [[gnu::always_inline]] static void each(std::int64_t n, const F& f) {
    std::int64_t i = 0;
    for (; i + kWidth <= n; i += kWidth) {
      f(i, Whole());
    }
    if (i < n) {
      f(i, Tail{n - i});
    }
  }

  /// The same with one copy of a long f, which finds out at each load and store how many lanes there are.
  template <class F>
  [[gnu::always_inline]] static void each_once(std::int64_t n, const F& f) {
    for (std::int64_t i = 0; i < n; i += kWidth) {
      f(i, Some{n - i});
    }
  }

  /// f(i, tag, chain) for the registers of n elements: kChains whole ones in turn, one to each chain; the rest, fewer
  /// than kChains and the tail, to chain 0. `chain` is a std::integral_constant.
  template <int kChains, class F>
  [[gnu::always_inline]] static void each_chain(std::int64_t n, const F& f) {
    if (const std::int64_t i = each_whole<kChains>(n, f); i < n) {
      f(i, Tail{n - i}, std::integral_constant<int, 0>());
    }
  }

  /// The same without the tail; returns where that begins.
  template <int kChains, class F>
  [[gnu::always_inline]] static std::int64_t each_whole(std::int64_t n, const F& f) {
    return each_whole(n, f, std::make_integer_sequence<int, kChains>());
  }

  /// An input of table_loop(): an array, or one number for all elements.
  struct Input {
    const T* p;
    bool repeated = false;
  };

  /// run(count, in, y) for the whole registers of n elements, then for the tail, which is copied to a register in
  /// memory (its other lanes are 1) and back. For functions out of a table: none of them has code for a tail of its
  /// own.
  template <int kInputs, class Run>
  static void table_loop(std::int64_t n, const Input (&inputs)[kInputs], T* y, const Run& run) {
    const std::int64_t whole = n - n % kWidth;
    const T* in[kInputs];
    for (int k = 0; k < kInputs; ++k) {
      in[k] = inputs[k].p;
    }
    if (whole > 0) {
      run(whole, in, y);
    }
    if (whole < n) {
      alignas(V) T lanes[kInputs + 1][kWidth];
      for (int k = 0; k < kInputs; ++k) {
        if (!inputs[k].repeated) {
          load_partial<Arch, T>(in[k] + whole, n - whole, T(1)).store_aligned(lanes[k]);
          in[k] = lanes[k];
        }
      }
      run(kWidth, in, lanes[kInputs]);
      store_partial(V::load_aligned(lanes[kInputs]), y + whole, n - whole);
    }
  }

  /// The accumulators merged in pairs: (a[0] a[1]) (a[2] a[3]). merge(x, y) gives one of two.
  template <class A, class Merge>
  [[gnu::always_inline]] static A join(const A (&a)[2], const Merge& merge) {
    return merge(a[0], a[1]);
  }
  template <class A, class Merge>
  [[gnu::always_inline]] static A join(const A (&a)[4], const Merge& merge) {
    return merge(merge(a[0], a[1]), merge(a[2], a[3]));
  }
  template <int kChains>
  [[gnu::always_inline]] static V join(const V (&sums)[kChains]) {
    return join(
        sums, [](const V& a, const V& b) __attribute__((always_inline)) { return V(a + b); });
  }

 private:
  template <class F, int... kChain>
  [[gnu::always_inline]] static std::int64_t each_whole(std::int64_t n, const F& f,
                                                        std::integer_sequence<int, kChain...>) {
    constexpr std::int64_t kStep = sizeof...(kChain) * kWidth;
    std::int64_t i = 0;
    for (; i + kStep <= n; i += kStep) {
      (f(i + kChain * kWidth, Whole(), std::integral_constant<int, kChain>()), ...);
    }
    if constexpr (sizeof...(kChain) > 1) {
      for (; i + kWidth <= n; i += kWidth) {
        f(i, Whole(), std::integral_constant<int, 0>());
      }
    }
    return i;
  }
};

}  // namespace evenkeel::kernels::simd
