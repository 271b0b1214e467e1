#include "bench/support/step_report.hpp"

#include "bench/support/roofline.hpp"
#include "bench/support/timing.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <cstdio>

namespace evenkeel::bench {

namespace {

/// A step's rows, and how many steps they count.
struct Profiled {
  std::vector<OpProfile::Row> rows;
  double steps = 0;
};

Profiled profiled(Training& training, double seconds) {
  OpProfile ops;
  time_calls([&] { training.step(&ops); }, 0);
  ops.reset();
  const auto steps = static_cast<double>(time_calls([&] { training.step(&ops); }, seconds).size() + 1);
  return {ops.rows(), steps};
}

std::string inputs_text(const OpShapes& shapes) {
  std::string text;
  for (const std::optional<Shape>& input : shapes.inputs) {
    text += input ? concat(" ", *input) : " -";
  }
  return text;
}

void print_floor_rows(const std::vector<FloorRow>& floors, double steps) {
  std::printf("%-30s %-19s %6s %9s %9s %4s %9s %9s %6s  %s\n", "op", "result", "calls", "MFLOP", "MB", "by", "floor ms",
              "ms", "ratio", "inputs");
  for (const FloorRow& floor : floors) {
    const double ms = floor.row.ms / steps;
    std::printf("%-30s %-19s %6.1f %9.3f %9.4f %4s %9.4f %9.4f ", floor.row.op.c_str(), floor.row.shape.c_str(),
                static_cast<double>(floor.row.calls) / steps, 1e-6 * floor.work.flops,
                1e-6 * (floor.work.bytes + floor.work.kept_bytes),
                floor.ms == 0     ? "-"
                : floor.by_memory ? "mem"
                                  : "mul",
                floor.ms, ms);
    if (floor.ms > 0) {
      std::printf("%6.2f ", ms / floor.ms);
    } else {
      std::printf("%6s ", "-");
    }
    std::printf("%s\n", inputs_text(floor.row.shapes).c_str());
  }
}

}  // namespace

void print_profile(const Cell& cell, std::int64_t batch_size, double seconds) {
  Training training(cell, batch_size);
  const auto [rows, steps] = profiled(training, seconds);
  double total = 0;
  for (const OpProfile::Row& row : rows) {
    total += row.ms;
  }
  std::printf("%s, batch %lld, %d threads: %.3f ms per step\n%-36s %-20s %8s %10s %7s  %s\n", cell.name,
              static_cast<long long>(batch_size), num_threads(), total / steps, "op", "result", "calls", "ms", "share",
              "inputs");
  for (const OpProfile::Row& row : rows) {
    std::printf("%-36s %-20s %8.1f %10.4f %6.1f%% %s\n", row.op.c_str(), row.shape.c_str(),
                static_cast<double>(row.calls) / steps, row.ms / steps, 100 * row.ms / total,
                inputs_text(row.shapes).c_str());
  }
}

void print_roofline(const Cell& cell, std::int64_t batch_size, double seconds, bool json) {
  constexpr double kRateSeconds = 0.3;
  const MachineRates rates = measure_rates(std::min(seconds, kRateSeconds));
  Training training(cell, batch_size);
  const double ms = median(time_calls([&] { training.step(); }, seconds));
  const auto [rows, steps] = profiled(training, seconds);
  const std::vector<FloorRow> floors = floor_of(rows, steps, training.parameters(), rates);
  double floor_ms = 0;
  for (const FloorRow& floor : floors) {
    floor_ms += floor.ms;
  }
  if (json) {
    std::printf(
        "{\"ms\": %.5f, \"floor_ms\": %.5f, \"matrix_gflops\": %.2f, \"cache_gbs\": %.2f, \"memory_gbs\": %.2f, "
        "\"blas_core\": \"%s\"}\n",
        ms, floor_ms, rates.matrix, rates.copies.front().rate, rates.copies.back().rate, blas_core().c_str());
    return;
  }
  std::printf("%s, batch %lld, %d threads\nmeasured now: products %.1f GFLOP/s (OpenBLAS's core: %s); copies",
              cell.name, static_cast<long long>(batch_size), num_threads(), rates.matrix, blas_core().c_str());
  for (const MachineRates::Copy& copy : rates.copies) {
    std::printf(" %.1f", copy.rate);
  }
  std::printf(" GB/s for working sets of 0.5 to 512 MiB, by factors of 4\n");
  print_floor_rows(floors, steps);
  std::printf("floor of the step: %.4f ms\nmeasured step: %.4f ms\nratio: %.3f\n", floor_ms, ms, ms / floor_ms);
}

}  // namespace evenkeel::bench
