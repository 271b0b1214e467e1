#pragma once

// The loops of normalization: the formulas over numbers that are held per piece, per element, or per column and row.

#include "evenkeel/core/kernels/norm/formulas_simd.hpp"
#include "evenkeel/core/kernels/norm/sums_simd.hpp"

namespace evenkeel::kernels {
namespace simd {

template <class Arch, class T>
struct NormLoops : NormFormulas<Arch, T>, NormSums<Arch, T> {
  using L = Loop<Arch, T>;
  using V = typename L::V;
  using F = NormFormulas<Arch, T>;
  using S = NormSums<Arch, T>;

  /// For the registers of all pieces: formula(activation, k) is what is done with those of piece k, a function of
  /// (first, i, tag) for place i of a row that starts at `first`. The activation is f, one of the list.
  template <class N, class Formula>
  [[gnu::always_inline]] static void each(auto list, FusedActivation f, Pieces at, N n, const Formula& formula) {
    F::with_activation(
        list, f, [=](auto activation) __attribute__((always_inline)) {
          for (std::int64_t k = 0; k < at.count; ++k) {
            const auto of_piece = formula(activation, k);
            std::int64_t first = k * at.step;
            for (std::int64_t row = 1;; ++row, first += at.stride) {
              L::each(
                  at.width, [&](std::int64_t i, auto tag) __attribute__((always_inline)) { of_piece(first, i, tag); });
              if (row == F::rows(at, n)) {
                break;  // no step behind the last row, as most pieces have one
              }
            }
          }
        });
  }

  /// y = f(z)
  template <class N>
  static void scale(const T* x, T* y, Pieces at, N n, FusedActivation f) {
    each(
        FusibleOps(), f, at, n, [=](auto activation, std::int64_t k) __attribute__((always_inline)) {
          return [ =, affine = F::affine(n, k) ](std::int64_t first, std::int64_t i, auto tag)
              __attribute__((always_inline)) {
            const V z = affine.z(affine.centred(x + first, i, tag), i, tag);
            L::store(y + first + i, activation.value(z), tag);
          };
        });
  }

  /// y = g(f(z) + b); g, f: none or relu
  template <class G>
  static void scale_and_add(G last, const T* x, const T* b, T* y, Pieces at, PieceNumbers<T> n, FusedActivation f) {
    each(
        OpList<void, Relu>(), f, at, n, [=](auto activation, std::int64_t k) __attribute__((always_inline)) {
          return [ =, affine = F::affine(n, k) ](std::int64_t first, std::int64_t i, auto tag)
              __attribute__((always_inline)) {
            const V z = affine.z(affine.centred(x + first, i, tag), i, tag);
            L::store(y + first + i, last.value(activation.value(z) + L::load(b + first + i, tag)), tag);
          };
        });
  }

  /// out = dz by
  template <class N>
  static void gate(const T* x, const T* dy, T* out, Pieces at, N n, FusedActivation f) {
    each(
        FusibleOps(), f, at, n, [=](auto activation, std::int64_t k) __attribute__((always_inline)) {
          return [ =, affine = F::affine(n, k) ](std::int64_t first, std::int64_t i, auto tag)
              __attribute__((always_inline)) {
            const V z = affine.z(affine.centred(x + first, i, tag), i, tag);
            const V dz = activation.gradient(L::load(dy + first + i, tag), z);
            L::store(out + first + i, affine.by.times(dz, i, tag), tag);
          };
        });
  }

  /// dx of dz = dy f'(z)
  template <class N>
  static void gradient(auto list, const T* x, const T* dy, T* dx, Pieces at, N n, FusedActivation f) {
    each(
        list, f, at, n, [=](auto activation, std::int64_t k) __attribute__((always_inline)) {
          return [ =, affine = F::affine(n, k), slope = F::input_gradient(n, k) ](
              std::int64_t first, std::int64_t i, auto tag) __attribute__((always_inline)) {
            const V xc = affine.centred(x + first, i, tag);
            const V dz = activation.gradient(L::load(dy + first + i, tag), affine.z(xc, i, tag));
            L::store(dx + first + i, slope.dx(dz, xc, i, tag), tag);
          };
        });
  }

