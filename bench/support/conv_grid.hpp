#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace evenkeel::bench {

/// The rates of one layer over channels, image sizes and batch sizes; 0 where it was not measured.
class RateGrid {
 public:
  static constexpr std::array<std::int64_t, 7> kChannels = {3, 8, 16, 32, 64, 128, 256};
  static constexpr std::array<std::int64_t, 5> kSizes = {4, 8, 16, 32, 64};
  static constexpr std::array<std::int64_t, 5> kBatches = {1, 2, 8, 32, 128};

  double& at(std::size_t channel, std::size_t size, std::size_t batch) { return rates_[index(channel, size, batch)]; }
  double at(std::size_t channel, std::size_t size, std::size_t batch) const {
    return rates_[index(channel, size, batch)];
  }
  /// Whether a rate is below 0.6 of the geometric mean of its neighbours: up to six, one step along one of the three.
  bool is_cliff(std::size_t channel, std::size_t size, std::size_t batch) const;

 private:
  static std::size_t index(std::size_t channel, std::size_t size, std::size_t batch) {
    return (channel * kSizes.size() + size) * kBatches.size() + batch;
  }
  std::array<double, kChannels.size() * kSizes.size() * kBatches.size()> rates_{};
};

/// Prints tables of the GFLOP/s of 3x3 and 1x1 convolutions with as many channels out as in (3: to 32), forward, and
/// forward and backward, with the matrix rate beside them; cliffs are marked and counted. Shapes of more
/// than `most_gflop` forward, or 64 MiB, are left out.
void print_conv_grid(double seconds, double most_gflop);

}  // namespace evenkeel::bench
