#pragma once

#include "evenkeel/nn/norm/batch_norm.hpp"

namespace evenkeel::nn {

struct GhostBatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< weight of the new value, for each ghost batch; nullopt: cumulative average
  bool affine = true;
  bool track_running_stats = true;
  std::int64_t virtual_batch_size = 32;
};

/// BatchNorm over virtual batches: in training, virtual_batch_size consecutive samples are normalized together, as
/// ranks without SyncBatchNorm would do. See BatchNormBase for formula, shapes and state.
///   x, y: (N, C, *); if virtual_batch_size does not divide N, the last ghost batch has the N % virtual_batch_size rest
/// The buffers see every ghost batch in turn: forward is BatchNorm called on one after the other, num_batches_tracked
/// (one more for each) included. eval uses the shared buffers, or the ghost batches' statistics where there are none.
/// timm's SplitBatchNorm2d, in contrast, fixes the number of parts.
/// Throws as BatchNorm, and if a ghost batch has one value per channel: choose another size, or drop the last batch.
/// Hoffer et al. 2017, arXiv:1705.08741.
class GhostBatchNorm : public BatchNormBase {
 public:
  using Options = GhostBatchNormOptions;
  explicit GhostBatchNorm(std::int64_t num_features, const Options& options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<GhostBatchNorm>(num_features, Options{.eps = options.eps,
                                                                  .momentum = options.momentum,
                                                                  .affine = options.affine,
                                                                  .track_running_stats = options.track_running_stats,
                                                                  .virtual_batch_size = virtual_batch_size});
  }

  const std::int64_t virtual_batch_size;

 protected:
  Tensor normalize_batch(const Tensor& x, const FusedActivation& activation) override;

 private:
  Tensor normalize_ghosts(const Tensor& x, std::int64_t size, const FusedActivation& activation);
};

}  // namespace evenkeel::nn