  /// Of pieces; out(i, dz by, tag) may store that.
  template <class Out>
  static void gradient_sums(auto list, const T* x, const T* dy, Pieces at, PieceNumbers<T> n, FusedActivation f,
                            SumPair* sums, const Out& out) {
    F::with_activation(
        list, f, [=](auto activation) __attribute__((always_inline)) {
          for (std::int64_t k = 0; k < at.count; ++k) {
            const auto affine = F::affine(n, k);
            const std::int64_t first = k * at.step;
            sums[k] = S::piece_sums(
                at, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
                  const V xc = affine.centred(x + first, i, tag);
                  const V dz = activation.gradient(L::load(dy + first + i, tag), affine.z(xc, i, tag));
                  out(first + i, affine.by.times(dz, i, tag), tag);
                  return typename S::Terms{dz, xc};
                });
          }
        });
  }

  /// Of one piece with numbers per element.
  static void element_sums(const T* x, const T* dz, std::int64_t n, const ElementNumbers<T>& numbers, T* dw, T* db,
                           SumPair& sums) {
    const auto affine = F::affine(numbers, 0);
    S::add_row(
        n, sums, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
          const V d = L::load(dz + i, tag);
          const V xc = affine.centred(x, i, tag);
          L::store(dw + i, fma(d, affine.a.times(xc, i, tag), L::load(dw + i, tag)), tag);
          L::store(db + i, L::load(db + i, tag) + d, tag);
          return typename S::Terms{affine.w.times(d, i, tag), xc};
        });
  }

  /// Of kPiecesAtOnce.
  static void element_sums_at_once(const T* x, const T* dz, std::int64_t n, const ElementNumbers<T>& numbers, T* dw,
                                   T* db, SumPair* sums) {
    const decltype(F::affine(numbers, 0)) affine[kPiecesAtOnce] = {F::affine(numbers, 0), F::affine(numbers, 1),
                                                                   F::affine(numbers, 2), F::affine(numbers, 3)};
    constexpr std::int64_t kTerms = S::kLaneTerms * L::kWidth;
    for (std::int64_t first = 0; first < n;) {
      const std::int64_t now = n - first < kTerms + L::kWidth ? n - first : kTerms;
      typename S::Chain chains[kPiecesAtOnce];
      L::each(
          now, [&](std::int64_t j, auto tag) __attribute__((always_inline)) {
            const std::int64_t i = first + j;
            V weight_sum = L::load(dw + i, tag);
            V bias_sum = L::load(db + i, tag);
            for (std::int64_t k = 0; k < kPiecesAtOnce; ++k) {
              const V d = L::load(dz + k * n + i, tag);
              const V xc = affine[k].centred(x + k * n, i, tag);
              chains[k].add({affine[k].w.times(d, i, tag), xc}, tag);
              weight_sum = fma(d, affine[k].a.times(xc, i, tag), weight_sum);
              bias_sum = bias_sum + d;
            }
            L::store(dw + i, weight_sum, tag);
            L::store(db + i, bias_sum, tag);
          });
      first += now;
      for (std::int64_t k = 0; k < kPiecesAtOnce; ++k) {
        sums[k].first += static_cast<double>(lane_sum<Arch, T>(chains[k].sum));
        sums[k].second += static_cast<double>(lane_sum<Arch, T>(chains[k].products));
      }
    }
  }
};

}  // namespace simd

