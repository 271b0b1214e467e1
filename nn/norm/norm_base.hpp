#pragma once

#include "evenkeel/nn/norm/norm_act.hpp"

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
/// Throws invalid_argument: eps < 0; momentum outside [0, 1]; num_features < 1.
class NormBase : public FusibleNorm {
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
  NormBase(const char* layer, std::int64_t features, BatchNormOptions opts);
  /// "4D", the ranks that the layer takes, as PyTorch names them.
  virtual std::string_view expected_rank() const = 0;
  virtual bool accepts_rank(int rank) const = 0;
  /// Throws for an undefined x and one of another rank.
  void check_rank(const Tensor& x) const;
};

/// momentum, if it is a weight of the new value or nullopt (cumulative average).
std::optional<double> checked_momentum(const char* layer, std::optional<double> momentum);

/// The check of ranks, for layers that are no NormBase; `accepted` may be false for an undefined x.
void check_rank(const Module& layer, const Tensor& x, bool accepted, std::string_view expected);

/// running = (1 - t) running + t factor batch, where `batch` has one float64 value per channel or, for each sample, one
/// per channel: then their mean.
void move_toward(Tensor& running, const Array& batch, double factor, double t);

}  // namespace evenkeel::nn
