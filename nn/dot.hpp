#pragma once

#include "evenkeel/nn/module.hpp"

#include <functional>
#include <string>

namespace evenkeel::nn {

/// A picture of the model in Graphviz's language DOT (see evenkeel::to_dot): a box for each layer without children (one
/// with parametrizations has some),
/// with its full name and as it is printed, and for each op outside of those; edges with the shapes of what goes along
/// them. Runs the model once on zeros of `input_shape` (batch included) in eval mode; modes, statistics, gradients and
/// generators are as before, also when it throws.
std::string to_dot(Layer& model, const Shape& input_shape);
/// The same for a model of other arguments: `run` calls it and returns the result to draw.
std::string to_dot(Module& model, const std::function<Tensor()>& run);

}  // namespace evenkeel::nn
