#pragma once

#include "evenkeel/nn/norm/norm_base.hpp"

namespace evenkeel::nn {

struct ExtendedBatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< weight of the new value; nullopt: cumulative average
  bool affine = true;
};

/// y = (x - E_c[x]) / sqrt(Var[x] + eps) * weight + bias: the mean per channel over batch and space, as BatchNorm's;
/// one variance over batch, channels and space (around the mean of all of it, biased)
///   x, y: (N, C, *); weight (from 1), bias (from 0), running_mean (from 0): (C); running_var (from 1): (1)
/// Taken over C times as many values, the variance of a small batch is less noisy than BatchNorm's. Channels keep their
/// relative scale. Training moves the buffers (the variance unbiased); eval() reads them.
/// Throws invalid_argument: rank < 2; wrong C; one value per channel in training. Luo et al. 2020, arXiv:2003.05569.
class ExtendedBatchNorm : public NormBase<Layer> {
 public:
  using Options = ExtendedBatchNormOptions;
  explicit ExtendedBatchNorm(std::int64_t num_features, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<ExtendedBatchNorm>(num_features, Options{options.eps, options.momentum, options.affine});
  }
  Tensor forward(const Tensor& x) override;
};

}  // namespace evenkeel::nn
