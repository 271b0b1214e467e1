// Times one training step (zero_grad, forward, cross entropy, backward, SGD with momentum 0.9) on fixed random images
// and prints one line of JSON: the median in milliseconds, the peak resident memory in MiB, the number of parameters,
// and what the caching allocator asked of the system after the first step. bench/compare_pytorch.py runs it beside the
// same step in PyTorch. With --profile a table of the time by op instead.
#include "bench/support/cells.hpp"
#include "bench/support/timing.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/storage.hpp"
#include "examples/support/command_line.hpp"

#include <cstdio>

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

/// Prints where the time of a step goes: per op, direction and shape of the result, the longest first.
void profile(const bench::Cell& cell, std::int64_t batch_size, double seconds) {
  bench::Training training(cell, batch_size);
  OpProfile ops;
  bench::time_calls([&] { training.step(&ops); }, 0);
  ops.reset();
  const auto steps = static_cast<double>(bench::time_calls([&] { training.step(&ops); }, seconds).size() + 1);
  double total = 0;
  for (const OpProfile::Row& row : ops.rows()) {
    total += row.ms;
  }
  std::printf("%s, batch %lld, %d threads: %.3f ms per step\n%-36s %-20s %8s %10s %7s\n", cell.name,
              static_cast<long long>(batch_size), num_threads(), total / steps, "op", "result", "calls", "ms", "share");
  for (const OpProfile::Row& row : ops.rows()) {
    std::printf("%-36s %-20s %8.1f %10.4f %6.1f%%\n", row.op.c_str(), row.shape.c_str(),
                static_cast<double>(row.calls) / steps, row.ms / steps, 100 * row.ms / total);
  }
}

int run(int argc, char** argv) {
  examples::CommandLine line("Times a training step; prints one line of JSON.");
  std::string cell = "small_cnn_bn";
  std::int64_t batch_size = 16;
  int threads = num_threads();
  double seconds = 3;
  bool with_profile = false;
  std::vector<std::string> names;
  for (const bench::Cell& known : bench::cells()) {
    names.push_back(known.name);
  }
  line.add("--cell", cell, "network").one_of(names);
  line.add("--batch-size", batch_size).positive();
  line.add("--threads", threads).positive();
  line.add("--seconds", seconds, "how long to measure").non_negative();
  line.add_flag("--profile", with_profile, "print the time by op instead");
  if (!line.parse(argc, argv)) {
    return 0;
  }
  set_num_threads(threads);
  (with_profile ? profile : measure)(bench::find_cell(cell), batch_size, seconds);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return examples::run_program("train_step", run, argc, argv); }
