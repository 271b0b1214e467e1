#pragma once

// A layer against its formula in differentiable ops.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/module.hpp"
#include "tests/support/values.hpp"

#include <functional>
#include <string>
#include <vector>

namespace evenkeel::test {

using Formula = std::function<Tensor(const Tensor& x, const std::vector<Tensor>& parameters)>;

/// The layer against a formula in differentiable ops: output and all gradients to 1e-12, in training and eval.
inline void check_formula(nn::Layer&& layer, const Shape& shape, const Formula& formula) {
  const std::string what = concat(layer);
  CAPTURE(what);
  layer.to(DType::float64);
  unsigned seed = 10;
  for (Tensor& parameter : layer.parameters()) {
    parameter.mutable_array().copy_((random(parameter.shape(), seed++) + 0.2).array());
  }
  for (const bool training : {true, false}) {
    layer.train(training);
    std::vector<Tensor> inputs = {random(shape, 1).requires_grad_()};
    const std::vector<Tensor> parameters = layer.parameters();
    inputs.insert(inputs.end(), parameters.begin(), parameters.end());
    const Tensor dy = random(shape, 2);
    const Tensor y = layer(inputs[0]);
    const Tensor expected = formula(inputs[0], parameters);
    check_close(y.array(), expected.array(), 1e-12, "y");
    const std::vector<Tensor> gradients = grad({y}, inputs, {dy});
    const std::vector<Tensor> expected_gradients = grad({expected}, inputs, {dy});
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      check_close(gradients[i].array(), expected_gradients[i].array(), 1e-12, concat("gradient ", i));
    }
  }
}

/// (C) against (N, C, H, W).
inline Tensor by_channel(const Tensor& parameter) { return reshape(parameter, {1, parameter.numel(), 1, 1}); }

}  // namespace evenkeel::test
