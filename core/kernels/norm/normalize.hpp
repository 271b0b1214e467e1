#pragma once

#include <cstdint>
#include <span>

namespace evenkeel {

/// How a contiguous input is grouped for statistics: x[slice][outer][group][inner]; mean and variance are taken over
/// outer and inner for each (slice, group). (BatchNorm: 1, N, C, H*W; GroupNorm: 1, 1, N*G, ...).
struct GroupView {
  std::int64_t slices = 1, outer = 1, groups = 1, inner = 1;
  std::int64_t count() const { return outer * inner; }         ///< elements per group
  std::int64_t statistics() const { return slices * groups; }  ///< number of (slice, group) pairs
  std::int64_t numel() const { return slices * outer * groups * inner; }
};

/// Which scale and shift an element gets: element i of the contiguous input uses entry (i / inner) % params.
/// BatchNorm, GroupNorm, InstanceNorm: params C, inner H*W. LayerNorm, RMSNorm: params D, inner 1.
struct AffineView {
  std::int64_t params = 0, inner = 1;
};

struct Normalization {
  double eps = 1e-5;
  bool center = true;       ///< subtract the mean (false: RMS norms)
  int correction = 0;       ///< 1: unbiased variance
  bool eps_in_root = true;  ///< sqrt(v + eps), or sqrt(v) + eps
};

/// What may follow a normalization in the same pass, by the functors of core/kernels/elementwise/unary.hpp.
enum class NormActivation { none, relu, leaky_relu, silu, hardswish };

struct FusedActivation {
  NormActivation f = NormActivation::none;
  double slope = 0.01;  ///< leaky_relu's
};

namespace kernels {

/// What is normalized, and whether mean and variance are given (`fixed`: eval, frozen layers) or the input's own.
struct NormalizeSpec {
  GroupView view;
  AffineView affine;
  Normalization how;
  bool fixed = false;
  FusedActivation activation = {};  ///< applied to y
};

/// y = f((x - mean) s weight + bias), s = 1 / sqrt(var + eps). mean and var (one per statistic) are read if spec.fixed,
/// else written. weight, bias: spec.affine.params entries or empty. Groups must not be empty. Any thread count gives
/// the same bits.
///   Statistics: one pass of sums around a shift taken from the group's first elements, repeated around the mean just
///   found where that shift was more than 3 standard deviations off. The mean is subtracted as hi + lo.
template <class T>
void normalize(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> weight, std::span<const T> bias,
               std::span<double> mean, std::span<double> var, std::span<T> y);

/// The gradients of normalize (autograd/ops/normalize_groups.hpp has the formula); an empty dx, dweight or dbias is not
/// wanted, and dx may be dy. bias is read only where an activation follows: its derivative is found from x anew.
template <class T>
void normalize_gradient(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> dy,
                        std::span<const T> weight, std::span<const T> bias, std::span<const double> mean,
                        std::span<const double> var, std::span<T> dx, std::span<T> dweight, std::span<T> dbias);

// The halves of both without activation, for callers that do something with the sums in between: join them with other
// ranks', say.

/// mean and var of normalize, without y.
template <class T>
void moments(const NormalizeSpec& spec, std::span<const T> x, std::span<double> mean, std::span<double> var);

/// Per parameter sum(dy) and sum(dy x_hat), from given mean and var (spec.fixed must be set).
template <class T>
void gradient_sums(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> dy, std::span<const double> mean,
                   std::span<const double> var, std::span<double> dy_sums, std::span<double> dy_x_hat_sums);

/// dx = s (dy weight - b - x_hat k) with b and k given, one per statistic (spec.fixed must be set).
template <class T>
void normalize_input_gradient(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> dy,
                              std::span<const T> weight, std::span<const double> mean, std::span<const double> var,
                              std::span<const double> b, std::span<const double> k, std::span<T> dx);

/// Of one group: xc = (x - hi) - lo is the centred value, exact where x is near the mean hi + lo.
template <class T>
struct Center {
  T hi, lo;
};

/// dx = dy c1 + (xc s) c2 + c3.
template <class T>
struct GradientCoefficients {
  T s, c1, c2, c3;
};

/// `rows` rows of `width` elements that start `stride` apart.
struct RowBlock {
  std::int64_t rows, stride, width;
};

/// Two sums, added to by the loops below.
struct SumPair {
  double first, second;
};

/// An activation behind the affine step: z = xc a + b, dz = dy f'(z).
template <class T>
struct Gate {
  T a, b;
  FusedActivation f;
};

/// The numbers of one of several neighbouring pieces of equal length: xc = (x - hi) - lo, z = xc a + b.
template <class T>
struct Piece {
  T hi, lo, a, b;
};

/// Whether f' is found anew more quickly than it is stored and loaded.
inline bool is_cheap(FusedActivation f) {
  return f.f == NormActivation::none || f.f == NormActivation::relu || f.f == NormActivation::leaky_relu;
}

/// The loops of normalization for one instruction set; partial sums of a few dozen values per lane go into doubles.
///   Runs: the rows of `run` (x and the others point at its first element) belong to one group; or n elements in a row
///   with a parameter per element, `w` (and `b`).
///   Rows: every column j has its own numbers; `row_w`, `row_b` (null: 1 and 0) are a row's scale and shift.
template <class Arch, class T>
struct NormalizeKernels {
  /// x[0] + mean(x - x[0]): exact for constant x.
  static T run_mean(const T* x, std::int64_t n);
  /// sums += (sum(x - shift), sum((x - shift)^2)).
  static void run_moments(const T* x, const RowBlock& run, T shift, SumPair& sums);
  /// y = f(z), z = xc a + b; or, where dy is given, y = factor dy f'(z). y may be dy.
  static void run_scale(const T* x, const T* dy, T* y, const RowBlock& run, Center<T> m, const Gate<T>& gate, T factor);
  static void run_scale(const T* x, const T* dy, T* y, std::int64_t n, Center<T> m, T s, const T* w, const T* b,
                        FusedActivation f);
  /// sums += (sum(dz), sum(dz xc)); where out is given, out = dz factor.
  static void run_gradient_sums(const T* x, const T* dy, T* out, const RowBlock& run, Center<T> m, const Gate<T>& gate,
                                T factor, SumPair& sums);
  /// sums += (sum(dy w), sum(dy w xc)); also dw += dy xc s and db += dy, per element.
  static void run_gradient_sums(const T* x, const T* dy, std::int64_t n, Center<T> m, T s, const T* w, T* dw, T* db,
                                SumPair& sums);
  /// The same for four runs, one behind the other; the parameters' sums are loaded and stored once for all of them.
  static void four_run_gradient_sums(const T* x, const T* dy, std::int64_t n, const Center<T>* m, const T* s,
                                     const T* w, T* dw, T* db, SumPair* sums);
  /// dx of dz; the gate's activation must be a cheap one (see is_cheap).
  static void run_gradient(const T* x, const T* dy, T* dx, const RowBlock& run, Center<T> m,
                           const GradientCoefficients<T>& c, const Gate<T>& gate);
  static void run_gradient(const T* x, const T* dy, T* dx, std::int64_t n, Center<T> m,
                           const GradientCoefficients<T>& c, const T* w);

