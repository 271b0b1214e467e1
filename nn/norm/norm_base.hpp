#pragma once

#include "evenkeel/nn/module.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

#include <optional>

namespace evenkeel::nn {

struct BatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< weight of the new value; nullopt: cumulative average
  bool affine = true;
  bool track_running_stats = true;
};

/// What the norms with running statistics share (PyTorch's _NormBase): the state and its names.
///   weight (from 1), bias (from 0), running_mean (0), running_var (1): (C); num_batches_tracked: int64
/// Without affine or track_running_stats those entries are undefined and not listed.
/// `Base`: FusibleNorm, or Layer for a norm that cannot run the activation behind it.
/// Throws invalid_argument: eps < 0; momentum outside [0, 1]; num_features < 1.
template <class Base = FusibleNorm>
class NormBase : public Base {
 public:
  std::string extra_repr() const override;
  /// Mean 0, variance 1, no batch seen.
  virtual void reset_running_stats();

  const std::int64_t num_features;
  const BatchNormOptions options;
  Tensor& weight;
  Tensor& bias;
  Tensor& running_mean;
  Tensor& running_var;
  Tensor& num_batches_tracked;  ///< files older than PyTorch 0.4.1 lack it; they load

 protected:
  /// How running statistics begin, where that is another way; empty: (C).
  struct Start {
    Shape mean_shape = {}, var_shape = {};
    double var = 1;
  };
  NormBase(std::string_view layer, RankRange ranks, std::int64_t num_features, BatchNormOptions options,
           Start start = {});
  /// Counts a batch and moves the running statistics towards its own; n / (n - 1) as `var_factor` makes a biased
  /// variance unbiased.
  void move_running_stats(const Array& mean, const Array& var, double var_factor);

  const RankRange ranks_;

 private:
  const double first_var_;
};

extern template class NormBase<FusibleNorm>;
extern template class NormBase<Layer>;

}  // namespace evenkeel::nn
