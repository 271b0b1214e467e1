#pragma once

#include "evenkeel/nn/module.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

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
  using Options = FrozenBatchNormOptions;
  explicit FrozenBatchNorm(std::int64_t num_features, Options options = {})
      : FrozenBatchNorm("FrozenBatchNorm", kAnyRank, num_features, options) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<FrozenBatchNorm>(num_features, options);
  }
  Tensor forward_activated(const Tensor& x, const FusedActivation& activation) override;

  const std::int64_t num_features;
  const FrozenBatchNormOptions options;
  Tensor& weight;
  Tensor& bias;
  Tensor& running_mean;
  Tensor& running_var;

 protected:
  FrozenBatchNorm(std::string_view layer, RankRange ranks, std::int64_t num_features, Options options);
  void upgrade_state(const std::string& prefix, StateDict& state) const override;

 private:
  const RankRange ranks_;
};

/// Of (N, C) or (N, C, L), of (N, C, H, W), of (N, C, D, H, W) alone; see FrozenBatchNorm.
template <int D>
class FrozenBatchNormOf : public FrozenBatchNorm {
 public:
  explicit FrozenBatchNormOf(std::int64_t num_features, Options options = {})
      : FrozenBatchNorm(concat("FrozenBatchNorm", D, "d"), batch_ranks(D), num_features, options) {}
  std::string type_name() const override { return concat("FrozenBatchNorm", D, "d"); }
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<FrozenBatchNormOf>(num_features, options);
  }
};
using FrozenBatchNorm1d = FrozenBatchNormOf<1>;
using FrozenBatchNorm2d = FrozenBatchNormOf<2>;
using FrozenBatchNorm3d = FrozenBatchNormOf<3>;

struct FreezeOptions {
  bool train_affine = true;  ///< what requires_grad of weight and bias becomes
};

/// Freezes the running statistics of every BatchNorm in `model` (1d, 2d, 3d, Sync, Ghost, BatchRenorm; the model may be
/// one itself) and returns their names. They stay in eval's mode, also after a later model.train(), while weight and
/// bias learn. The parameters stay the same: an optimizer goes on. Not part of state_dict(): freeze again after
/// building a model anew. A printed model and its summary() say which are frozen, and which before they saw a batch.
/// Throws, changing nothing, for a layer without running statistics.
std::vector<std::string> freeze_batchnorm_stats(Module& model, FreezeOptions options = {});
/// Undoes it: the layers follow their model's mode again. requires_grad stays as it is.
std::vector<std::string> unfreeze_batchnorm_stats(Module& model);

}  // namespace evenkeel::nn
