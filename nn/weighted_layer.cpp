#include "evenkeel/nn/weighted_layer.hpp"

namespace evenkeel::nn {

WeightedLayer::WeightedLayer(Array initial_weight, Array initial_bias)
    : weight(parameter("weight", std::move(initial_weight))), bias(parameter("bias", std::move(initial_bias))) {}

Tensor WeightedLayer::effective_weight() { return stored_weight(); }

Tensor WeightedLayer::stored_weight() {
  const detail::ParameterScope parameters(*this);
  return weight;
}

}  // namespace evenkeel::nn
