#pragma once

// What is handed from the plan of a normalization to its loops; for this room only.

#include "evenkeel/core/kernels/elementwise/unary.hpp"
#include "evenkeel/core/kernels/norm/views.hpp"

namespace evenkeel::kernels {

/// Elements of a row that one unit of work takes: whole cache lines, and its columns stay cached between the passes.
inline constexpr std::int64_t kUnitWidth = 256;
/// Pieces with numbers per element whose gradients are added up at once, so that the parameters' sums are loaded and
/// stored once for all of them.
inline constexpr std::int64_t kPiecesAtOnce = 4;

/// `count` pieces that start `step` apart, each of `rows` rows of `width` elements that start `stride` apart.
struct Pieces {
  std::int64_t count, step, rows, stride, width;
};

/// Two sums, of u and of u v.
struct SumPair {
  double first, second;
};

// The numbers of the formulas, where xc = (x - hi) - lo is the centred value, exact where x is near the mean hi + lo:
//   z = (xc a) w + b,  y = f(z),  dz = dy f'(z),  dx = (dz w) a + ((xc s) c2 + c3)
// The kinds differ in who has one of its own.

/// A piece: a has w in it. `by` is a factor for dz.
template <class T>
struct Piece {
  T hi, lo, a, b, by;
};
template <class T>
struct Slope {
  T s, c2, c3;
};
template <class T>
struct PieceNumbers {
  const Piece<T>* pieces;
  const Slope<T>* slopes;  // for dx
};

/// A piece of one row, but w and b are every element's.
template <class T>
struct ElementNumbers {
  const Piece<T>* pieces;
  const Slope<T>* slopes;
  const T *w, *b;
  std::int64_t step;  // from one piece's w and b to the next's
};

/// Every column, but w is every row's (a piece); b is the sum of a column's and a row's.
template <class T>
struct Columns {
  T hi[kUnitWidth], lo[kUnitWidth], a[kUnitWidth], b[kUnitWidth], s[kUnitWidth], c2[kUnitWidth], c3[kUnitWidth];
};
template <class T>
struct GridNumbers {
  const Columns<T>* columns;
  const T *row_w, *row_b;
};

template <class F>
inline constexpr NormActivation kActivationOf = static_cast<NormActivation>(FusibleOps::index_of<F>());

/// Those whose f'(z) is found anew in every loop that needs it; that of the others is taken once, and dz stored.
using CheapOps = OpList<void, Relu, LeakyRelu>;
inline bool is_cheap(FusedActivation f) {
  return [f]<class... F>(OpList<F...>) { return ((f.f == kActivationOf<F>) || ...); }(CheapOps());
}

/// The loops of normalization for one instruction set. Outputs may be inputs. scale(), gate() and gate_and_sums() take
/// any activation, the others a cheap one, if not none.
template <class Arch, class T>
struct NormalizeKernels {
  /// The mean of each piece's first values, exact for constant ones.
  static void shifts(const T* x, Pieces at, T* shift);
  /// Sets each piece's (sum(x - shift), sum((x - shift)^2)).
  static void moments(const T* x, Pieces at, const T* shift, SumPair* sums);
  /// The same of each column; the rows are the pieces.
  static void column_shifts(const T* x, Pieces at, T* shift);
  static void column_moments(const T* x, Pieces at, const T* shift, SumPair* sums);

  static void scale(const T* x, T* y, Pieces at, PieceNumbers<T> n, FusedActivation f);
  static void scale(const T* x, T* y, Pieces at, ElementNumbers<T> n, FusedActivation f);
  static void scale(const T* x, T* y, Pieces at, GridNumbers<T> n, FusedActivation f);

  /// y = f(z) + b, or relu of that. f: none or relu
  static void scale_and_add(const T* x, const T* b, T* y, Pieces at, PieceNumbers<T> n, FusedActivation f, bool relu);

  /// out = dz, or dz by
  static void gate(const T* x, const T* dy, T* out, Pieces at, PieceNumbers<T> n, FusedActivation f);
  static void gate(const T* x, const T* dy, T* out, Pieces at, ElementNumbers<T> n, FusedActivation f);
  static void gate(const T* x, const T* dy, T* out, Pieces at, GridNumbers<T> n, FusedActivation f);

  /// Sets each piece's (sum(dz), sum(dz xc)).
  static void gradient_sums(const T* x, const T* dy, Pieces at, PieceNumbers<T> n, FusedActivation f, SumPair* sums);
  /// gate() and that at once.
  static void gate_and_sums(const T* x, const T* dy, T* out, Pieces at, PieceNumbers<T> n, FusedActivation f,
                            SumPair* sums);
  /// sums += (sum(dz w), sum(dz w xc)) of one piece or kPiecesAtOnce; also dw += dz xc a and db += dz, per element.
  static void gradient_sums(const T* x, const T* dz, Pieces at, ElementNumbers<T> n, T* dw, T* db, SumPair* sums);
  /// Sets each column's (sum(dz w), sum(dz w xc)), and dz where an activation follows.
  static void gradient_sums(const T* x, const T* dy, T* dz, Pieces at, GridNumbers<T> n, FusedActivation f,
                            SumPair* sums);
  /// Sets each row's (sum(dz), sum(dz xc a)), `step` apart.
  static void row_sums(const T* x, const T* dz, Pieces at, GridNumbers<T> n, SumPair* sums, std::int64_t step);

  static void gradient(const T* x, const T* dy, T* dx, Pieces at, PieceNumbers<T> n, FusedActivation f);
  /// f: none
  static void gradient(const T* x, const T* dz, T* dx, Pieces at, ElementNumbers<T> n, FusedActivation f);
  static void gradient(const T* x, const T* dz, T* dx, Pieces at, GridNumbers<T> n, FusedActivation f);
};

}  // namespace evenkeel::kernels
