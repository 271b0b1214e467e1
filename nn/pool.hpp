#pragma once

#include "evenkeel/autograd/ops/pool.hpp"
#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

// Pooling over the two spatial axes of (N, C, H, W) or (C, H, W); formulas stand in autograd/ops/pool.hpp.

/// A stride that is not given is the kernel's size. Padding may be at most half the kernel.
class MaxPool2d : public Layer {
 public:
  using Options = MaxPool2dOptions;
  explicit MaxPool2d(MaxPool2dOptions options);
  /// MaxPool2d(2): windows of 2x2 that do not overlap.
  explicit MaxPool2d(Size2 kernel_size) : MaxPool2d(MaxPool2dOptions{.kernel_size = kernel_size}) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<MaxPool2d>(options); }
  Tensor forward(const Tensor& x) override { return max_pool2d(x, options); }

  const MaxPool2dOptions options;
};

class AvgPool2d : public Layer {
 public:
  using Options = AvgPool2dOptions;
  explicit AvgPool2d(AvgPool2dOptions options);
  explicit AvgPool2d(Size2 kernel_size) : AvgPool2d(AvgPool2dOptions{.kernel_size = kernel_size}) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<AvgPool2d>(options); }
  Tensor forward(const Tensor& x) override { return avg_pool2d(x, options); }

  const AvgPool2dOptions options;
};

/// AdaptiveAvgPool2d(1) is global average pooling. A size of 0 keeps the input's (PyTorch's None).
class AdaptiveAvgPool2d : public Layer {
 public:
  explicit AdaptiveAvgPool2d(Size2 output_size);
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<AdaptiveAvgPool2d>(output_size); }
  Tensor forward(const Tensor& x) override { return adaptive_avg_pool2d(x, output_size); }

  const Size2 output_size;
};

}  // namespace evenkeel::nn
