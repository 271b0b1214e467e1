// The BatchNorm guide as a program: what differs between training and eval, and the usual mistakes, each with a number.
//
// y = (x - mean) / sqrt(var + eps) * weight + bias per channel: the batch's mean and biased variance in training, the
// running ones in eval; running = (1 - momentum) running + momentum batch (the guide's prose has momentum the other way
// round, its code does not). Ioffe & Szegedy 2015, arXiv:1502.03167; with dropout: Li et al. 2018, arXiv:1801.05134.
//
// Expect: a train-eval gap that shrinks as the running statistics settle; accumulated gradients equal to the larger
// batch's to 1e-12 with GroupNorm and far off with BatchNorm; a bias gradient of 0 before BatchNorm; deviation 0.71 in
// eval where dropout 0.5 stands before BatchNorm. Exits with 1 if not. Under a second.

#include "examples/support/checks.hpp"
#include "examples/support/command_line.hpp"
#include "examples/support/text.hpp"
#include "examples/support/trainer.hpp"

#include <cmath>
#include <evenkeel/evenkeel.hpp>

using namespace evenkeel;
using namespace evenkeel::examples;
namespace F = evenkeel::nn::functional;

namespace {

constexpr TensorOptions kDouble{.dtype = DType::float64};
double largest(const Tensor& x) { return max(abs(x)).item(); }
double deviation(const Tensor& x) { return evenkeel::std(x).item(); }
Tensor normalized(const Tensor& x) { return F::batch_norm(x, {}, {}, {}, {}, {.training = true}); }
Tensor features(std::int64_t batch, Generator& generator) { return randn({batch, 6}, generator, kDouble) * 3 + 10; }

void train_and_eval(Generator& generator, Checks& checks) {
  say("Training and eval: features with mean 10 and deviation 3\n  batches   running mean   train-eval gap\n");
  nn::BatchNorm1d norm(6);
  norm.to(DType::float64);
  const Tensor x = features(64, generator);
  std::vector<double> gaps;
  for (const int batches : {1, 10, 100}) {
    while (norm.num_batches_tracked.array().item_int64() < batches) {
      norm(features(64, generator));
    }
    const nn::EvalGuard eval(norm);
    gaps.push_back(largest(norm(x) - normalized(x)));
    say("  %7d %14.3f %16.3f\n", batches, mean(norm.running_mean).item(), gaps.back());
  }
  checks.expect(gaps[0] > 5 && gaps[2] < 1, "the gap is large after one batch (momentum 0.1) and small after 100");
}

void wrong_mode(Generator& generator, Checks& checks) {
  say("\nMistakes 1 and 2: training mode where eval is meant\n");
  nn::BatchNorm1d norm(6);
  norm.to(DType::float64);
  norm(features(64, generator));
  const Tensor sample = features(1, generator);
  const Tensor a = cat({sample, features(7, generator)}), b = cat({sample, features(7, generator)});
  const auto difference = [&] { return largest(select(norm(a), 0, 0) - select(norm(b), 0, 0)); };
  const double before = mean(norm.running_mean).item(), training = difference();
  const double after = mean(norm.running_mean).item();
  norm.eval();
  say("  one sample in two batches: outputs differ by %.3f in training, %g in eval\n", training, difference());
  say("  and the test data moved the running mean from %.3f to %.3f\n", before, after);
  checks.expect(training > 0.1 && difference() == 0, "an output depends on the other samples in training only");
  checks.expect(before != after && mean(norm.running_mean).item() == after, "only training moves the buffers");
  norm.train();
  std::string text;
  try {
    norm(sample);
  } catch (const ShapeError& e) {
    text = e.what();
  }
  say("  a batch of one: %s\n", text.c_str());
  checks.expect(text.find("Expected more than 1 value per channel") != std::string::npos, "it is refused in training");
  norm.eval();
  checks.expect(norm(sample).size(0) == 1, "and works in eval");
}

void accumulation(Generator& generator, Checks& checks) {
  say("\nGradient accumulation, 4 batches of 4 against one of 16\n");
  const Tensor x = features(16, generator), labels = randint(0, 3, {16}, generator);
  std::vector<double> off;
  for (const char* name : {"BatchNorm1d", "GroupNorm"}) {
    nn::Sequential net;
    const bool batch_norm = name[0] == 'B';
    net.append<nn::Linear>(6, 8, generator);
    batch_norm ? net.append<nn::BatchNorm1d>(8) : net.append<nn::GroupNorm>(2, 8);
    net.append<nn::ReLU>().append<nn::Linear>(8, 3, generator).to(DType::float64);
    const Tensor whole = accumulated_gradients(net, x, labels, 1), parts = accumulated_gradients(net, x, labels, 4);
    off.push_back(norm(parts - whole).item() / norm(whole).item());
    say("  %-11s  the gradient is off by %.2g %%\n", name, 100 * off.back());
    if (batch_norm) {
      checks.expect(largest(net.get_parameter("0.bias").grad()) < 1e-15,
                    "mistake 4: the bias before BatchNorm has gradient 0 (up to rounding), so use bias = false");
    }
  }
  checks.expect(off[0] > 0.1, "BatchNorm normalizes each small batch alone: accumulation is no cure");
  checks.expect(off[1] < 1e-12, "GroupNorm gives the larger batch's gradient");
}

void placement(Generator& generator, Checks& checks) {
  say("\nPlacement, and dropout beside BatchNorm\n");
  const Tensor z = randn({20000, 6}, generator, kDouble) * 2 + 1;
  const Tensor usual = relu(normalized(z)), other = normalized(relu(z));
  say("  BatchNorm, ReLU: mean %.3f, deviation %.3f;  ReLU, BatchNorm: mean %.3f, deviation %.3f\n", mean(usual).item(),
      deviation(usual), std::abs(mean(other).item()), deviation(other));
  checks.expect(std::abs(mean(usual).item() - 1 / std::sqrt(2 * M_PI)) < 0.01,
                "before ReLU, half the units are active: mean 1/sqrt(2 pi) = 0.399 at any scale of the input");
  bool right = true;
  for (const double p : {0.3, 0.5}) {
    nn::Sequential before, after;
    before.append<nn::Dropout>(p, generator).append<nn::BatchNorm1d>(6).to(DType::float64);
    after.append<nn::BatchNorm1d>(6).append<nn::Dropout>(p, generator).to(DType::float64);
    std::vector<double> in_eval;
    for (nn::Sequential* net : {&before, &after}) {
      for (int step = 0; step < 60; ++step) {
        (*net)(randn({2000, 6}, generator, kDouble));
      }
      net->eval();
      in_eval.push_back(deviation((*net)(randn({20000, 6}, generator, kDouble))));
    }
    say("  dropout %.1f: eval deviation %.3f before BatchNorm, %.3f after it\n", p, in_eval[0], in_eval[1]);
    right = right && std::abs(in_eval[0] - std::sqrt(1 - p)) < 0.02 && std::abs(in_eval[1] - 1) < 0.02;
  }
  checks.expect(right, "dropout before BatchNorm shifts the variance, by 1 - p; after it, it does not");
}

int run(int argc, char** argv) {
  CommandLine line("Training and eval, the usual mistakes, accumulation and placement of BatchNorm, in numbers.");
  std::uint64_t seed = 0;
  line.add("--seed", seed, "of inputs and weights");
  line.example("batch_norm_guide --seed 7");
  if (!line.parse(argc, argv)) {
    return 0;
  }
  Checks checks;
  Generator generator(seed);
  train_and_eval(generator, checks);
  wrong_mode(generator, checks);
  accumulation(generator, checks);
  placement(generator, checks);
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) { return run_program("batch_norm_guide", run, argc, argv); }
