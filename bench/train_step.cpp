// Times one training step (zero_grad, forward, cross entropy, backward, SGD with momentum 0.9) on fixed random images
// and prints one line of JSON: the median in milliseconds, the peak resident memory in MiB, and what the caching
// allocator asked of the system after the first step. bench/compare_pytorch.py runs it beside the same step in PyTorch.
#include "autograd/engine.hpp"
#include "autograd/ops/loss.hpp"
#include "core/parallel.hpp"
#include "models/registry.hpp"
#include "optim/sgd.hpp"

#include <CLI/CLI.hpp>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>

namespace {

using namespace evenkeel;

struct Cell {
  const char* model;
  const char* norm;
};

const std::map<std::string, Cell> kCells = {
    {"small_cnn_bn", {"small_cnn", "bn"}},
    {"small_cnn_gn", {"small_cnn", "gn"}},
    {"cnn_bn", {"cnn_bn", "bn"}},
    {"fc_bn", {"fc_bn", "bn"}},
};

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Milliseconds of each step: at least 10 steps, then until `seconds` are over or there are 1000.
std::vector<double> time_steps(const std::function<void()>& step, double seconds) {
  std::vector<double> times;
  const double begin = now_ms();
  while (times.size() < 10 || (now_ms() - begin < 1e3 * seconds && times.size() < 1000)) {
    const double start = now_ms();
    step();
    times.push_back(now_ms() - start);
  }
  return times;
}

void measure(const Cell& cell, std::int64_t batch_size, double seconds) {
  Generator generator(0);
  const bool flat = std::string_view(cell.model) == "fc_bn";
  models::ModelOptions options{.norm = cell.norm};
  options.in_channels = flat ? 1 : 3;
  options.input_size = flat ? 28 : 32;
  const auto model = models::make_model(cell.model, generator, options);
  optim::SGD optimizer(model->parameters(), {.lr = 0.01, .momentum = 0.9});
  const Tensor x = flat ? randn({batch_size, 784}, generator) : randn({batch_size, 3, 32, 32}, generator);
  const Tensor target = randint(0, 10, {batch_size}, generator);
  const auto step = [&] {
    optimizer.zero_grad();
    cross_entropy((*model)(x), target).backward();
    optimizer.step();
  };
  step();
  const std::uint64_t allocations = memory_stats().system_allocations;
  std::vector<double> times = time_steps(step, seconds);
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("{\"ms\": %.5f, \"peak_mib\": %.1f, \"system_allocations\": %llu}\n", times[times.size() / 2],
              static_cast<double>(usage.ru_maxrss) / 1024,
              static_cast<unsigned long long>(memory_stats().system_allocations - allocations));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times a training step; prints one line of JSON.");
  std::string cell = "small_cnn_bn";
  std::int64_t batch_size = 16;
  int threads = num_threads();
  double seconds = 3;
  app.add_option("--cell", cell, "network")->check(CLI::IsMember(kCells))->capture_default_str();
  app.add_option("--batch-size", batch_size)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--threads", threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--seconds", seconds, "how long to measure")->check(CLI::NonNegativeNumber)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  set_num_threads(threads);
  measure(kCells.at(cell), batch_size, seconds);
}
