#pragma once

#include "evenkeel/nn/module.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace evenkeel::bench {

/// One layer on one input. bench/support/torch_layers.py makes the same from `name` where PyTorch has it.
struct LayerCase {
  std::string group;  ///< conv, linear, norm, activation, pool, loss, chain
  std::string name;
  Shape shape;  ///< of the input
  std::function<std::unique_ptr<nn::Layer>(Generator&)> make;
  /// Giga floating-point operations (conv, linear) or gigabytes that must at least move: each tensor of the size of
  /// input or output read or written once.
  double forward = 0, backward = 0;

  bool counts_flops() const { return group == "conv" || group == "linear"; }
};

std::vector<LayerCase> layer_cases();

/// Milliseconds of forward without a graph, or of forward and backward; measured for about so many seconds.
double layer_ms(const LayerCase& layer_case, bool with_backward, double seconds);

}  // namespace evenkeel::bench
