#pragma once

#include "evenkeel/nn/norm/batch_norm.hpp"

namespace evenkeel::nn {

struct EstimatedBatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;  ///< weight of the new value, kept in the buffer estbn_moving_speed
  bool affine = true;
};

/// BatchNorm for batches too small for statistics of their own: training, too, normalizes by the running statistics,
/// which take this batch in first, with s = estbn_moving_speed and m the running mean before:
///   running_mean = (1 - s) m + s E[x];  running_var = (1 - s) running_var + s E[(x - m)^2], biased
///   y = (x - running_mean) / sqrt(running_var + eps) * weight + bias
/// The statistics are constants in the gradient. Shapes and state as BatchNormBase, and estbn_moving_speed: (1), which
/// the authors start at 0 and set from their training loop. A single value per channel is no error.
/// Qiao et al. 2019, arXiv:1911.09738.
class EstimatedBatchNorm : public BatchNormBase {
 public:
  using Options = EstimatedBatchNormOptions;
  explicit EstimatedBatchNorm(std::int64_t num_features, Options options = {});
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<EstimatedBatchNorm>(
        num_features, Options{.eps = options.eps, .momentum = *options.momentum, .affine = options.affine});
  }

  Tensor& estbn_moving_speed;

 protected:
  Tensor normalize_batch(const Tensor& x, const FusedActivation& activation) override;
};

struct BatchChannelNormOptions {
  double eps = 1e-5;                                    ///< of both norms
  double momentum = 0.1;                                ///< of the batch norm
  bool affine = true;                                   ///< of both norms
  bool estimate = true;                                 ///< EstimatedBatchNorm first, or BatchNorm2d
  std::optional<std::int64_t> channels_per_group = {};  ///< in place of num_groups
};

/// A batch norm, then a norm over groups of channels per sample, each with its scale and shift:
///   z = bn(x);  y = (z - E[z]) / sqrt(Var[z] + eps) * weight + bias, over groups of C / num_groups channels
///   x, y: (N, C, *), with estimate = false (N, C, H, W); weight (from 1), bias (from 0): (1, num_groups, 1), per group
/// unlike GroupNorm's; bn: the child with the batch norm's state. Names are the authors'.
/// Throws invalid_argument: C not divisible by num_groups or by channels_per_group; both given; wrong rank or C; one
/// element per group; as bn.
/// Qiao et al. 2019, arXiv:1911.09738.
class BatchChannelNorm : public FusibleNorm {
 public:
  using Options = BatchChannelNormOptions;
  BatchChannelNorm(std::int64_t num_groups, std::int64_t num_channels, const Options& options = {});
  /// Of options.channels_per_group; else choose_gn_groups(num_channels).
  BatchChannelNorm(std::int64_t num_channels, const Options& options);
  std::string extra_repr() const override;
  std::string remark() const override { return single_channel_remark(num_groups, num_channels, "InstanceNorm"); }
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<BatchChannelNorm>(num_groups, num_channels, options);
  }
  Tensor forward_activated(const Tensor& x, const FusedActivation& activation) override;

  const std::int64_t num_groups, num_channels;
  const BatchChannelNormOptions options;
  Tensor& weight;
  Tensor& bias;
  Child<BatchNormBase> bn;

 private:
  /// What takes x, whose groups have one element each.
  std::string cure(const Tensor& x) const;
};

}  // namespace evenkeel::nn
