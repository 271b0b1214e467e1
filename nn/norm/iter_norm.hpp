#pragma once

#include "evenkeel/nn/module.hpp"

#include <optional>

namespace evenkeel::nn {

struct IterNormOptions {
  std::optional<std::int64_t> num_groups = {};          ///< groups of channels, whitened apart; by default one for all
  std::optional<std::int64_t> channels_per_group = {};  ///< in place of num_groups
  int iterations = 5;                                   ///< Newton steps; 0 only centres and divides by sqrt(trace)
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< weight of the new value; nullopt: cumulative average
  bool affine = true;
};

/// Whitening, per group of D = C / num_groups neighbouring channels, with the means m and S = cov + eps I taken over
/// batch and space:
///   y = W (x - m) * weight + bias,  W ~ S^(-1/2) by Newton's iteration for S_n = S / tr(S)
///   P_0 = I,  P_k+1 = (3 P_k - P_k^3 S_n) / 2,  W = P_T / sqrt(tr(S))
///   x, y: (N, C, *); weight, bias: (C); running_mean: (num_groups, D, 1) from 0, running_wm: (num_groups, D, D) from I
/// BatchNorm also removes the correlation between channels this way, as far as the iterations go (directions of small
/// variance stay smaller than 1). Training moves running_mean and running_wm, eval() reads them. State names are the
/// authors'. Throws invalid_argument: C not divisible by num_groups or by channels_per_group; both given; wrong rank or
/// C; one value per channel in training. Huang et al. 2019, arXiv:1904.03441, algorithm 1.
class IterNorm : public Layer {
 public:
  using Options = IterNormOptions;
  explicit IterNorm(std::int64_t num_features, const Options& options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<IterNorm>(num_features, options); }
  Tensor forward(const Tensor& x) override;

  const std::int64_t num_features, num_groups;
  const IterNormOptions options;
  Tensor& weight;
  Tensor& bias;
  Tensor& running_mean;
  Tensor& running_wm;
  Tensor& num_batches_tracked;

 private:
  Tensor whitening_matrix(const Tensor& deviation) const;
  Tensor transformed(const Tensor& deviation, const Tensor& matrix) const;
};

}  // namespace evenkeel::nn
