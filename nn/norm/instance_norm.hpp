#pragma once

#include "evenkeel/nn/norm/norm_base.hpp"

namespace evenkeel::nn {

/// PyTorch's defaults: neither parameters nor running statistics.
struct InstanceNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;  ///< weight of the new value; PyTorch has no cumulative average here either
  bool affine = false;
  bool track_running_stats = false;
};

/// What the instance norms share:
///   y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, per sample and channel over space
///   x, y: (N, C, *) or one sample without N; weight, bias, running_mean, running_var: (C)
/// With track_running_stats, training moves running_mean and running_var towards the mean over the samples of the
/// instances' means and unbiased variances, and eval() normalizes with them; num_batches_tracked stays 0, as PyTorch's
/// does. Unlike PyTorch a wrong C is refused without affine too.
/// Throws invalid_argument: wrong rank or C; one spatial element where the instances' own statistics are used; loading
/// running statistics without track_running_stats (files from before PyTorch 0.4 have them).
/// Ulyanov, Vedaldi & Lempitsky 2016, arXiv:1607.08022.
class InstanceNormBase : public NormBase {
 public:
  Tensor forward_activated(const Tensor& x, const FusedActivation& activation) override;

 protected:
  InstanceNormBase(const char* layer, std::int64_t features, InstanceNormOptions opts);
  void upgrade_state(const std::string& prefix, StateDict& state) const override;

 private:
  bool uses_input_stats() const { return training() || !running_mean.defined(); }
  /// x, and the same with N.
  void check_input(const Tensor& x, const Tensor& samples) const;
};

/// Over (N, C, L) or (C, L); see InstanceNormBase.
class InstanceNorm1d : public InstanceNormBase {
 public:
  explicit InstanceNorm1d(std::int64_t features, InstanceNormOptions opts = {})
      : InstanceNormBase("InstanceNorm1d", features, opts) {}
  std::string type_name() const override { return "InstanceNorm1d"; }

 protected:
  std::string_view expected_rank() const override { return "2D or 3D"; }
  bool accepts_rank(int rank) const override { return rank == 2 || rank == 3; }
};

/// Over (N, C, H, W) or (C, H, W); see InstanceNormBase.
class InstanceNorm2d : public InstanceNormBase {
 public:
  explicit InstanceNorm2d(std::int64_t features, InstanceNormOptions opts = {})
      : InstanceNormBase("InstanceNorm2d", features, opts) {}
  std::string type_name() const override { return "InstanceNorm2d"; }

 protected:
  std::string_view expected_rank() const override { return "3D or 4D"; }
  bool accepts_rank(int rank) const override { return rank == 3 || rank == 4; }
};

/// Over (N, C, D, H, W) or (C, D, H, W); see InstanceNormBase.
class InstanceNorm3d : public InstanceNormBase {
 public:
  explicit InstanceNorm3d(std::int64_t features, InstanceNormOptions opts = {})
      : InstanceNormBase("InstanceNorm3d", features, opts) {}
  std::string type_name() const override { return "InstanceNorm3d"; }

 protected:
  std::string_view expected_rank() const override { return "4D or 5D"; }
  bool accepts_rank(int rank) const override { return rank == 4 || rank == 5; }
};

}  // namespace evenkeel::nn
