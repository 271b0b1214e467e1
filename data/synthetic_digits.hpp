#pragma once

#include "evenkeel/data/array_dataset.hpp"

namespace evenkeel::data {

/// normal: a linear model stays under 80% test accuracy, SmallCNN passes 95%. hard: SmallCNN lands between 70 and 90%,
/// so comparisons do not saturate (a deeper network with pooling gets further).
enum class Difficulty : std::uint8_t { normal, hard };

struct SyntheticDigitsOptions {
  std::int64_t size = 10000;
  std::uint64_t seed = 0;
  Split split = Split::train;  ///< the test images of a seed are others than its training images
  bool color = true;           ///< true: (3, 32, 32), false: (1, 28, 28)
  Difficulty difficulty = Difficulty::normal;
};

/// Drawn digits: the strokes of a glyph under a random affine warp, with random width, colours, clutter and noise.
/// Image i depends on (seed, split, i) and the options alone.
class SyntheticDigits : public Dataset {
 public:
  explicit SyntheticDigits(SyntheticDigitsOptions options = {});
  const SyntheticDigitsOptions& options() const { return options_; }
  std::int64_t size() const override { return options_.size; }
  std::int64_t num_classes() const override { return 10; }
  Shape image_shape() const override;
  std::int64_t read(std::int64_t index, std::span<std::uint8_t> image) const override;

 private:
  SyntheticDigitsOptions options_;
};

}  // namespace evenkeel::data
