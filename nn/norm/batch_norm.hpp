#pragma once

#include "evenkeel/nn/norm/norm_base.hpp"

namespace evenkeel::nn {

/// What the batch norms share beyond NormBase: the update of the running statistics.
///   y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, per channel over batch and space
///   x, y: (N, C, *); weight (from 1), bias (from 0), running_mean, running_var: (C); num_batches_tracked: int64
/// Training uses the biased batch variance and writes the unbiased one into running_var, also under NoGradGuard:
///   running = (1 - momentum) running + momentum batch;  momentum = nullopt: momentum = 1 / num_batches_tracked.
/// Texts that print running = momentum running + (1 - momentum) batch beside momentum=0.1 have it the other way round.
/// eval() uses the buffers, or the batch where there are none (track_running_stats = false). An empty batch leaves the
/// buffers as they are. Values loaded into running_var are taken as they come; a negative one gives NaN.
/// Throws invalid_argument: wrong rank or C; one value per channel where batch statistics are used.
/// Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 1 and 2.
class BatchNormBase : public NormBase<> {
 public:
  std::string remark() const override;
  Tensor forward_activated(const Tensor& x, const FusedActivation& activation) override;
  /// Frozen: eval's statistics whatever train() says, so the buffers stay as they are, while weight and bias learn.
  /// Thawed, the layer follows the next train(). Not part of state_dict(). Throws without running statistics.
  void freeze_statistics(bool frozen = true);
  bool statistics_frozen() const { return frozen_; }
  /// Whether the running statistics are a new layer's: no batch is counted, and the mean is 0.
  bool has_new_statistics() const;

 protected:
  using NormBase<>::NormBase;
  /// y by the batch's statistics, which go to track(), activated; x fits, but may have too few values (check_count).
  virtual Tensor normalize_batch(const Tensor& x, const FusedActivation& activation);
  /// Throws for one value per channel.
  void check_count(double count, const Tensor& x) const;
  /// In training, if count > 0 and there are running statistics: counts a batch and moves them. mean and (biased) var,
  /// float64, are over `count` values per channel.
  void track(const Array& mean, const Array& var, double count);
  /// The move of track(); t is the weight of the new values.
  virtual void move_statistics(const Array& mean, const Array& var, double count, double t);
  void on_train(bool mode) override { training_ = mode && !frozen_; }
  void on_clone(const Module& original) override;

 private:
  void check_input(const Tensor& x) const;

  bool frozen_ = false;
};

/// Over (N, C) or (N, C, L), over (N, C, H, W), over (N, C, D, H, W); see BatchNormBase.
template <int D>
class BatchNorm : public BatchNormBase {
 public:
  using Options = BatchNormOptions;
  explicit BatchNorm(std::int64_t num_features, Options options = {})
      : BatchNormBase(class_name(typeid(BatchNorm)), batch_ranks(D), num_features, options) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<BatchNorm>(num_features, options);
  }
};
using BatchNorm1d = BatchNorm<1>;
using BatchNorm2d = BatchNorm<2>;
using BatchNorm3d = BatchNorm<3>;

}  // namespace evenkeel::nn
