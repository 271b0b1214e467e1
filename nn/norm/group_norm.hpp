#pragma once

#include "evenkeel/nn/module.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

#include <optional>

namespace evenkeel::nn {

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;
  std::optional<std::int64_t> channels_per_group = {};  ///< in place of num_groups
};

/// y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, per sample over groups of C / num_groups neighbouring channels.
///   x, y: (N, C, *); weight (from 1), bias (from 0): (C)
/// Independent of the batch, the same in train and eval. GroupNorm(1, C) is LayerNorm over (C, *), and GroupNorm(C, C)
/// InstanceNorm, but for the affine part, which is per channel here.
/// Throws invalid_argument: C not divisible by num_groups or by channels_per_group; both given; wrong C; groups of a
/// single element, whose output would be the bias whatever x is. PyTorch refuses those for a batch of one only, and so
/// does functional::group_norm. Wu & He 2018, arXiv:1803.08494, equations 1 to 7.
class GroupNorm : public FusibleNorm {
 public:
  using Options = GroupNormOptions;
  GroupNorm(std::int64_t num_groups, std::int64_t num_channels, const Options& options = {});
  /// Of options.channels_per_group, GroupNorm(64, {.channels_per_group = 16}); else choose_gn_groups(num_channels).
  GroupNorm(std::int64_t num_channels, const Options& options);
  std::string extra_repr() const override;
  std::string remark() const override { return single_channel_remark(num_groups, num_channels, "InstanceNorm"); }
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<GroupNorm>(num_groups, num_channels, options);
  }
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

/// The most groups, up to `most`, that divide `channels` and leave each at least `width` channels: with 2, also (N, C)
/// has more than one element per group. 1 if there are fewer channels.
std::int64_t most_groups(std::int64_t channels, std::int64_t most = 32, std::int64_t width = 1);

/// For errors that advise what takes (N, C, 1, ...), where another norm would have single elements: "GroupNorm(2, 4)";
/// "" for a single channel, which no GroupNorm takes.
std::string advised_group_norm(std::int64_t channels);
/// "BatchNorm", or what it takes for such an input of that batch size.
std::string advised_batch_norm(std::int64_t batch);

}  // namespace evenkeel::nn
