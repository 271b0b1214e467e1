#pragma once

#include "evenkeel/autograd/ops/lp_pool.hpp"
#include "evenkeel/autograd/ops/max_unpool.hpp"
#include "evenkeel/autograd/ops/pool.hpp"
#include "evenkeel/nn/module.hpp"

#include <typeinfo>

namespace evenkeel::nn {

// Pooling over the last D axes of (N, C, *) or (C, *): MaxPool1d, MaxPool2d, MaxPool3d and so on. Formulas stand in
// autograd/ops/pool.hpp. A module of one result has no return_indices: max_pool2d_with_indices(x, pool->options) gives
// the places too.

/// A stride that is not given is the kernel's size. Padding may be at most half the kernel.
template <int D>
class MaxPool : public Layer {
 public:
  using Options = MaxPoolOptions<D>;
  explicit MaxPool(Options options);
  /// MaxPool2d(2): windows of 2x2 that do not overlap.
  explicit MaxPool(SizeND<D> kernel_size) : MaxPool(Options{.kernel_size = kernel_size}) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<MaxPool>(options); }
  Tensor forward(const Tensor& x) override { return max_pool(x, options); }

  const Options options;
};
using MaxPool1d = MaxPool<1>;
using MaxPool2d = MaxPool<2>;
using MaxPool3d = MaxPool<3>;

/// A partial inverse of MaxPool: values go where they came from; see autograd/ops/max_unpool.hpp. No Layer, as it takes
/// the indices too:
///   const auto [values, indices] = max_pool2d_with_indices(x, {.kernel_size = 2});
///   const Tensor y = unpool(values, indices);  // Child<MaxUnpool2d>
template <int D>
class MaxUnpool : public Module {
 public:
  using Options = MaxUnpoolOptions<D>;
  explicit MaxUnpool(Options options);
  explicit MaxUnpool(SizeND<D> kernel_size) : MaxUnpool(Options{.kernel_size = kernel_size}) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<MaxUnpool>(options); }
  Tensor forward(const Tensor& x, const Tensor& indices, const std::optional<SizeND<D>>& output_size = {}) {
    return max_unpool(x, indices, options, output_size);
  }

  const Options options;
};
using MaxUnpool1d = MaxUnpool<1>;
using MaxUnpool2d = MaxUnpool<2>;
using MaxUnpool3d = MaxUnpool<3>;

template <int D>
class AvgPool : public Layer {
 public:
  using Options = AvgPoolOptions<D>;
  explicit AvgPool(Options options);
  explicit AvgPool(SizeND<D> kernel_size) : AvgPool(Options{.kernel_size = kernel_size}) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<AvgPool>(options); }
  Tensor forward(const Tensor& x) override { return avg_pool(x, options); }

  const Options options;
};
using AvgPool1d = AvgPool<1>;
using AvgPool2d = AvgPool<2>;
using AvgPool3d = AvgPool<3>;

/// (sum x^p)^(1/p) of each window; see autograd/ops/lp_pool.hpp.
template <int D>
class LPPool : public Layer {
 public:
  using Options = LPPoolOptions<D>;
  explicit LPPool(Options options);
  LPPool(double norm_type, SizeND<D> kernel_size)
      : LPPool(Options{.norm_type = norm_type, .kernel_size = kernel_size}) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<LPPool>(options); }
  Tensor forward(const Tensor& x) override { return lp_pool(x, options); }

  const Options options;
};
using LPPool1d = LPPool<1>;
using LPPool2d = LPPool<2>;
using LPPool3d = LPPool<3>;

/// What the adaptive pools have: the result's size. 0 keeps the input's (PyTorch's None).
template <int D>
class AdaptivePoolBase : public Layer {
 public:
  std::string extra_repr() const override;

  const SizeND<D> output_size;

 protected:
  AdaptivePoolBase(const std::string& name, SizeND<D> output_size);
};

/// AdaptiveAvgPool2d(1) is global average pooling.
template <int D>
class AdaptiveAvgPool : public AdaptivePoolBase<D> {
 public:
  explicit AdaptiveAvgPool(SizeND<D> output_size)
      : AdaptivePoolBase<D>(class_name(typeid(AdaptiveAvgPool)), output_size) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<AdaptiveAvgPool>(this->output_size);
  }
  Tensor forward(const Tensor& x) override { return adaptive_avg_pool(x, this->output_size); }
};
using AdaptiveAvgPool1d = AdaptiveAvgPool<1>;
using AdaptiveAvgPool2d = AdaptiveAvgPool<2>;
using AdaptiveAvgPool3d = AdaptiveAvgPool<3>;

template <int D>
class AdaptiveMaxPool : public AdaptivePoolBase<D> {
 public:
  explicit AdaptiveMaxPool(SizeND<D> output_size)
      : AdaptivePoolBase<D>(class_name(typeid(AdaptiveMaxPool)), output_size) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<AdaptiveMaxPool>(this->output_size);
  }
  Tensor forward(const Tensor& x) override { return adaptive_max_pool(x, this->output_size); }
};
using AdaptiveMaxPool1d = AdaptiveMaxPool<1>;
using AdaptiveMaxPool2d = AdaptiveMaxPool<2>;
using AdaptiveMaxPool3d = AdaptiveMaxPool<3>;

}  // namespace evenkeel::nn
