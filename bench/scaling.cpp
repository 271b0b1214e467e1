// Times a training step over the batch size, the image's area and the network's depth, and prints one line of JSON per
// point. bench/draw_scaling.py draws them and says where the time is not linear.
#include "bench/support/cells.hpp"
#include "bench/support/timing.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/models/cifar_resnet.hpp"
#include "examples/support/command_line.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace {

using namespace evenkeel;

struct Run {
  double seconds;
  std::int64_t largest;  ///< batch size, side and depth stay below this

  void point(const char* series, const char* unit, std::int64_t x, bench::Training training) const {
    const double ms = bench::median(bench::time_calls([&] { training.step(); }, seconds, 3));
    std::printf("{\"series\": \"%s\", \"unit\": \"%s\", \"x\": %lld, \"threads\": %d, \"ms\": %.5f}\n", series, unit,
                static_cast<long long>(x), num_threads(), ms);
    std::fflush(stdout);
  }
};

void over_batch(const Run& run) {
  for (const char* name : {"small_cnn_bn", "small_cnn_gn", "fc_bn"}) {
    for (const std::int64_t batch : {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512}) {
      const bool needs_two = std::string_view(name) == "fc_bn";  // BatchNorm over (N, C) has no variance for N = 1
      if (batch <= run.largest && (batch > 1 || !needs_two)) {
        run.point(name, "image", batch, bench::Training(bench::find_cell(name), batch));
      }
    }
  }
}

void over_area(const Run& run) {
  for (const char* name : {"small_cnn_bn", "small_cnn_gn"}) {
    for (const std::int64_t side : {8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128}) {
      if (side <= run.largest) {
        bench::Cell cell = bench::find_cell(name);
        cell.input = {3, side, side};
        run.point(concat(name, ", batch 8").c_str(), "pixel", side * side, bench::Training(cell, 8));
      }
    }
  }
}

void over_depth(const Run& run) {
  for (const char* norm : {"bn", "gn"}) {
    for (const std::int64_t depth : {8, 14, 20, 26, 32, 44, 56, 80, 110}) {
      if (depth <= run.largest) {
        const auto make = [&](Generator& generator) {
          return std::make_unique<models::CifarResNet>(generator,
                                                       models::CifarResNetOptions{.depth = depth, .norm = norm});
        };
        run.point(concat("resnet_", norm, ", batch 4").c_str(), "layer", depth, bench::Training(make, {4, 3, 32, 32}));
      }
    }
  }
}

int run(int argc, char** argv) {
  examples::CommandLine line(
      "Times a training step over batch size, image area and depth; prints one line of JSON per point.");
  std::vector<std::string> series = {"batch", "area", "depth"};
  int threads = num_threads();
  Run run{.seconds = 1, .largest = 512};
  line.add("--series", series, "batch, area, depth").one_of(series);
  line.add("--threads", threads).positive();
  line.add("--seconds", run.seconds, "per point").non_negative();
  line.add("--largest", run.largest, "no batch size, side or depth above this");
  if (!line.parse(argc, argv)) {
    return 0;
  }
  set_num_threads(threads);
  const auto wanted = [&](const char* name) { return std::ranges::find(series, name) != series.end(); };
  if (wanted("batch")) {
    over_batch(run);
  }
  if (wanted("area")) {
    over_area(run);
  }
  if (wanted("depth")) {
    over_depth(run);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return examples::run_program("scaling", run, argc, argv); }
