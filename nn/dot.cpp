#include "evenkeel/nn/dot.hpp"

#include "evenkeel/autograd/dot.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/nn/scoped_hooks.hpp"
#include "evenkeel/nn/summary.hpp"

namespace evenkeel::nn {
namespace {

/// Takes down what goes into and comes out of each layer without children, for a scope.
class Recorder {
 public:
  explicit Recorder(Module& model) {
    for (const auto& [name, module] : model.named_modules()) {
      if (module->children().empty()) {
        const auto see = [this, name = name](const Module& layer, const auto& inputs, const auto& outputs) {
          const std::string text = to_string(layer);
          boxes.emplace_back(name.empty() ? text : concat(name, "\n", text), inputs, outputs);
        };
        hooks_.add(*module, see);
      }
    }
  }

  std::vector<DotBox> boxes;

 private:
  ScopedHooks hooks_;
};

using Names = std::vector<std::pair<std::string, Tensor>>;

std::string draw(Module& model, const Names& inputs, const std::function<Tensor()>& run) {
  const GradModeGuard recording(true);
  const EvalGuard eval(model);
  Recorder recorder(model);
  const Tensor result = run();
  Names names = model.named_parameters();
  names.insert(names.end(), inputs.begin(), inputs.end());
  return evenkeel::to_dot(result, {.names = names, .boxes = recorder.boxes});
}

}  // namespace

std::string to_dot(Module& model, const std::function<Tensor()>& run) { return draw(model, {}, run); }

std::string to_dot(Layer& model, const Shape& input_shape) {
  const Tensor input = zeros(input_shape, {.dtype = parameter_dtype(model), .requires_grad = true});
  return draw(model, {{"input", input}}, [&] { return model(input); });
}

}  // namespace evenkeel::nn
