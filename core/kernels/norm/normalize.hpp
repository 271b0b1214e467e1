#pragma once

#include "evenkeel/core/kernels/norm/views.hpp"

#include <span>

namespace evenkeel::kernels {

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
///   found where that shift was more than 3 standard deviations off, and in double where squares leave float's range.
///   The mean is subtracted as hi + lo.
template <class T>
void normalize(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> weight, std::span<const T> bias,
               std::span<double> mean, std::span<double> var, std::span<T> y);

/// The gradients of normalize (autograd/ops/normalize_groups.hpp has the formula); an empty dx, dweight or dbias is not
/// wanted, and dx may be dy. bias is read only where an activation follows: its derivative is found from x anew.
template <class T>
void normalize_gradient(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> dy,
                        std::span<const T> weight, std::span<const T> bias, std::span<const double> mean,
                        std::span<const double> var, std::span<T> dx, std::span<T> dweight, std::span<T> dbias);

/// Whether float's range may not hold what lies between x and y, so that y is found in double: where the deviation is
/// beyond 1e-36 to 1e36.
bool values_need_double(const NormalizeSpec& spec, std::span<const double> var);

/// Whether float's range may not hold what lies between x and dx in some group, squares and sums of products with dy,
/// so that it is found in double: where 1 / s is beyond 1e-15 to 1e15.
bool gradient_needs_double(const NormalizeSpec& spec, std::span<const double> var);

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

}  // namespace evenkeel::kernels
