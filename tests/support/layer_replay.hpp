#pragma once

// Layers against files of expected values: some training steps, then eval.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/nn/module.hpp"
#include "tests/support/fixture.hpp"

#include <functional>
#include <memory>

namespace evenkeel::test {

using MakeLayer = std::function<std::unique_ptr<nn::Layer>()>;
using NamedLayers = std::vector<std::pair<std::string, MakeLayer>>;

/// For rows of NamedLayers.
template <class T, class... Args>
MakeLayer layer(Args... args) {
  return [=] { return std::make_unique<T>(args...); };
}
/// The same for layers that draw their weights.
template <class T, class... Args>
MakeLayer drawn(std::int64_t in, std::int64_t out, Args... args) {
  return [=] {
    Generator generator(0);
    return std::make_unique<T>(in, out, generator, args...);
  };
}

struct LayerReplay {
  Tolerances tolerances = {};
  std::function<int(const nn::Layer&)> steps = [](const nn::Layer&) { return 3; };
  /// After the comparisons of each step but before that of its state: what an optimizer does.
  std::function<void(nn::Layer&, int step)> update = [](nn::Layer&, int) {};
  /// The file's name of a parameter or buffer.
  std::function<std::string(const std::string&)> file_name = [](const std::string& key) { return key; };
  std::string prefix = "";            ///< of the cases in the file
  std::set<std::string> others = {};  ///< cases that are no layer's
};

/// The cases of norms_weight.safetensors that begin with `prefix`, whose steps move every parameter by -0.05 times its
/// gradient.
inline LayerReplay descent(const std::string& prefix,
                           const std::function<std::string(const std::string&)>& file_name = LayerReplay().file_name) {
  return {.tolerances = {.float64 = 1e-12},
          .update =
              [](nn::Layer& layer, int) {
                const NoGradGuard no_grad;
                for (Tensor& parameter : layer.parameters()) {
                  parameter.mutable_array().copy_((parameter - parameter.grad() * 0.05).array());
                }
              },
          .file_name = file_name,
          .prefix = prefix};
}

/// The key of what a file has of training step s: "y<s>", "grad<s>/weight" or "<s>/y", "<s>/grad/weight"; what it has
/// of the last step only stands without a number. "" if it has nothing.
inline std::string step_key(const FixtureCase& one, int step, bool last, const std::string& what,
                            const std::string& rest = "") {
  for (const std::string& key : {concat(what, step, rest), concat(step, "/", what, rest)}) {
    if (one.has(key)) {
      return key;
    }
  }
  return last ? what + rest : "";
}

/// Runs the layer as the case was made: from the state "before" some training steps, each with y, dx, gradients and the
/// state afterwards as far as the file has them (of the last step it must have all), then y and dx in eval, which
/// leaves the state alone.
inline void check_layer(FixtureCase& one, nn::Layer& layer, const LayerReplay& how) {
  layer.to(one.dtype);
  layer.load_state_dict(one.inputs("before"));
  const int steps = how.steps(layer);
  Tensor x, dy;
  const auto check = [&](const Array& actual, const std::string& key) {
    if (!key.empty()) {
      one.check(actual, key);
    }
  };
  const auto check_state = [&](int step) {
    for (const auto& [name, value] : layer.state_dict()) {
      const std::string numbered = concat(step, "/state/", how.file_name(name));
      check(value, one.has(numbered) ? numbered : step + 1 == steps ? "after/" + how.file_name(name) : "");
    }
  };
  for (int step = 0; step < steps; ++step) {
    CAPTURE(step);
    const auto key = [&](const std::string& what, const std::string& rest = "") {
      return step_key(one, step, step + 1 == steps, what, rest);
    };
    layer.zero_grad();
    x = one.input(key("x"), true);
    dy = one.input(key("dy"));
    const Tensor y = layer(x);
    check(y.array(), key("y"));
    if (dy.defined()) {
      y.backward(dy);
      check(x.grad().array(), key("dx"));
      for (const auto& [name, parameter] : layer.named_parameters()) {
        check(parameter.grad().array(), key("grad", "/" + how.file_name(name)));
      }
    }
    how.update(layer, step);
    check_state(step);
  }
  layer.eval();
  x.zero_grad();
  const Tensor y = layer(x);
  one.check(y.array(), "y_eval");
  if (one.has("dx_eval")) {
    y.backward(dy);
    one.check(x.grad().array(), "dx_eval");
  }
  check_state(steps - 1);
}

/// replay() for layers.
inline void replay_layers(const std::string& file, const NamedLayers& layers, const LayerReplay& how = {}) {
  replay(
      file, layers, how.tolerances, [&](FixtureCase& one, const MakeLayer& make) { check_layer(one, *make(), how); },
      how.prefix, how.others);
}

}  // namespace evenkeel::test
