#pragma once

#include "evenkeel/nn/norm/norm_act.hpp"

namespace evenkeel::nn {

struct FrozenBatchNormOptions {
  double eps = 1e-5;  ///< not in state_dict(); the weights of early torchvision versions mean 0
};

/// BatchNorm's eval(), for good: y = (x - running_mean) / sqrt(running_var + eps) * weight + bias.
///   x, y: (N, C, *); buffers weight (from 1), bias (from 0), running_mean (from 0), running_var (from 1): (C)
/// No parameters: nothing learns or moves, and train() changes nothing; the gradient goes to x only. Files with and
/// without num_batches_tracked load. It uses the statistics that it is given: convert a trained BatchNorm (see
/// convert_bn_to_frozen), or load one's state. For weight and bias that learn see freeze_batchnorm_stats.
/// Throws invalid_argument: wrong rank or C; eps < 0. Equals torchvision.ops.FrozenBatchNorm2d.
class FrozenBatchNorm : public FusibleNorm {
 public:
  explicit FrozenBatchNorm(std::int64_t features, FrozenBatchNormOptions opts = {})
      : FrozenBatchNorm("FrozenBatchNorm", features, opts) {}
  std::string type_name() const override { return "FrozenBatchNorm"; }
  std::string extra_repr() const override;
  Tensor forward_activated(const Tensor& x, const FusedActivation& activation) override;

  const std::int64_t num_features;
  const FrozenBatchNormOptions options;
  Tensor& weight;
  Tensor& bias;
  Tensor& running_mean;
  Tensor& running_var;

 protected:
  FrozenBatchNorm(const char* layer, std::int64_t features, FrozenBatchNormOptions opts);
  virtual std::string_view expected_rank() const { return "at least 2D"; }
  virtual bool accepts_rank(int rank) const { return rank >= 2; }
  void upgrade_state(const std::string& prefix, StateDict& state) const override;
};

/// Of (N, C) or (N, C, L); see FrozenBatchNorm.
class FrozenBatchNorm1d : public FrozenBatchNorm {
 public:
  explicit FrozenBatchNorm1d(std::int64_t features, FrozenBatchNormOptions opts = {})
      : FrozenBatchNorm("FrozenBatchNorm1d", features, opts) {}
  std::string type_name() const override { return "FrozenBatchNorm1d"; }

 protected:
  std::string_view expected_rank() const override { return "2D or 3D"; }
  bool accepts_rank(int rank) const override { return rank == 2 || rank == 3; }
};

/// Of (N, C, H, W); see FrozenBatchNorm.
class FrozenBatchNorm2d : public FrozenBatchNorm {
 public:
  explicit FrozenBatchNorm2d(std::int64_t features, FrozenBatchNormOptions opts = {})
      : FrozenBatchNorm("FrozenBatchNorm2d", features, opts) {}
  std::string type_name() const override { return "FrozenBatchNorm2d"; }

 protected:
  std::string_view expected_rank() const override { return "4D"; }
  bool accepts_rank(int rank) const override { return rank == 4; }
};

/// Of (N, C, D, H, W); see FrozenBatchNorm.
class FrozenBatchNorm3d : public FrozenBatchNorm {
 public:
  explicit FrozenBatchNorm3d(std::int64_t features, FrozenBatchNormOptions opts = {})
      : FrozenBatchNorm("FrozenBatchNorm3d", features, opts) {}
  std::string type_name() const override { return "FrozenBatchNorm3d"; }

 protected:
  std::string_view expected_rank() const override { return "5D"; }
  bool accepts_rank(int rank) const override { return rank == 5; }
};

struct FreezeOptions {
  bool train_affine = true;  ///< what requires_grad of weight and bias becomes
};

/// Freezes the running statistics of every BatchNorm in `model` (1d, 2d, 3d, Sync, Ghost, BatchRenorm; the model may be
/// one itself) and returns their names. They stay in eval's mode, also after a later model.train(), while weight and
/// bias learn. The parameters stay the same: an optimizer goes on. Not part of state_dict(): freeze again after
/// building a model anew. Throws, changing nothing, for a layer without running statistics.
std::vector<std::string> freeze_batchnorm_stats(Module& model, FreezeOptions options = {});
/// Undoes it: the layers follow their model's mode again. requires_grad stays as it is.
std::vector<std::string> unfreeze_batchnorm_stats(Module& model);

}  // namespace evenkeel::nn
