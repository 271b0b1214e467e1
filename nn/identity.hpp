#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

/// y = x.
class Identity : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return x; }
};

}  // namespace evenkeel::nn
