#pragma once

#include "evenkeel/core/communicator.hpp"

#include <span>
#include <vector>

namespace evenkeel {

// What ranks that normalize together tell each other, in double. Spans hold one number per parameter; every rank must
// make the calls in the same order.

/// Pools mean and (biased) variance of this rank's `n` elements per parameter with the other ranks', in place: the same
/// bits on every rank. A rank without elements brings n = 0. Returns the number of elements of all ranks; if that is 0,
/// mean and var become 0.
///   mean = sum n_r mean_r / n,  var = sum n_r (var_r + (mean_r - mean)^2) / n
double pool_moments(Communicator& ranks, double n, std::span<double> mean, std::span<double> var);

/// mean(q) and mean(q x_hat) over the n elements of all ranks, q = dy weight: what dx needs.
struct GradientMeans {
  std::vector<double> q, q_x_hat;
};
/// From this rank's sums of dy and dy x_hat; weight may be empty (all 1).
GradientMeans pool_gradient_sums(Communicator& ranks, double n, std::span<const double> weight,
                                 std::span<const double> dy, std::span<const double> dy_x_hat);

}  // namespace evenkeel
