#pragma once

#include "evenkeel/autograd/ops/unfold.hpp"
#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

/// The windows of images as columns; see unfold in autograd/ops/unfold.hpp.
class Unfold : public Layer {
 public:
  using Options = UnfoldOptions;
  explicit Unfold(UnfoldOptions options) : options(options) {}
  /// Unfold(3): windows of 3x3 at every place.
  explicit Unfold(Size2 kernel_size) : Unfold(UnfoldOptions{.kernel_size = kernel_size}) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Unfold>(options); }
  Tensor forward(const Tensor& x) override { return unfold(x, options); }

  const UnfoldOptions options;
};

/// Images of output_size, each cell the sum of what columns have of it; see fold in autograd/ops/unfold.hpp.
class Fold : public Layer {
 public:
  using Options = UnfoldOptions;
  Fold(Size2 output_size, UnfoldOptions options) : output_size(output_size), options(options) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Fold>(output_size, options); }
  Tensor forward(const Tensor& x) override { return fold(x, output_size, options); }

  const Size2 output_size;
  const UnfoldOptions options;
};

}  // namespace evenkeel::nn
