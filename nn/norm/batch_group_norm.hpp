#pragma once

#include "evenkeel/nn/norm/norm_base.hpp"

namespace evenkeel::nn {

struct BatchGroupNormOptions {
  std::optional<std::int64_t> num_groups = {};          ///< by default choose_gn_groups(channels)
  std::optional<std::int64_t> channels_per_group = {};  ///< in place of num_groups
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< weight of the new value; nullopt: cumulative average
  bool affine = true;
};

/// y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, over the batch and groups of C / num_groups neighbouring
/// channels: between BatchNorm (num_groups = C) and one statistic for the whole batch (num_groups = 1)
///   x, y: (N, C, *); weight (from 1), bias (from 0): (C); running_mean (from 0), running_var (from 1): (num_groups)
/// Few groups for small batches, many for large ones. Training moves the buffers (the variance unbiased); eval() reads
/// them. The paper also lets a group be a part of a channel; here groups consist of whole channels.
/// Throws invalid_argument: C not divisible by num_groups or by channels_per_group; both given; rank < 2; wrong C; one
/// value per group in training.
/// Zhou et al. 2020, arXiv:2012.02782.
class BatchGroupNorm : public NormBase<> {
 public:
  using Options = BatchGroupNormOptions;
  explicit BatchGroupNorm(std::int64_t num_channels, const Options& options = {});
  std::string extra_repr() const override;
  std::string remark() const override { return single_channel_remark(num_groups, num_features, "BatchNorm"); }
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<BatchGroupNorm>(
        num_features,
        Options{.num_groups = num_groups, .eps = options.eps, .momentum = options.momentum, .affine = options.affine});
  }
  Tensor forward_activated(const Tensor& x, const FusedActivation& activation) override;

  const std::int64_t num_groups;

 private:
  static Start per_group(std::int64_t num_groups) { return {.mean_shape = {num_groups}, .var_shape = {num_groups}}; }
};

}  // namespace evenkeel::nn
