#pragma once

#include "evenkeel/autograd/ops/pad.hpp"
#include "evenkeel/core/size_nd.hpp"
#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

/// pad() of autograd/ops/pad.hpp over D axes. `padding`: (before, after) for the last axis, then for the one before it,
/// ...; a plain number means all.
template <int D>
class PadBase : public Layer {
 public:
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

  const SizeND<2 * D> padding;
  const PadMode mode;
  const double value;

 protected:
  PadBase(SizeND<2 * D> around, PadMode how, double constant = 0) : padding(around), mode(how), value(constant) {}
};

/// Cells of `value` around the last D axes of x, whose rank is any from D on.
template <int D>
class ConstantPad : public PadBase<D> {
 public:
  ConstantPad(SizeND<2 * D> padding, double value) : PadBase<D>(padding, PadMode::constant, value) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<ConstantPad>(this->padding, this->value);
  }
};
using ConstantPad1d = ConstantPad<1>;
using ConstantPad2d = ConstantPad<2>;
using ConstantPad3d = ConstantPad<3>;

/// ConstantPad of 0.
template <int D>
class ZeroPad : public PadBase<D> {
 public:
  explicit ZeroPad(SizeND<2 * D> padding) : PadBase<D>(padding, PadMode::constant) {}
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<ZeroPad>(this->padding); }
};
using ZeroPad1d = ZeroPad<1>;
using ZeroPad2d = ZeroPad<2>;
using ZeroPad3d = ZeroPad<3>;

/// x mirrored at its outermost cells; padding below x's sizes. x: (N, C, L), (N, C, H, W) or (N, C, D, H, W), or one of
/// these without N.
template <int D>
class ReflectionPad : public PadBase<D> {
 public:
  explicit ReflectionPad(SizeND<2 * D> padding) : PadBase<D>(padding, PadMode::reflect) {}
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<ReflectionPad>(this->padding); }
};
using ReflectionPad1d = ReflectionPad<1>;
using ReflectionPad2d = ReflectionPad<2>;
using ReflectionPad3d = ReflectionPad<3>;

/// The nearest cells of x, which is as ReflectionPad's.
template <int D>
class ReplicationPad : public PadBase<D> {
 public:
  explicit ReplicationPad(SizeND<2 * D> padding) : PadBase<D>(padding, PadMode::replicate) {}
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<ReplicationPad>(this->padding); }
};
using ReplicationPad1d = ReplicationPad<1>;
using ReplicationPad2d = ReplicationPad<2>;
using ReplicationPad3d = ReplicationPad<3>;

/// The cells of x's other end; padding is at most x's sizes. x is as ReflectionPad's.
template <int D>
class CircularPad : public PadBase<D> {
 public:
  explicit CircularPad(SizeND<2 * D> padding) : PadBase<D>(padding, PadMode::circular) {}
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<CircularPad>(this->padding); }
};
using CircularPad1d = CircularPad<1>;
using CircularPad2d = CircularPad<2>;
using CircularPad3d = CircularPad<3>;

extern template class PadBase<1>;
extern template class PadBase<2>;
extern template class PadBase<3>;
extern template class ConstantPad<1>;
extern template class ConstantPad<2>;
extern template class ConstantPad<3>;

}  // namespace evenkeel::nn
