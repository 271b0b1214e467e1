#pragma once

// A model whose norms run the activations behind them against the same with hooks, under which both run apart.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/nn/module.hpp"
#include "tests/support/values.hpp"

#include <utility>
#include <vector>

namespace evenkeel::test {

using Hooks = std::vector<std::pair<nn::Module*, std::size_t>>;

/// Hooks on everything below `model`: its norms and activations run apart.
inline Hooks keep_apart(nn::Module& model) {
  Hooks hooks;
  for (const auto& [name, module] : model.named_modules()) {
    hooks.emplace_back(module, module->register_forward_hook([](const auto&, const auto&, const auto&) {}));
  }
  return hooks;
}

inline void let_together(const Hooks& hooks) {
  for (const auto& [module, id] : hooks) {
    module->remove_forward_hook(id);
  }
}

inline void draw_parameters(nn::Module& model, Generator& generator) {
  for (const auto& [name, parameter] : model.named_parameters()) {
    Tensor p = parameter;
    p.mutable_array().copy_(randn(p.shape(), generator, {.dtype = p.dtype()}).array());
  }
}

/// What one step computes: y, then the gradients of x and the parameters, then the state.
inline std::vector<std::vector<double>> one_step(nn::Layer& model, const Tensor& input, const Tensor& dy) {
  model.zero_grad();
  Tensor x = input.detach();
  x.requires_grad_(true);
  const Tensor y = model(x * 1);  // no leaf: it may be overwritten
  std::vector<std::vector<double>> result = {doubles(y.array())};
  (y * dy).backward(ones(y.shape(), {.dtype = y.dtype()}));
  result.push_back(doubles(x.grad().array()));
  for (const Tensor& parameter : model.parameters()) {
    result.push_back(doubles(parameter.grad().array()));
  }
  for (const auto& [name, value] : model.state_dict()) {
    result.push_back(doubles(value));
  }
  return result;
}

inline double largest_error(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double scale = 1, error = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(std::isfinite(a[i]));
    scale = std::max(scale, std::abs(a[i]));
    error = std::max(error, std::abs(a[i] - b[i]));
  }
  return error / scale;
}

inline nn::StateDict copied(const nn::Module& model) {
  nn::StateDict state;
  for (const auto& [name, value] : model.state_dict()) {
    state.emplace_back(name, value.clone());
  }
  return state;
}

/// Compares a step with both layers as one and one after the other, from the same state.
inline void check_fused(nn::Layer& model, const Shape& input, DType dtype, bool same_bits) {
  Generator generator(5);
  model.to(dtype);
  draw_parameters(model, generator);
  const Tensor x = randn(input, generator, {.dtype = dtype});
  const nn::StateDict before = copied(model);
  const Tensor dy = randn(no_grad([&] { return model(x); }).shape(), generator, {.dtype = dtype});
  model.load_state_dict(before);
  const std::vector<std::vector<double>> together = one_step(model, x, dy);
  model.load_state_dict(before);
  const Hooks hooks = keep_apart(model);
  const std::vector<std::vector<double>> apart = one_step(model, x, dy);
  let_together(hooks);
  REQUIRE(together.size() == apart.size());
  CHECK((!same_bits || together[0] == apart[0]));
  for (std::size_t i = 0; i < apart.size(); ++i) {
    CAPTURE(i);
    CHECK(largest_error(apart[i], together[i]) <= (dtype == DType::float64 ? 1e-12 : 2e-5));
  }
}

}  // namespace evenkeel::test
