#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

struct LocalResponseNormOptions {
  double alpha = 1e-4;
  double beta = 0.75;
  double k = 1;  ///< AlexNet's is 2
};

/// y_c = x_c / (k + alpha / size * sum x_i^2)^beta, the sum over the channels i of a window around c at the same place.
///   x, y: (N, C, *) with at least one dim after C. The window is c - size/2 to c + (size - 1)/2 (whole-number
///   division), as PyTorch's; ONNX's is the mirror image for even sizes. Channels beyond the ends count as 0.
/// alpha is divided by size, as in PyTorch and Caffe, unlike in the paper. No state, the same in train and eval.
/// Throws invalid_argument: size < 1; fewer than 3 dims. Krizhevsky, Sutskever & Hinton 2012, section 3.3.
class LocalResponseNorm : public Layer {
 public:
  using Options = LocalResponseNormOptions;
  explicit LocalResponseNorm(std::int64_t size, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<LocalResponseNorm>(size, options);
  }
  Tensor forward(const Tensor& x) override;

  const std::int64_t size;
  const LocalResponseNormOptions options;
};

}  // namespace evenkeel::nn
