// A differentiable op of your own, in two ways, and how to check it.
//
// mish(x) = x tanh(softplus(x)), softplus(x) = log(1 + exp(x))            Misra 2019, arXiv:1908.08681
// mish'(x) = t + x (1 - t^2) s,  t = tanh(softplus(x)), s = sigmoid(x)
//
// First as a composition of ops that exist: nothing else to do. Then as an op with its own backward
// (autograd::Function), which keeps one value instead of three. (The library's own mish is made in a third way, as one
// loop over memory: see CONTRIBUTING.md.) gradcheck compares reverse mode with central differences in float64; the
// program exits with 1 if a check fails. Takes a second.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/function.hpp"
#include "evenkeel/autograd/gradcheck.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "examples/support/command_line.hpp"

#include <cstdio>

using namespace evenkeel;

namespace {

Tensor composed_mish(const Tensor& x) { return x * tanh(softplus(x)); }

struct Mish : autograd::Function<Mish> {
  static constexpr std::string_view name = "mish";

  static Tensor forward(autograd::FunctionContext& ctx, const std::vector<Tensor>& inputs) {
    ctx.save_for_backward({inputs[0]});
    return composed_mish(inputs[0]);
  }

  // Written in differentiable ops, so that it has a second derivative too.
  static Grads backward(autograd::FunctionContext& ctx, const Tensor& dy) {
    const Tensor x = ctx.saved_tensors()[0];
    const Tensor t = tanh(softplus(x));
    return {dy * (t + x * (1 - square(t)) * sigmoid(x))};
  }
};

int run(int argc, char** argv) {
  examples::CommandLine line("Checks the gradients of a differentiable op of one's own.");
  std::uint64_t seed = 0;
  line.add("--seed", seed, "of the inputs");
  line.example("custom_op --seed 7");
  if (!line.parse(argc, argv)) {
    return 0;
  }
  Generator generator(seed);
  const Tensor x = randn({3, 4}, generator, {.dtype = DType::float64, .requires_grad = true});
  const Tensor difference = max(abs(Mish::apply({x}) - composed_mish(x)));
  std::printf("largest difference between the two forms: %g\n", difference.item());

  const auto fn = [](const std::vector<Tensor>& inputs) { return Mish::apply(inputs); };
  const GradcheckReport first = gradcheck(fn, {x}, {.raise = false});
  const GradcheckReport second = gradgradcheck(fn, {x}, {.raise = false});
  std::printf("gradcheck:     %s (worst error %.1e)\n", first.ok ? "passed" : first.text.c_str(), first.worst_error);
  std::printf("gradgradcheck: %s (worst error %.1e)\n", second.ok ? "passed" : second.text.c_str(), second.worst_error);
  return first.ok && second.ok && difference.item() == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) { return examples::run_program("custom_op", run, argc, argv); }
