#pragma once

#include "evenkeel/autograd/ops/normalize_groups.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"

namespace evenkeel::nn {

/// What the running statistics of BatchRenorm gather; v is the batch's biased variance, n its values per channel.
enum class RenormStatistics {
  variance,   ///< running_var gathers v
  unbiased,   ///< running_var gathers v n / (n - 1), as BatchNorm's does: Chainer
  deviation,  ///< sqrt(running_var + eps) gathers sqrt(v + eps): the paper's Algorithm 1
  keras,      ///< eval's as `deviation`; r and d refer to renorm_mean and renorm_stddev, by renorm_momentum
};

struct BatchRenormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< weight of the new value; nullopt: cumulative average
  bool affine = true;
  bool track_running_stats = true;
  double rmax = 3;                   ///< at least 1; infinity: no bound
  double dmax = 5;                   ///< at least 0; infinity: no bound
  std::int64_t warmup_steps = 5000;  ///< training calls until rmax and dmax hold in full
  RenormStatistics statistics = RenormStatistics::variance;
  double renorm_momentum = 0.01;                ///< of `keras`: weight of the new value (Keras's 0.99 is the old one's)
  std::int64_t hold_steps = 0;                  ///< training calls before the ramps begin: until then it is BatchNorm
  std::optional<std::int64_t> rmax_steps = {};  ///< training calls until rmax holds in full, if not warmup_steps
  std::optional<std::int64_t> dmax_steps = {};  ///< the same for dmax
};

/// The paper's settings (section 4): BatchNorm for 5000 steps, then rmax rises from 1 to 3 until step 40000 and dmax
/// from 0 to 5 until step 25000; the weight of new statistics is 0.01, and the deviation is tracked.
BatchRenormOptions paper_renorm_options();

/// BatchNorm whose training output is pulled towards what eval() would give; shapes and state as BatchNormBase.
///   y = ((x - m) / sqrt(v + eps) * r + d) * weight + bias, m and v the mean and biased variance of the batch
///   r = sqrt(v + eps) / sqrt(running_var + eps), clamped to [1 / rmax_t, rmax_t]
///   d = (m - running_mean) / sqrt(running_var + eps), clamped to [-dmax_t, dmax_t]
///   rmax_t = 1 + a(rmax_steps) (rmax - 1),  dmax_t = a(dmax_steps) dmax
///   a(end) = (t - hold_steps) / (end - hold_steps), clamped to [0, 1]; 0 while t <= hold_steps
/// Both ends are warmup_steps unless they are given; with 0 for all there is no warm-up.
/// r and d take the running statistics from before this call's update and are constants for the gradient. t counts
/// training calls from 1 (num_batches_tracked, which is saved: a resumed run goes on; eval and empty batches do not
/// count). Unclipped, y is eval's; with rmax 1, dmax 0 it is BatchNorm's. Without track_running_stats training is
/// BatchNorm and eval() throws. Throws as BatchNorm; rmax < 1, dmax < 0, warmup_steps < 0, hold_steps < 0,
/// rmax_steps or dmax_steps below hold_steps.
/// Ioffe 2017, arXiv:1702.03275, Algorithm 1 (which tracks the deviation: RenormStatistics::deviation).
class BatchRenormBase : public BatchNormBase {
 public:
  std::string extra_repr() const override;
  void reset_running_stats() override;

  const BatchRenormOptions renorm;
  Tensor& renorm_mean;    ///< buffer from 0, only with RenormStatistics::keras
  Tensor& renorm_stddev;  ///< buffer from 1, only with RenormStatistics::keras

 protected:
  BatchRenormBase(std::string_view layer, RankRange ranks, std::int64_t num_features,
                  const BatchRenormOptions& options);
  Tensor normalize_batch(const Tensor& x, const FusedActivation& activation) override;
  void move_statistics(const Array& mean, const Array& var, double count, double t) override;

 private:
  struct Correction {
    Tensor r, d;
  };
  Correction correction(const Array& batch_mean, const Array& batch_var) const;
};

/// Over (N, C) or (N, C, L), over (N, C, H, W); see BatchRenormBase.
template <int D>
class BatchRenorm : public BatchRenormBase {
 public:
  using Options = BatchRenormOptions;
  explicit BatchRenorm(std::int64_t num_features, const Options& options = {})
      : BatchRenormBase(class_name(typeid(BatchRenorm)), batch_ranks(D), num_features, options) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<BatchRenorm>(num_features, renorm);
  }
};
using BatchRenorm1d = BatchRenorm<1>;
using BatchRenorm2d = BatchRenorm<2>;

}  // namespace evenkeel::nn
