#include "bench/support/conv_grid.hpp"

#include "bench/support/layer_cases.hpp"
#include "bench/support/rates.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/nn/conv.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace evenkeel::bench {

namespace {

constexpr double kCliff = 0.6;
constexpr double kMostBytes = 64 * 1024 * 1024;

struct GridConv {
  std::int64_t channels, size, batch, kernel;
  std::int64_t out() const { return channels == 3 ? 32 : channels; }
  double gflop() const { return 2e-9 * static_cast<double>(batch * size * size * channels * out() * kernel * kernel); }
  double bytes() const { return 4 * static_cast<double>(batch * size * size * std::max(channels, out())); }
};

/// GFLOP/s, a backward counting twice a forward.
double rate_of(const GridConv& conv, bool with_backward, double seconds) {
  const auto make = [&](Generator& generator) -> std::unique_ptr<nn::Layer> {
    return std::make_unique<nn::Conv2d>(
        conv.channels, conv.out(), generator,
        nn::Conv2dOptions{.kernel_size = conv.kernel, .padding = conv.kernel / 2, .bias = false});
  };
  const LayerCase layer{"conv", "", {conv.batch, conv.channels, conv.size, conv.size}, make};
  return 1e3 * conv.gflop() * (with_backward ? 3 : 1) / layer_ms(layer, with_backward, seconds);
}

/// Calls visit(channel, size, batch) for all places of a grid.
template <class Visit>
void for_each_place(const Visit& visit) {
  for (std::size_t c = 0; c < RateGrid::kChannels.size(); ++c) {
    for (std::size_t s = 0; s < RateGrid::kSizes.size(); ++s) {
      for (std::size_t b = 0; b < RateGrid::kBatches.size(); ++b) {
        visit(c, s, b);
      }
    }
  }
}

/// The rates of a kernel. What looks like a cliff is measured again, lest a disturbance passes for one.
RateGrid measure_grid(std::int64_t kernel, bool with_backward, double seconds, double most_gflop) {
  constexpr int kAgain = 3;
  RateGrid grid;
  const auto measure = [&](std::size_t c, std::size_t s, std::size_t b) {
    const GridConv conv{RateGrid::kChannels[c], RateGrid::kSizes[s], RateGrid::kBatches[b], kernel};
    if (conv.gflop() <= most_gflop && conv.bytes() <= kMostBytes) {
      grid.at(c, s, b) = std::max(grid.at(c, s, b), rate_of(conv, with_backward, seconds));
    }
  };
  for_each_place(measure);
  for (int i = 0; i < kAgain; ++i) {
    for_each_place([&](std::size_t c, std::size_t s, std::size_t b) {
      if (grid.is_cliff(c, s, b)) {
        measure(c, s, b);
      }
    });
  }
  return grid;
}

int print_grid(const RateGrid& grid) {
  std::printf("%8s %6s", "channels", "size");
  for (const std::int64_t batch : RateGrid::kBatches) {
    std::printf("  batch %-3lld", static_cast<long long>(batch));
  }
  int cliffs = 0;
  for_each_place([&](std::size_t c, std::size_t s, std::size_t b) {
    if (b == 0) {
      std::printf("\n%8lld %6lld", static_cast<long long>(RateGrid::kChannels[c]),
                  static_cast<long long>(RateGrid::kSizes[s]));
    }
    const bool cliff = grid.is_cliff(c, s, b);
    cliffs += cliff ? 1 : 0;
    if (grid.at(c, s, b) > 0) {
      std::printf(" %9.1f%c", grid.at(c, s, b), cliff ? '!' : ' ');
    } else {
      std::printf(" %9s ", "-");
    }
  });
  std::puts("");
  return cliffs;
}

}  // namespace

bool RateGrid::is_cliff(std::size_t channel, std::size_t size, std::size_t batch) const {
  double logarithms = 0;
  int count = 0;
  const auto look = [&](std::size_t c, std::size_t s, std::size_t b) {  // one step below 0 is a large number
    if (c < kChannels.size() && s < kSizes.size() && b < kBatches.size() && at(c, s, b) > 0) {
      logarithms += std::log(at(c, s, b));
      ++count;
    }
  };
  for (const std::size_t step : {std::size_t{1}, ~std::size_t{0}}) {
    look(channel + step, size, batch);
    look(channel, size + step, batch);
    look(channel, size, batch + step);
  }
  const double rate = at(channel, size, batch);
  return rate > 0 && count > 0 && rate < kCliff * std::exp(logarithms / count);
}

void print_conv_grid(double seconds, double most_gflop) {
  std::printf("%d threads; matrix products: %.1f GFLOP/s (OpenBLAS's core: %s); !: below %.1f of its neighbours\n",
              num_threads(), matrix_rate(seconds), blas_core().c_str(), kCliff);
  int cliffs = 0;
  for (const std::int64_t kernel : {3, 1}) {
    for (const bool with_backward : {false, true}) {
      std::printf("\n%lldx%lld %s, GFLOP/s\n", static_cast<long long>(kernel), static_cast<long long>(kernel),
                  with_backward ? "forward and backward" : "forward");
      cliffs += print_grid(measure_grid(kernel, with_backward, seconds, most_gflop));
      std::fflush(stdout);
    }
  }
  std::printf("\ncliffs: %d\n", cliffs);
}

}  // namespace evenkeel::bench
