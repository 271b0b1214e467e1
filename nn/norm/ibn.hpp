#pragma once

#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/instance_norm.hpp"

namespace evenkeel::nn {

struct IBNOptions {
  double ratio = 0.5;  ///< of the channels that get InstanceNorm
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< of BatchNorm's running statistics; see BatchNormOptions
  bool affine = true;
};

/// IBN-a: the first floor(ratio C) channels by InstanceNorm2d, the others by BatchNorm2d: the former drop what varies
/// between images (style, lighting), the latter keep it.
///   x, y: (N, C, H, W); children IN and BN, with the authors' state names ("IN.weight", "BN.running_mean", ...)
/// Throws invalid_argument: a ratio that leaves one of them without channels; wrong rank or C; one value per channel of
/// a sample. Pan et al. 2018, arXiv:1807.09441.
class IBN : public Layer {
 public:
  using Options = IBNOptions;
  explicit IBN(std::int64_t num_features, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<IBN>(num_features, options); }
  Tensor forward(const Tensor& x) override;

  const std::int64_t num_features;
  const IBNOptions options;
  const std::int64_t instance_features;
  Child<InstanceNorm2d> instance;
  Child<BatchNorm2d> batch;
};

}  // namespace evenkeel::nn
