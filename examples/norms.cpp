// The norms that --norm takes: `norms` lists them, `norms NAME` shows one of them at work, `norms --advise` says which
// to take for a batch size and a task.
//
// For a name it prints the formula, the layer with its parameters and buffers, and what comes out for inputs from
// N(3, 2^2) in batches of 1 and 8: mean and standard deviation in training and, after 200 training batches of 8, in
// eval. Last, how far one sample's output moves when its batch mates are drawn anew: 0 where a norm does not look at
// them, for BatchNorm less the larger the batch.

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/norm/advise.hpp"
#include "evenkeel/nn/norm/registry.hpp"
#include "examples/support/command_line.hpp"
#include "examples/support/text.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>

using namespace evenkeel;
using namespace evenkeel::examples;

namespace {

struct Settings {
  std::string name, task = "classification";
  bool advise = false, pretrained = false;
  std::int64_t batch = 16;
  std::int64_t channels = 32, size = 8;
  std::uint64_t seed = 0;
};

Tensor draw(const Settings& s, std::int64_t batch, Generator& generator) {
  return randn({batch, s.channels, s.size, s.size}, generator) * 2.0 + 3.0;
}

void print_state(const nn::Layer& layer) {
  std::cout << layer << "\n";
  const auto line = [](const char* what, const std::string& name, const Tensor& value) {
    std::cout << "  " << what << name << " " << value.shape() << "\n";
  };
  for (const auto& [name, value] : layer.named_parameters()) {
    line("parameter  ", name, value);
  }
  for (const auto& [name, value] : layer.named_buffers()) {
    line("buffer     ", name, value);
  }
  std::cout << std::flush;
}

void print_moments(nn::Layer& layer, const Settings& s, const char* mode, Generator& generator) {
  for (const std::int64_t batch : {1, 8}) {
    const Tensor y = layer(draw(s, batch, generator));
    say("  %-5s  batch %d  mean %8.4f  std %7.4f\n", mode, static_cast<int>(batch), mean(y).item(),
        evenkeel::std(y, {}, 0).item());
  }
}

/// The standard deviation of sample 0's output over 20 draws of the rest of its batch, as a mean over its elements.
double spread(const Settings& s, std::int64_t batch, Generator& generator) {
  const Tensor sample = draw(s, 1, generator);
  std::vector<Tensor> outputs;
  for (int i = 0; i < 20; ++i) {
    const auto layer = nn::make_norm(s.name, s.channels);
    outputs.push_back(slice((*layer)(cat({sample, draw(s, batch - 1, generator)})), 0, 0, 1));
  }
  return mean(evenkeel::std(stack(outputs), {0})).item();
}

void show(const Settings& s) {
  const NoGradGuard no_grad;
  const auto layer = nn::make_norm(s.name, s.channels);
  const auto entry =
      std::find_if(nn::norms().begin(), nn::norms().end(), [&](const auto& e) { return e.name == s.name; });
  say("%s\n", std::string(entry->description).c_str());
  say("  %s\n", std::string(entry->formula).c_str());
  say("\n");
  std::fflush(stdout);
  print_state(*layer);
  say("\nOutput for inputs with mean 3 and std 2, (N, %d, %d, %d)\n", static_cast<int>(s.channels),
      static_cast<int>(s.size), static_cast<int>(s.size));
  Generator generator(s.seed);
  print_moments(*layer, s, "train", generator);
  for (int step = 0; step < 200; ++step) {
    (*layer)(draw(s, 8, generator));
  }
  layer->eval();
  print_moments(*layer, s, "eval", generator);
  say("How far a sample's output moves with its batch mates\n");
  for (const std::int64_t batch : {2, 8}) {
    say("  train  batch %d  %.4f\n", static_cast<int>(batch), spread(s, batch, generator));
  }
}

void advise(const Settings& s) {
  const nn::NormAdvice advice = nn::advise_norm(s.batch, nn::norm_task(s.task), s.pretrained);
  say("--norm %s\n  %s\n", advice.name.c_str(), advice.reason.c_str());
  for (const auto& [what, when] : advice.alternatives) {
    say("  or %s: %s\n", what.c_str(), when.c_str());
  }
}

int run(int argc, char** argv) {
  CommandLine line("Lists the norms of --norm, shows one of them at work, or says which to take.");
  Settings settings;
  line.add("name", settings.name, "one of the listed names");
  line.add("--channels", settings.channels).positive();
  line.add("--size", settings.size, "height and width of the input").positive();
  line.add("--seed", settings.seed, "of the inputs");
  line.add_flag("--advise", settings.advise, "which norm to take for --batch, --task and --pretrained, and why");
  line.add("--batch", settings.batch, "samples per training step").positive();
  line.add("--task", settings.task).one_of({"classification", "detection", "segmentation"});
  line.add_flag("--pretrained", settings.pretrained, "a network with BatchNorm is fine-tuned");
  line.example("norms --advise --batch 2 --task detection --pretrained");
  if (!line.parse(argc, argv)) {
    return 0;
  }
  require(settings.name.empty() || !settings.advise, "norms", "--advise and the name of a norm exclude each other");
  if (settings.advise) {
    advise(settings);
  } else if (settings.name.empty()) {
    list(nn::norms());
  } else {
    show(settings);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return run_program("norms", run, argc, argv); }
