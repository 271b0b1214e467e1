#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

/// What Linear and the convolutions share: a weight, maybe a bias, and how forward gets at the weight.
class WeightedLayer : public Layer {
 public:
  /// The weight as forward uses it: stored_weight(), unless a layer standardizes it first. What fuses or prints
  /// filters needs this one.
  virtual Tensor effective_weight();
  /// The parameter `weight`, or what its parametrization computes.
  Tensor stored_weight();

  Tensor& weight;
  Tensor& bias;

 protected:
  WeightedLayer(Array initial_weight, Array initial_bias);
};

}  // namespace evenkeel::nn
