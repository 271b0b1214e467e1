// Times one training step (zero_grad, forward, cross entropy, backward, SGD with momentum 0.9) on fixed random images
// and prints one line of JSON: the median in milliseconds, the peak resident memory in MiB, the number of parameters,
// and what the caching allocator asked of the system after the first step. bench/compare_pytorch.py runs it beside the
// same step in PyTorch.
#include "bench/support/cells.hpp"
#include "bench/support/timing.hpp"
#include "core/parallel.hpp"
#include "core/storage.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <set>

namespace {

using namespace evenkeel;

void measure(const bench::Cell& cell, std::int64_t batch_size, double seconds) {
  bench::Training training(cell, batch_size);
  training.step();
  const std::uint64_t allocations = memory_stats().system_allocations;
  const double ms = bench::median(bench::time_calls([&] { training.step(); }, seconds));
  std::printf("{\"ms\": %.5f, \"peak_mib\": %.1f, \"parameters\": %lld, \"system_allocations\": %llu}\n", ms,
              bench::peak_memory_mib(), static_cast<long long>(training.parameters()),
              static_cast<unsigned long long>(memory_stats().system_allocations - allocations));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times a training step; prints one line of JSON.");
  std::string cell = "small_cnn_bn";
  std::int64_t batch_size = 16;
  int threads = num_threads();
  double seconds = 3;
  std::set<std::string> names;
  for (const bench::Cell& known : bench::cells()) {
    names.insert(known.name);
  }
  app.add_option("--cell", cell, "network")->check(CLI::IsMember(names))->capture_default_str();
  app.add_option("--batch-size", batch_size)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--threads", threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--seconds", seconds, "how long to measure")->check(CLI::NonNegativeNumber)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  set_num_threads(threads);
  measure(bench::find_cell(cell), batch_size, seconds);
}