template <class Arch, class T>
void NormalizeKernels<Arch, T>::shifts(const T* x, Pieces at, T* shift) {
  using R = simd::NormLoops<Arch, T>;
  using L = simd::Loop<Arch, T>;
  using V = typename L::V;
  const std::int64_t most = at.rows == 1 ? 4 * L::kWidth : 64;
  const std::int64_t first = at.width < most ? at.width : most;
  const T part = T(1) / static_cast<T>(first);
  for (std::int64_t k = 0; k < at.count; ++k, x += at.step) {
    const V x0(x[0]);
    if (at.rows == 1) {
      V off(T(0));
      L::each(
          first, [&](std::int64_t i, auto tag)
                     __attribute__((always_inline)) { off = off + L::filled(L::load(x + i, tag) - x0, tag); });
      shift[k] = x[0] + simd::lane_sum<Arch, T>(off) * part;
    } else {
      SumPair sums{0, 0};
      R::add_row(
          first, sums, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
            return typename R::Terms{L::load(x + i, tag) - x0, V(T(0))};
          });
      shift[k] = x[0] + static_cast<T>(sums.first / static_cast<double>(first));
    }
  }
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::moments(const T* x, Pieces at, const T* shift, SumPair* sums) {
  using R = simd::NormLoops<Arch, T>;
  using V = typename R::V;
  for (std::int64_t k = 0; k < at.count; ++k, x += at.step) {
    const V around(shift[k]);
    sums[k] = R::piece_sums(
        at, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
          const V u = R::L::load(x + i, tag) - around;
          return typename R::Terms{u, u};
        });
  }
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::column_shifts(const T* x, Pieces at, T* shift) {
  using L = simd::Loop<Arch, T>;
  using V = typename L::V;
  const std::int64_t rows = at.count < 16 ? at.count : 16;
  const V part(T(1) / static_cast<T>(rows));
  L::each(
      at.width, [&](std::int64_t j, auto tag) __attribute__((always_inline)) {
        const V first = L::load(x + j, tag);
        V sum(T(0));
        for (std::int64_t row = 1; row < rows; ++row) {
          sum = sum + (L::load(x + row * at.step + j, tag) - first);
        }
        L::store(shift + j, first + sum * part, tag);
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::column_moments(const T* x, Pieces at, const T* shift, SumPair* sums) {
  using R = simd::NormLoops<Arch, T>;
  R::column_sums(
      at, sums, [&](std::int64_t row, std::int64_t j, auto tag) __attribute__((always_inline)) {
        const typename R::V u = R::L::load(x + row * at.step + j, tag) - R::L::load(shift + j, tag);
        return typename R::Terms{u, u};
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::gradient_sums(const T* x, const T* dy, Pieces at, PieceNumbers<T> n, FusedActivation f,
                                              SumPair* sums) {
  simd::NormLoops<Arch, T>::gradient_sums(CheapOps(), x, dy, at, n, f, sums,
                                          [](auto...) __attribute__((always_inline)){});
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::gate_and_sums(const T* x, const T* dy, T* out, Pieces at, PieceNumbers<T> n,
                                              FusedActivation f, SumPair* sums) {
  using L = simd::Loop<Arch, T>;
  simd::NormLoops<Arch, T>::gradient_sums(
      FusibleOps(), x, dy, at, n, f,
      sums, [=](std::int64_t i, typename L::V dz, auto tag) __attribute__((always_inline)) {
        L::store(out + i, dz, tag);
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::gradient_sums(const T* x, const T* dz, Pieces at, ElementNumbers<T> n, T* dw, T* db,
                                              SumPair* sums) {
  using R = simd::NormLoops<Arch, T>;
  if (at.count == kPiecesAtOnce) {
    R::element_sums_at_once(x, dz, at.width, n, dw, db, sums);
  } else {
    R::element_sums(x, dz, at.width, n, dw, db, sums[0]);
  }
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::gradient_sums(const T* x, const T* dy, T* dz, Pieces at, GridNumbers<T> n,
                                              FusedActivation f, SumPair* sums) {
  using R = simd::NormLoops<Arch, T>;
  using V = typename R::V;
  R::with_activation(
      CheapOps(), f, [=](auto activation) __attribute__((always_inline)) {
        R::column_sums(
            at, sums, [&](std::int64_t row, std::int64_t j, auto tag) __attribute__((always_inline)) {
              const auto affine = R::affine(n, row);
              const std::int64_t i = row * at.step + j;
              const V xc = affine.centred(x + row * at.step, j, tag);
              // no b of rows: there is none behind an activation on this way
              const V z = fma(affine.a.times(xc, j, tag), affine.w.at(j, tag), affine.b.each.at(j, tag));
              const V d = activation.gradient(R::L::load(dy + i, tag), z);
              if constexpr (!decltype(activation)::kIsNone) {
                R::L::store(dz + i, d, tag);
              }
              return typename R::Terms{affine.w.times(d, j, tag), xc};
            });
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::row_sums(const T* x, const T* dz, Pieces at, GridNumbers<T> n, SumPair* sums,
                                         std::int64_t step) {
  using R = simd::NormLoops<Arch, T>;
  using L = simd::Loop<Arch, T>;
  for (std::int64_t row = 0; row < at.count; ++row, x += at.step, dz += at.step) {
    const auto affine = R::affine(n, row);
    SumPair sum{0, 0};
    R::add_row(
        at.width, sum, [&](std::int64_t j, auto tag) __attribute__((always_inline)) {
          return typename R::Terms{L::load(dz + j, tag), affine.a.times(affine.centred(x, j, tag), j, tag)};
        });
    sums[row * step] = sum;
  }
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::scale(const T* x, T* y, Pieces at, PieceNumbers<T> n, FusedActivation f) {
  simd::NormLoops<Arch, T>::scale(x, y, at, n, f);
}
template <class Arch, class T>
void NormalizeKernels<Arch, T>::scale_and_add(const T* x, const T* b, T* y, Pieces at, PieceNumbers<T> n,
                                              FusedActivation f, bool relu) {
  using Loops = simd::NormLoops<Arch, T>;
  const simd::Batch<Arch, T> zero(T(0));
  if (relu) {
    Loops::scale_and_add(typename Loops::F::template Activation<Relu>{zero}, x, b, y, at, n, f);
  } else {
    Loops::scale_and_add(typename Loops::F::template Activation<void>{zero}, x, b, y, at, n, f);
  }
}
template <class Arch, class T>
void NormalizeKernels<Arch, T>::gate(const T* x, const T* dy, T* out, Pieces at, PieceNumbers<T> n, FusedActivation f) {
  simd::NormLoops<Arch, T>::gate(x, dy, out, at, n, f);
}
template <class Arch, class T>
void NormalizeKernels<Arch, T>::gradient(const T* x, const T* dy, T* dx, Pieces at, PieceNumbers<T> n,
                                         FusedActivation f) {
  simd::NormLoops<Arch, T>::gradient(CheapOps(), x, dy, dx, at, n, f);
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::scale(const T* x, T* y, Pieces at, ElementNumbers<T> n, FusedActivation f) {
  simd::NormLoops<Arch, T>::scale(x, y, at, n, f);
}
template <class Arch, class T>
void NormalizeKernels<Arch, T>::gate(const T* x, const T* dy, T* out, Pieces at, ElementNumbers<T> n,
                                     FusedActivation f) {
  simd::NormLoops<Arch, T>::gate(x, dy, out, at, n, f);
}
template <class Arch, class T>
void NormalizeKernels<Arch, T>::gradient(const T* x, const T* dy, T* dx, Pieces at, ElementNumbers<T> n,
                                         FusedActivation f) {
  simd::NormLoops<Arch, T>::gradient(OpList<void>(), x, dy, dx, at, n, f);
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::scale(const T* x, T* y, Pieces at, GridNumbers<T> n, FusedActivation f) {
  simd::NormLoops<Arch, T>::scale(x, y, at, n, f);
}
template <class Arch, class T>
void NormalizeKernels<Arch, T>::gate(const T* x, const T* dy, T* out, Pieces at, GridNumbers<T> n, FusedActivation f) {
  simd::NormLoops<Arch, T>::gate(x, dy, out, at, n, f);
}
template <class Arch, class T>
void NormalizeKernels<Arch, T>::gradient(const T* x, const T* dy, T* dx, Pieces at, GridNumbers<T> n,
                                         FusedActivation f) {
  simd::NormLoops<Arch, T>::gradient(OpList<void>(), x, dy, dx, at, n, f);
}

}  // namespace evenkeel::kernels
