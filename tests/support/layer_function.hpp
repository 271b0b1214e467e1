#pragma once

// A layer as gradcheck wants it: a function of its input and its parameters.

#include "evenkeel/autograd/gradcheck.hpp"
#include "evenkeel/nn/init.hpp"
#include "evenkeel/nn/module.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace evenkeel::test {

/// Pairwise different values, symmetric around 0 and never nearer to it than half their distance; of an int64 input
/// numbers in [0, range).
inline Array sample(const Shape& shape, double range, Generator& generator, DType dtype) {
  if (!is_floating(dtype)) {
    return random_int(shape, generator, 0, static_cast<std::int64_t>(range));
  }
  const std::int64_t count = numel(shape);
  std::vector<double> values;
  for (const std::int64_t i : random_permutation(count, generator).to_vector<std::int64_t>()) {
    values.push_back((2 * static_cast<double>(i) + 1 - static_cast<double>(count)) / static_cast<double>(count) *
                     range);
  }
  return Array::from(values, shape).to(dtype);
}

/// Takes the layer to float64 and its parameters to values that are neither 1 nor 0.
inline void randomize(nn::Layer& layer) {
  Generator generator(5);
  layer.to(DType::float64);
  for (auto [name, parameter] : layer.named_parameters()) {
    nn::init::normal_(parameter, generator, 0.1, 0.5);
  }
}

struct LayerFunction {
  std::unique_ptr<nn::Layer> layer;
  std::vector<Tensor> inputs;
  std::vector<std::string> names;

  LayerFunction(std::unique_ptr<nn::Layer> made, const Array& x) : layer(std::move(made)) {
    inputs.emplace_back(x, is_floating(x.dtype()));
    for (const auto& [name, parameter] : layer->named_parameters()) {
      names.push_back(name);
      inputs.push_back(parameter);
    }
  }
  Tensor operator()(const std::vector<Tensor>& given) const {
    for (std::size_t i = 0; i < names.size(); ++i) {
      layer->get_parameter(names[i]) = given[i + 1];
    }
    return (*layer)(given[0]);
  }
  /// Every evaluation begins with the buffers and generators of now.
  GradcheckOptions options() const {
    std::vector<std::pair<Tensor, Array>> buffers;
    for (const auto& [name, buffer] : layer->named_buffers()) {
      buffers.emplace_back(buffer, buffer.array().clone());
    }
    GradcheckOptions options{.raise = false};
    options.reset = [buffers, generators = layer->generator_state(), this] {
      for (auto [buffer, value] : buffers) {
        buffer.mutable_array().copy_(value);
      }
      layer->load_generator_state(generators);
    };
    return options;
  }
};

}  // namespace evenkeel::test
