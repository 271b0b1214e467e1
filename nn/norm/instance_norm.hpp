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
class InstanceNormBase : public NormBase<> {
 public:
  Tensor forward_activated(const Tensor& x, const FusedActivation& activation) override;

 protected:
  InstanceNormBase(std::string_view layer, int dims, std::int64_t num_features, const InstanceNormOptions& options);
  void upgrade_state(const std::string& prefix, StateDict& state) const override;

 private:
  bool uses_input_stats() const { return training() || !running_mean.defined(); }
  /// x, and the same with N.
  void check_input(const Tensor& x, const Tensor& samples) const;
};

/// Over (N, C, L), (N, C, H, W), (N, C, D, H, W), or one sample of these without N; see InstanceNormBase.
template <int D>
class InstanceNorm : public InstanceNormBase {
 public:
  using Options = InstanceNormOptions;
  explicit InstanceNorm(std::int64_t num_features, Options options = {})
      : InstanceNormBase(class_name(typeid(InstanceNorm)), D, num_features, options) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<InstanceNorm>(
        num_features, Options{options.eps, *options.momentum, options.affine, options.track_running_stats});
  }
};
using InstanceNorm1d = InstanceNorm<1>;
using InstanceNorm2d = InstanceNorm<2>;
using InstanceNorm3d = InstanceNorm<3>;

}  // namespace evenkeel::nn
