// The networks that --model takes: `networks` lists them, `networks NAME` prints one with its summary, and
// `networks NAME --dot layers` its graph, for `dot -Tsvg`.

#include "evenkeel/autograd/dot.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/models/registry.hpp"
#include "evenkeel/nn/dot.hpp"
#include "evenkeel/nn/summary.hpp"
#include "examples/support/command_line.hpp"
#include "examples/support/text.hpp"

#include <iostream>

using namespace evenkeel;
using namespace evenkeel::examples;

namespace {

/// The graph of every op of a training step's forward pass.
std::string ops_of(nn::Layer& model, const Shape& input_shape) {
  const Tensor y = model(zeros(input_shape));
  return to_dot(y, {.names = model.named_parameters()});
}

int run(int argc, char** argv) {
  CommandLine line("Lists the networks of --model, or prints one of them: its summary, or its graph in DOT.");
  std::string name, norm, dot;
  std::int64_t batch = 1, channels = 3, size = 32;
  line.add("name", name, "one of the listed names");
  line.add("--norm", norm, "a name of `norms`, in place of the network's own");
  line.add("--dot", dot, "print the graph instead: layers, or ops in training").one_of({"layers", "ops"});
  line.add("--batch-size", batch, "of the input").positive();
  line.add("--channels", channels, "of the input").positive();
  line.add("--size", size, "height and width of the input").positive();
  line.example("networks resnet20 --dot layers | dot -Tsvg -o resnet20.svg");
  if (!line.parse(argc, argv)) {
    return 0;
  }
  if (name.empty()) {
    list(models::models());
    return 0;
  }
  Generator generator(0);
  const Shape input = {batch, channels, size, size};
  const auto model = models::make_model(name, generator, {.in_channels = channels, .input_size = size, .norm = norm});
  if (dot.empty()) {
    std::cout << nn::summary(*model, input) << std::flush;
  } else {
    std::cout << (dot == "ops" ? ops_of(*model, input) : nn::to_dot(*model, input)) << std::flush;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return run_program("networks", run, argc, argv); }
