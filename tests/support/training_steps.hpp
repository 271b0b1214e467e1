#pragma once

// Replays the training steps that tests/fixtures/make_norms_weight.py writes.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/nn/module.hpp"
#include "tests/support/fixture.hpp"

#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace evenkeel::test {

using MakeLayer = std::function<std::unique_ptr<nn::Layer>()>;
using NamedLayers = std::vector<std::pair<std::string, MakeLayer>>;
/// The file's name of a parameter or buffer.
using FileName = std::function<std::string(const std::string&)>;

/// Three steps of p -= 0.05 grad from the state "before": y, dx and all gradients in each; then the state "after" and
/// y in eval mode.
inline void check_training_steps(const Fixture& fixture, const std::string& name, nn::Layer& layer, DType dtype,
                                 double tolerance, const FileName& file_name) {
  CAPTURE(name);
  CAPTURE(dtype);
  layer.to(dtype);
  NamedArrays before = fixture.under(name + "/before/");
  for (auto& [key, array] : before) {
    array = is_floating(array.dtype()) ? array.to(dtype) : array;
  }
  layer.load_state_dict(before);
  Tensor x;
  for (int step = 0; step < 3; ++step) {
    CAPTURE(step);
    layer.zero_grad();
    x = Tensor(fixture.at(concat(name, "/x", step)).to(dtype), true);
    const Tensor y = layer(x);
    y.backward(Tensor(fixture.at(concat(name, "/dy", step)).to(dtype)));
    check_close(y.array(), fixture.at(concat(name, "/y", step)), tolerance, "y");
    check_close(x.grad().array(), fixture.at(concat(name, "/dx", step)), tolerance, "dx");
    for (auto [key, parameter] : layer.named_parameters()) {
      check_close(parameter.grad().array(), fixture.at(concat(name, "/grad", step, "/", file_name(key))), tolerance,
                  "gradient of " + key);
      const NoGradGuard no_grad;
      parameter.mutable_array().copy_((parameter - parameter.grad() * 0.05).array());
    }
  }
  CHECK(layer.state_dict().size() == before.size());
  for (const auto& [key, value] : layer.state_dict()) {
    check_close(value, fixture.at(name + "/after/" + file_name(key)), tolerance, key + " after training");
  }
  layer.eval();
  check_close(layer(x).array(), fixture.at(name + "/y_eval"), tolerance, "y in eval mode");
}

/// Every case of norms_weight.safetensors that begins with `prefix` and no other, in float64 to 1e-12 and in float32.
inline void check_all_training_steps(
    const std::string& prefix, const NamedLayers& layers, double float32_tolerance = 1e-5,
    const FileName& file_name = [](const std::string& key) { return key; }) {
  const Fixture fixture("norms_weight.safetensors");
  std::set<std::string> in_table;
  for (const auto& [name, make] : layers) {
    in_table.insert(name);
    check_training_steps(fixture, name, *make(), DType::float64, 1e-12, file_name);
    check_training_steps(fixture, name, *make(), DType::float32, float32_tolerance, file_name);
  }
  CHECK(fixture.cases(prefix) == in_table);
}

}  // namespace evenkeel::test
