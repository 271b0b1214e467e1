#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;
};

/// y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, per sample over groups of C / num_groups neighbouring channels.
///   x, y: (N, C, *); weight (from 1), bias (from 0): (C)
/// Independent of the batch, the same in train and eval. GroupNorm(1, C) is LayerNorm over (C, *), and GroupNorm(C, C)
/// InstanceNorm, but for the affine part, which is per channel here.
/// Throws invalid_argument: C not divisible by num_groups; wrong C; groups of a single element, whose output would be
/// the bias whatever x is. PyTorch refuses those for a batch of one only, and so does functional::group_norm.
/// Wu & He 2018, arXiv:1803.08494, equations 1 to 7.
class GroupNorm : public FusibleNorm {
 public:
  using Options = GroupNormOptions;
  GroupNorm(std::int64_t num_groups, std::int64_t num_channels, Options options = {});
  std::string extra_repr() const override;
  Tensor forward_activated(const Tensor& x, const FusedActivation& activation) override;

  const std::int64_t num_groups, num_channels;
  const GroupNormOptions options;
  Tensor& weight;
  Tensor& bias;

 private:
  void check_input(const Tensor& x) const;
};

/// The first of 32, 16, 8, 4, 2, 1 that divides `channels`.
std::int64_t choose_gn_groups(std::int64_t channels);

}  // namespace evenkeel::nn
