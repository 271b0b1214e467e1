#include "evenkeel/core/sync_moments.hpp"

#include <algorithm>

namespace evenkeel {

double pool_moments(Communicator& ranks, double n, std::span<double> mean, std::span<double> var) {
  std::vector<double> sums(mean.begin(), mean.end());
  for (double& sum : sums) {
    sum *= n;
  }
  sums.push_back(n);
  ranks.all_reduce_sum(sums);
  const double total = sums.back();
  if (total == 0) {
    std::fill(mean.begin(), mean.end(), 0.0);
    std::fill(var.begin(), var.end(), 0.0);
    return 0;
  }
  std::vector<double> squares(mean.size());
  for (std::size_t c = 0; c < squares.size(); ++c) {
    const double pooled = sums[c] / total;
    const double off = n > 0 ? mean[c] - pooled : 0;
    squares[c] = n * (var[c] + off * off);
    mean[c] = pooled;
  }
  ranks.all_reduce_sum(squares);
  for (std::size_t c = 0; c < squares.size(); ++c) {
    var[c] = squares[c] / total;
  }
  return total;
}

GradientMeans pool_gradient_sums(Communicator& ranks, double n, std::span<const double> weight,
                                 std::span<const double> dy, std::span<const double> dy_x_hat) {
  const std::size_t params = dy.size();
  std::vector<double> sums(2 * params);
  for (std::size_t c = 0; c < params; ++c) {
    const double w = weight.empty() ? 1 : weight[c];
    sums[c] = w * dy[c];
    sums[params + c] = w * dy_x_hat[c];
  }
  ranks.all_reduce_sum(sums);
  GradientMeans means{std::vector<double>(params), std::vector<double>(params)};
  for (std::size_t c = 0; c < params; ++c) {
    means.q[c] = sums[c] / n;
    means.q_x_hat[c] = sums[params + c] / n;
  }
  return means;
}

}  // namespace evenkeel