  // The same for `count` pieces, one behind the other, each with its own numbers.

  /// Sets each piece's sums around its shift, and that: 0, or if centred the mean of the first values, exact if
  /// constant.
  static void piece_moments(const T* x, std::int64_t count, std::int64_t n, bool center, T* shift, SumPair* sums);
  static void piece_scale(const T* x, T* y, std::int64_t count, std::int64_t n, const Piece<T>* p, FusedActivation f);
  /// With parameters per element: z = xc a w + b.
  static void piece_scale(const T* x, T* y, std::int64_t count, std::int64_t n, const Piece<T>* p, const T* w,
                          const T* b, FusedActivation f);
  /// Sets sums; where out is given, out = dz.
  static void piece_gradient_sums(const T* x, const T* dy, T* out, std::int64_t count, std::int64_t n,
                                  const Piece<T>* p, FusedActivation f, SumPair* sums);
  /// f must be a cheap activation.
  static void piece_gradient(const T* x, const T* dy, T* dx, std::int64_t count, std::int64_t n, const Piece<T>* p,
                             const GradientCoefficients<T>* c, FusedActivation f);
  static void piece_gradient(const T* x, const T* dy, T* dx, std::int64_t count, std::int64_t n, const Piece<T>* p,
                             const GradientCoefficients<T>* c, const T* w);

  /// The mean of the first rows, per column: exact for constant columns.
  static void row_means(const T* x, const RowBlock& block, T* mean);
  static void row_moments(const T* x, const RowBlock& block, const T* shift, SumPair* sums);
  static void row_scale(const T* x, const T* dy, T* y, const RowBlock& block, const T* hi, const T* lo, const T* a,
                        const T* b, const T* row_w, const T* row_b, FusedActivation f);
  /// Per column: sums = (sum(dz row_w), sum(dz row_w xc)), z = xc a + b; behind an activation, out = dz.
  static void row_gradient_sums(const T* x, const T* dy, T* out, const RowBlock& block, const T* hi, const T* lo,
                                const T* a, const T* b, FusedActivation f, const T* row_w, SumPair* sums);
  /// Per row: (sum(dy), sum(dy xc s)), written `step` apart.
  static void row_parameter_sums(const T* x, const T* dy, const RowBlock& block, const T* hi, const T* lo, const T* s,
                                 SumPair* sums, std::int64_t step);
  static void row_gradient(const T* x, const T* dy, T* dx, const RowBlock& block, const T* hi, const T* lo, const T* s,
                           const T* c1, const T* c2, const T* c3, const T* row_w);
};

}  // namespace kernels
}  // namespace evenkeel
