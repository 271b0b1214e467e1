#pragma once

#include "evenkeel/autograd/ops/group_moments.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

#include <optional>

namespace evenkeel::nn {

// EvoNorms: norm and activation in one, found by evolution. Liu et al. 2020, arXiv:2004.02967; B0 and S0 are its table
// 2, the others its further finds as timm's evo_norm.py has them. State names are timm's.

struct EvoNormSOptions {
  std::optional<std::int64_t> num_groups = {};          ///< by default choose_gn_groups(channels): 32 where it divides
  std::optional<std::int64_t> channels_per_group = {};  ///< in place of num_groups
  double eps = 1e-5;
  bool affine = true;
};

/// What the EvoNorms of a sample's own statistics share:
///   y = x sigmoid(v x) / sqrt(s + eps) * weight + bias, s a statistic per sample over groups of C / num_groups
///   neighbouring channels
///   x, y: (N, C, H, W); weight (from 1), bias (from 0): (C). x is not centred.
/// Independent of the batch, the same in train and eval.
/// Throws invalid_argument: C not divisible by num_groups or by channels_per_group; both given; wrong rank or C.
class EvoNormSBase : public Layer {
 public:
  using Options = EvoNormSOptions;
  std::string extra_repr() const override;
  std::string remark() const override { return single_channel_remark(num_groups, num_features, "InstanceNorm"); }
  Tensor forward(const Tensor& x) override;

  const std::int64_t num_features, num_groups;
  const EvoNormSOptions options;
  Tensor& weight;
  Tensor& bias;
  Tensor& v;  ///< parameter from 1, only of S0: (C)

 protected:
  /// `centered`: s is the variance, or else the mean of x^2.
  EvoNormSBase(const char* layer, std::int64_t num_features, const Options& options, bool learned_slope, bool centered);

 private:
  const bool centered_;
};

using EvoNormS0Options = EvoNormSOptions;

/// y = x sigmoid(v x) / sqrt(Var_group[x] + eps) * weight + bias, with v (from 1): (C) learned; see EvoNormSBase. With
/// v = 1 the numerator is SiLU(x). Throws also: one value per group in training.
class EvoNormS0 : public EvoNormSBase {
 public:
  explicit EvoNormS0(std::int64_t num_features, const Options& options = {})
      : EvoNormSBase("EvoNormS0", num_features, options, true, true) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<EvoNormS0>(num_features, options);
  }
};

/// y = SiLU(x) / sqrt(Var_group[x] + eps) * weight + bias: EvoNormS0 without v.
class EvoNormS1 : public EvoNormSBase {
 public:
  explicit EvoNormS1(std::int64_t num_features, const Options& options = {})
      : EvoNormSBase("EvoNormS1", num_features, options, false, true) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<EvoNormS1>(num_features, options);
  }
};

/// y = SiLU(x) / sqrt(E_group[x^2] + eps) * weight + bias: EvoNormS1 with the mean square for the variance. One value
/// per group is no error.
class EvoNormS2 : public EvoNormSBase {
 public:
  explicit EvoNormS2(std::int64_t num_features, const Options& options = {})
      : EvoNormSBase("EvoNormS2", num_features, options, false, false) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<EvoNormS2>(num_features, options);
  }
};

struct EvoNormBOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< weight of the new value; nullopt: cumulative average
  bool affine = true;
};

/// What the EvoNorms of the batch's variance share:
///   y = x / max(sqrt(Var_batch[x] + eps), r(x)) * weight + bias
///   x, y: (N, C, H, W); weight (from 1), bias (from 0), running_var (from 1): (C). Var_batch is taken per channel over
///   batch and space, and r(x) has a statistic per sample and channel over space; both biased. x is not centred, and
///   the maximum is the activation.
/// Training writes the unbiased Var_batch into running_var; eval() reads it instead. The statistic of r is the sample's
/// own in both. timm has no num_batches_tracked: its files load.
/// Throws invalid_argument: wrong rank or C; one value per channel in training.
class EvoNormBBase : public Layer {
 public:
  using Options = EvoNormBOptions;
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

  const std::int64_t num_features;
  const EvoNormBOptions options;
  Tensor& weight;
  Tensor& bias;
  Tensor& v;  ///< parameter from 1, only of B0: (C)
  Tensor& running_var;
  Tensor& num_batches_tracked;

 protected:
  /// r(x) = slope x + shift. Each is (C), or (N * C), or a single number.
  struct Line {
    Tensor slope, shift;
  };
  EvoNormBBase(const char* layer, std::int64_t num_features, const Options& options, bool learned_slope);
  virtual Line right(const GroupMoments& planes) const = 0;
  /// sqrt(E[x^2] + eps) of each sample's channels.
  Tensor root_mean_square(const GroupMoments& planes) const;

 private:
  /// (C), from the statistics of each sample's channels: the mean of their variances and the variance of their means.
  Tensor batch_variance(const GroupMoments& planes) const;
};

struct EvoNormB0Options {
  double eps = 1e-3;                     ///< timm's; the paper gives 1e-5
  std::optional<double> momentum = 0.1;  ///< weight of the new value; nullopt: cumulative average
  bool affine = true;
};

/// r(x) = v x + sqrt(Var_instance[x] + eps), with v (from 1): (C) learned; see EvoNormBBase.
class EvoNormB0 : public EvoNormBBase {
 public:
  using Options = EvoNormB0Options;
  explicit EvoNormB0(std::int64_t num_features, const Options& options = {});
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<EvoNormB0>(num_features, Options{options.eps, options.momentum, options.affine});
  }

 private:
  Line right(const GroupMoments& planes) const override;
};

/// r(x) = (x + 1) sqrt(E_instance[x^2] + eps); see EvoNormBBase.
class EvoNormB1 : public EvoNormBBase {
 public:
  explicit EvoNormB1(std::int64_t num_features, const Options& options = {})
      : EvoNormBBase("EvoNormB1", num_features, options, false) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<EvoNormB1>(num_features, options);
  }

 private:
  Line right(const GroupMoments& planes) const override;
};

/// r(x) = sqrt(E_instance[x^2] + eps) - x; see EvoNormBBase.
class EvoNormB2 : public EvoNormBBase {
 public:
  explicit EvoNormB2(std::int64_t num_features, const Options& options = {})
      : EvoNormBBase("EvoNormB2", num_features, options, false) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<EvoNormB2>(num_features, options);
  }

 private:
  Line right(const GroupMoments& planes) const override;
};

}  // namespace evenkeel::nn
