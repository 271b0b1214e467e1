// Forward, and forward + backward, of single layers: convolutions and Linear in GFLOP/s beside the machine's own sgemm,
// the others in GB/s of the bytes that must move beside its own copy of an array of the same size, all measured here.
// Convolutions also by im2col, whatever EVENKEEL_CONV says of the first figure. Prints one line of JSON per layer.
// bench/compare_layers.py runs it beside the same layers in PyTorch. With --grid a table of convolutions instead, by
// channels, size and batch size.
#include "bench/support/conv_grid.hpp"
#include "bench/support/layer_cases.hpp"
#include "bench/support/rates.hpp"
#include "evenkeel/core/kernels/conv/algorithms.hpp"
#include "evenkeel/core/parallel.hpp"
#include "examples/support/command_line.hpp"

#include <algorithm>
#include <cstdio>
#include <map>

namespace {

using namespace evenkeel;

/// The time of the layer with im2col for every convolution.
double im2col_ms(const bench::LayerCase& layer_case, bool with_backward, double seconds) {
  const ConvAlgorithmGuard guard(ConvAlgorithm::im2col);
  return bench::layer_ms(layer_case, with_backward, seconds);
}

void measure(const bench::LayerCase& layer_case, bool with_backward, double seconds, double limit) {
  const double ms = bench::layer_ms(layer_case, with_backward, seconds);
  const double work = layer_case.forward + (with_backward ? layer_case.backward : 0);
  std::printf(
      "{\"group\": \"%s\", \"name\": \"%s\", \"shape\": %s, \"backward\": %d, \"ms\": %.6f, \"rate\": %.2f, "
      "\"unit\": \"%s\", \"limit\": %.2f",
      layer_case.group.c_str(), layer_case.name.c_str(), concat(layer_case.shape).c_str(), with_backward, ms,
      1e3 * work / ms, layer_case.counts_flops() ? "GFLOP/s" : "GB/s", limit);
  if (layer_case.group == "conv") {
    std::printf(", \"im2col_ms\": %.6f", im2col_ms(layer_case, with_backward, seconds));
  }
  std::puts("}");
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  examples::CommandLine line("Times single layers; prints one line of JSON for each.");
  std::string filter;
  int threads = num_threads();
  double seconds = 0.2;
  double most_gflop = 5;
  bool grid = false;
  line.add("--filter", filter, "only layers whose \"group: name\" contains this");
  line.add("--threads", threads).positive();
  line.add("--seconds", seconds, "per measurement").non_negative();
  line.add_flag("--grid", grid, "a table of 3x3 and 1x1 convolutions instead");
  line.add("--most-gflop", most_gflop, "the largest convolution of --grid").non_negative();
  if (!line.parse(argc, argv)) {
    return 0;
  }
  set_num_threads(threads);
  if (grid) {
    bench::print_conv_grid(std::min(seconds, 0.01), most_gflop);
    return 0;
  }
  std::fprintf(stderr, "OpenBLAS's core: %s\n", bench::blas_core().c_str());
  double sgemm = 0;
  std::map<std::int64_t, double> copies;
  for (const bench::LayerCase& layer_case : bench::layer_cases()) {
    if (concat(layer_case.group, ": ", layer_case.name).find(filter) == std::string::npos) {
      continue;
    }
    double& limit = layer_case.counts_flops() ? sgemm : copies[numel(layer_case.shape)];
    if (limit == 0) {
      limit = layer_case.counts_flops() ? bench::product_rate(1024, seconds)
                                        : bench::copy_rate(numel(layer_case.shape), seconds);
    }
    for (const bool with_backward : {false, true}) {
      measure(layer_case, with_backward, seconds, limit);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return examples::run_program("layers", run, argc, argv); }
