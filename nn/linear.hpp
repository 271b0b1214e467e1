#pragma once

#include "evenkeel/nn/weighted_layer.hpp"

namespace evenkeel::nn {

struct LinearOptions {
  bool bias = true;
};

/// y = x weight^T + bias.
///   x: (*, in_features), y: (*, out_features), weight: (out_features, in_features), bias: (out_features)
/// Both start uniform in +-1/sqrt(in_features), drawn from `generator`.
class Linear : public WeightedLayer {
 public:
  using Options = LinearOptions;
  Linear(std::int64_t in_features, std::int64_t out_features, Generator& generator, LinearOptions options = {});
  /// With given values, which are shared, not copied.
  explicit Linear(const Array& weight, const Array& bias = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<Linear>(in_features, out_features, unused_generator(), options);
  }
  Tensor forward(const Tensor& x) override;
  std::int64_t macs(const std::vector<Shape>& inputs, const std::vector<Shape>& outputs) const override;
  void reset_parameters(Generator& generator);

  const std::int64_t in_features, out_features;
  const LinearOptions options;
};

}  // namespace evenkeel::nn
