#pragma once

#include "evenkeel/nn/module.hpp"

#include <memory>
#include <string>
#include <utility>

namespace evenkeel::nn {

/// What Sequential and ModuleList share: children that are counted, under the names "0", "1", ...
class LayerList : public Layer {
 public:
  /// Builds a T at the end, so layers are made (and draw their initial weights) in the order in which they are read:
  ///   net.append<Linear>(4, 8, generator).append<ReLU>();
  template <class T, class... Args>
  LayerList& append(Args&&... args) {
    return append_layer(std::make_unique<T>(std::forward<Args>(args)...));
  }
  LayerList& append_layer(std::unique_ptr<Layer> layer);
  // Children with names of their own, as PyTorch's Sequential(OrderedDict(...)).
  using Module::add;
  using Module::add_layer;

  std::int64_t size() const { return static_cast<std::int64_t>(children().size()); }
  /// Negative counts from the back; throws "index 5 is out of range".
  Slot& operator[](std::int64_t index);
};

/// Runs its children one after the other; without any it is the identity. A norm and the activation behind it run as
/// one op (see nn/norm/norm_act.hpp).
class Sequential : public LayerList {
 public:
  std::string type_name() const override { return "Sequential"; }
  Tensor forward(const Tensor& x) override;
};

/// Holds children that the owner calls itself; has no forward of its own (calling it throws).
class ModuleList : public LayerList {
 public:
  std::string type_name() const override { return "ModuleList"; }
  Tensor forward(const Tensor& x) override;
};

}  // namespace evenkeel::nn
