#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

/// y = x.
class Identity : public Layer {
 public:
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Identity>(); }
  Tensor forward(const Tensor& x) override { return x; }
};

}  // namespace evenkeel::nn
