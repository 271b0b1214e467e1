#pragma once

#include "evenkeel/autograd/ops/group_moments.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

#include <optional>

namespace evenkeel::nn {

struct EvoNormS0Options {
  std::optional<std::int64_t> num_groups = {};  ///< by default choose_gn_groups(channels): 32 where it divides
  double eps = 1e-5;
  bool affine = true;
};

/// y = x sigmoid(v x) / sqrt(Var_group[x] + eps) * weight + bias, norm and activation in one.
///   x, y: (N, C, H, W); weight (from 1), bias (from 0), v (from 1): (C). The biased variance is taken per sample over
///   groups of C / num_groups neighbouring channels; x is not centred. With v = 1 the numerator is SiLU(x).
/// Independent of the batch, the same in train and eval. State names are timm's.
/// Throws invalid_argument: C not divisible by num_groups; wrong rank or C; one value per group in training.
/// Liu et al. 2020, arXiv:2004.02967, table 2.
class EvoNormS0 : public Layer {
 public:
  using Options = EvoNormS0Options;
  explicit EvoNormS0(std::int64_t num_features, const Options& options = {});
  std::string extra_repr() const override;
  std::string remark() const override { return single_channel_remark(num_groups, num_features, "InstanceNorm"); }
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<EvoNormS0>(num_features, options);
  }
  Tensor forward(const Tensor& x) override;

  const std::int64_t num_features, num_groups;
  const EvoNormS0Options options;
  Tensor& weight;
  Tensor& bias;
  Tensor& v;
};

struct EvoNormB0Options {
  double eps = 1e-3;                     ///< timm's; the paper gives 1e-5
  std::optional<double> momentum = 0.1;  ///< weight of the new value; nullopt: cumulative average
  bool affine = true;
};

/// y = x / max(sqrt(Var_batch[x] + eps), v x + sqrt(Var_instance[x] + eps)) * weight + bias
///   x, y: (N, C, H, W); weight (from 1), bias (from 0), v (from 1), running_var (from 1): (C). Var_batch is taken per
///   channel over batch and space, Var_instance per sample and channel over space; both biased. x is not centred, and
///   the maximum is the activation.
/// Training writes the unbiased Var_batch into running_var; eval() reads it instead. Var_instance is the sample's own
/// in both. timm has no num_batches_tracked: its files load.
/// Throws invalid_argument: wrong rank or C; one value per channel in training.
/// Liu et al. 2020, arXiv:2004.02967, table 2.
class EvoNormB0 : public Layer {
 public:
  using Options = EvoNormB0Options;
  explicit EvoNormB0(std::int64_t num_features, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<EvoNormB0>(num_features, options);
  }
  Tensor forward(const Tensor& x) override;

  const std::int64_t num_features;
  const EvoNormB0Options options;
  Tensor& weight;
  Tensor& bias;
  Tensor& v;
  Tensor& running_var;
  Tensor& num_batches_tracked;

 private:
  /// (C), from the statistics of each sample's channels: the mean of their variances and the variance of their means.
  Tensor batch_variance(const GroupMoments& planes) const;
};

}  // namespace evenkeel::nn
