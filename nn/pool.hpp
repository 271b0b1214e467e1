#pragma once

#include "evenkeel/autograd/ops/pool.hpp"
#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

// Pooling over the two spatial axes of (N, C, H, W) or (C, H, W); formulas stand in autograd/ops/pool.hpp.

/// A stride that is not given is the kernel's size. Padding may be at most half the kernel.
class MaxPool2d : public Layer {
 public:
  using Options = MaxPool2dParams;
  explicit MaxPool2d(MaxPool2dParams opts);
  /// MaxPool2d(2): windows of 2x2 that do not overlap.
  explicit MaxPool2d(Size2 kernel_size) : MaxPool2d(MaxPool2dParams{.kernel_size = kernel_size}) {}
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return max_pool2d(x, options); }

  const MaxPool2dParams options;
};

class AvgPool2d : public Layer {
 public:
  using Options = AvgPool2dParams;
  explicit AvgPool2d(AvgPool2dParams opts);
  explicit AvgPool2d(Size2 kernel_size) : AvgPool2d(AvgPool2dParams{.kernel_size = kernel_size}) {}
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return avg_pool2d(x, options); }

  const AvgPool2dParams options;
};

/// AdaptiveAvgPool2d(1) is global average pooling. A size of 0 keeps the input's (PyTorch's None).
class AdaptiveAvgPool2d : public Layer {
 public:
  explicit AdaptiveAvgPool2d(Size2 output);
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return adaptive_avg_pool2d(x, output_size); }

  const Size2 output_size;
};

}  // namespace evenkeel::nn
