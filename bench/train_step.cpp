// Times one training step (zero_grad, forward, cross entropy, backward, SGD with momentum 0.9) on fixed random images
// and prints one line of JSON: the median in milliseconds, the peak resident memory in MiB, the number of parameters,
// and what the caching allocator asked of the system after the first step. bench/compare_pytorch.py runs it beside the
// same step in PyTorch. Instead of that, with --profile a table of the time by op, with --roofline the time beside the
// floor that arithmetic and memory set, with --plan 16 how its loops are cut for 2 to 16 threads.
#include "bench/support/cells.hpp"
#include "bench/support/step_report.hpp"
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

int run(int argc, char** argv) {
  examples::CommandLine line("Times a training step; prints one line of JSON.");
  std::string cell = "small_cnn_bn";
  std::int64_t batch_size = 16;
  int threads = num_threads(), plan = 0;
  double seconds = 3;
  bool with_profile = false, with_roofline = false, json = false;
  std::vector<std::string> names;
  for (const bench::Cell& known : bench::cells()) {
    names.push_back(known.name);
  }
  line.add("--cell", cell, "network").one_of(names);
  line.add("--batch-size", batch_size).positive();
  line.add("--threads", threads).positive();
  line.add("--seconds", seconds, "how long to measure").non_negative();
  line.add_flag("--profile", with_profile, "print the time by op instead");
  line.add_flag("--roofline", with_roofline, "print the floor of the step instead, and the time beside it, by op");
  line.add_flag("--json", json, "with --roofline: only the step's figures, as one line of JSON");
  line.add("--plan", plan, "print how the loops of the step are cut for 2, 4, ... so many threads instead")
      .between(2, 256);
  if (!line.parse(argc, argv)) {
    return 0;
  }
  set_num_threads(threads);
  const bench::Cell& chosen = bench::find_cell(cell);
  if (plan > 1) {
    bench::print_plan(chosen, batch_size, seconds, plan);
  } else if (with_roofline) {
    bench::print_roofline(chosen, batch_size, seconds, json);
  } else {
    (with_profile ? bench::print_profile : measure)(chosen, batch_size, seconds);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return examples::run_program("train_step", run, argc, argv); }
