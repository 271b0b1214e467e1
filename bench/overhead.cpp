// What an op costs beyond its arithmetic: chains of ops on one element, forward without a graph, forward with one, and
// backward, in nanoseconds per op, and SGD with momentum on parameters of one element, in nanoseconds per parameter.
// Prints one line of JSON per chain. bench/compare_overhead.py runs it beside the same in PyTorch.
#include "bench/support/timing.hpp"
#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/storage.hpp"
#include "evenkeel/optim/sgd.hpp"
#include "examples/support/command_line.hpp"

#include <cstdio>

namespace {

using namespace evenkeel;

constexpr int kLength = 1000;
constexpr double kNanoPerOp = 1e6 / kLength;

struct Chain {
  const char* name;
  Shape shape;
  std::function<Tensor(const Tensor& y)> op;
};

std::vector<Chain> chains() {
  const Tensor factor = full({1}, 0.999), weight = full({1, 1}, 0.999), bias = full({1}, 0.001);
  return {
      {"add", {1}, [=](const Tensor& y) { return y + factor; }},
      {"mul", {1}, [=](const Tensor& y) { return y * factor; }},
      {"relu", {1}, [](const Tensor& y) { return relu(y); }},
      {"linear", {1, 1}, [=](const Tensor& y) { return linear(y, weight, bias); }},
      {"reshape", {1}, [](const Tensor& y) { return reshape(y, {1}); }},
  };
}

void measure(const Chain& chain, double seconds) {
  const Tensor x = ones(chain.shape, {.requires_grad = true});
  const Tensor dy = ones(chain.shape);
  const auto forward = [&] {
    Tensor y = x;
    for (int i = 0; i < kLength; ++i) {
      y = chain.op(y);
    }
    return y;
  };
  const double plain = bench::median(bench::time_calls([&] { no_grad([&] { return forward(); }); }, seconds));
  std::vector<double> forward_ms, backward_ms;
  std::uint64_t allocations = 0;
  const auto step = [&] {
    const double start = bench::now_ms();
    const Tensor y = forward();
    const double middle = bench::now_ms();
    y.backward(dy);
    backward_ms.push_back(bench::now_ms() - middle);
    forward_ms.push_back(middle - start);
    Tensor(x).zero_grad();
  };
  bench::time_calls(step, seconds / 4);
  allocations = memory_stats().system_allocations;
  bench::time_calls(step, seconds);
  std::printf(
      "{\"name\": \"%s\", \"no_grad_ns\": %.1f, \"forward_ns\": %.1f, \"backward_ns\": %.1f, "
      "\"system_allocations\": %llu}\n",
      chain.name, kNanoPerOp * plain, kNanoPerOp * bench::median(forward_ms), kNanoPerOp * bench::median(backward_ms),
      static_cast<unsigned long long>(memory_stats().system_allocations - allocations));
}

void measure_optimizer(double seconds) {
  std::vector<Tensor> parameters;
  for (int i = 0; i < kLength; ++i) {
    parameters.push_back(ones({1}, {.requires_grad = true}));
    parameters.back().set_grad(ones({1}));
  }
  optim::SGD optimizer(parameters, {.lr = 0.01, .momentum = 0.9});
  const double ms = bench::median(bench::time_calls([&] { optimizer.step(); }, seconds));
  std::printf("{\"name\": \"sgd\", \"step_ns\": %.1f}\n", kNanoPerOp * ms);
}

int run(int argc, char** argv) {
  examples::CommandLine line("Times ops on one element, in nanoseconds per op; prints one line of JSON per chain.");
  double seconds = 0.5;
  line.add("--seconds", seconds, "per measurement").non_negative();
  if (!line.parse(argc, argv)) {
    return 0;
  }
  set_num_threads(1);
  for (const Chain& chain : chains()) {
    measure(chain, seconds);
  }
  measure_optimizer(seconds);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return examples::run_program("overhead", run, argc, argv); }
