#pragma once

#include "evenkeel/data/data_loader.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace evenkeel::examples {

/// A data set to learn: training and test images, and the channel statistics to normalize them with.
struct Task {
  std::unique_ptr<data::Dataset> train, test;
  std::vector<double> mean, std;
};

/// What --data takes: "synthetic" or "synthetic:hard" (SyntheticDigits, 3x32x32), "mnist:DIR", "cifar10:DIR".
/// Throws std::invalid_argument for an unknown name and whatever the reader finds wrong with the files.
Task load_task(const std::string& spec, std::uint64_t seed);

}  // namespace evenkeel::examples
