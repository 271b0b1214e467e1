#pragma once

// The formulas of normalization. They are the same for all layouts: only how often a number changes differs, and that
// is the kind of an operand.

#include "evenkeel/core/kernels/elementwise/unary_simd.hpp"
#include "evenkeel/core/kernels/norm/kernels.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"

namespace evenkeel::kernels::simd {

template <class Arch, class T>
struct NormFormulas {
  using L = Loop<Arch, T>;
  using V = typename L::V;

  /// A factor of 1.
  struct One {
    static V times(V x, std::int64_t, auto) { return x; }
  };
  /// A number for all elements of a run, kept in a register.
  struct Same {
    V v;
    explicit Same(T number) : v(number) {}
    V at(std::int64_t, auto) const { return v; }
    V times(V x, std::int64_t, auto) const { return x * v; }
  };
  /// A number per element, loaded.
  struct Each {
    const T* p;
    V at(std::int64_t i, auto tag) const { return L::load(p + i, tag); }
    V times(V x, std::int64_t i, auto tag) const { return x * L::load(p + i, tag); }
  };
  /// The sum of both.
  struct EachAndSame {
    Each each;
    Same same;
    V at(std::int64_t i, auto tag) const { return each.at(i, tag) + same.v; }
  };

  /// xc = (x - hi) - lo,  z = (xc a) w + b; `by` is a factor for dz
  template <class Mean, class A, class W, class B, class By>
  struct Affine {
    Mean hi, lo;
    A a;
    W w;
    B b;
    By by;
    V centred(const T* x, std::int64_t i, auto tag) const {
      return (L::load(x + i, tag) - hi.at(i, tag)) - lo.at(i, tag);
    }
    V z(V xc, std::int64_t i, auto tag) const { return fma(a.times(xc, i, tag), w.at(i, tag), b.at(i, tag)); }
  };
  static Affine<Same, One, Same, Same, Same> affine(const PieceNumbers<T>& n, std::int64_t k) {
    const Piece<T>& p = n.pieces[k];
    return {Same(p.hi), Same(p.lo), One(), Same(p.a), Same(p.b), Same(p.by)};
  }
  static Affine<Same, Same, Each, Each, One> affine(const ElementNumbers<T>& n, std::int64_t k) {
    const Piece<T>& p = n.pieces[k];
    return {Same(p.hi), Same(p.lo), Same(p.a), Each{n.w + k * n.step}, Each{n.b + k * n.step}, One()};
  }
  static Affine<Each, Each, Same, EachAndSame, One> affine(const GridNumbers<T>& n, std::int64_t k) {
    const Columns<T>& c = *n.columns;
    return {Each{c.hi}, Each{c.lo}, Each{c.a}, Same(n.row_w[k]), {Each{c.b}, Same(n.row_b[k])}, One()};
  }

  /// The rows of a piece: one, but for pieces with numbers of their own.
  static std::int64_t rows(const Pieces& at, const PieceNumbers<T>&) { return at.rows; }
  static std::int64_t rows(const Pieces&, const auto&) { return 1; }

  /// dx = (dz w) a + ((xc s) c2 + c3)
  template <class W, class C>
  struct InputGradient {
    W w;
    C a, s, c2, c3;
    V dx(V dz, V xc, std::int64_t i, auto tag) const {
      return fma(w.times(dz, i, tag), a.at(i, tag), fma(s.times(xc, i, tag), c2.at(i, tag), c3.at(i, tag)));
    }
  };
  static InputGradient<One, Same> input_gradient(const PieceNumbers<T>& n, std::int64_t k) {
    const Slope<T>& c = n.slopes[k];
    return {One(), Same(n.pieces[k].a), Same(c.s), Same(c.c2), Same(c.c3)};
  }
  static InputGradient<Each, Same> input_gradient(const ElementNumbers<T>& n, std::int64_t k) {
    const Slope<T>& c = n.slopes[k];
    return {Each{n.w + k * n.step}, Same(n.pieces[k].a), Same(c.s), Same(c.c2), Same(c.c3)};
  }
  static InputGradient<Same, Each> input_gradient(const GridNumbers<T>& n, std::int64_t k) {
    const Columns<T>& c = *n.columns;
    return {Same(n.row_w[k]), Each{c.a}, Each{c.s}, Each{c.c2}, Each{c.c3}};
  }

  /// An activation; F: its functor, or void.
  template <class F>
  struct Activation {
    static constexpr bool kIsNone = std::is_void_v<F>;
    V slope;
    V value(V z) const {
      if constexpr (kIsNone) {
        return z;
      } else {
        return UnaryLoops<Arch, T, F>::value(z, slope, slope);
      }
    }
    /// dy f'(z)
    V gradient(V dy, V z) const {
      if constexpr (kIsNone) {
        return dy;
      } else if constexpr (std::is_same_v<F, Relu>) {
        return select(z <= V(T(0)), V(T(0)), dy);
      } else {
        return UnaryLoops<Arch, T, F>::slope(dy, F::kDerivativeOfOutput ? value(z) : z, slope, slope);
      }
    }
  };

  /// loop(activation) for f, compiled for each of F: as a function of its own, so that registers are given out for it
  /// alone. What the loop captures should be copies.
  template <class... F, class Loop>
  static void with_activation(OpList<F...>, FusedActivation f, const Loop& loop) {
    static_cast<void>(((f.f == kActivationOf<F> && (run<F>(static_cast<T>(f.slope), loop), true)) || ...));
  }

 private:
  template <class F, class Loop>
  [[gnu::noinline]] static void run(T slope, Loop loop) {
    loop(Activation<F>{slope});
  }
};

}  // namespace evenkeel::kernels::simd
