#pragma once

#include "evenkeel/data/dataset.hpp"

namespace evenkeel::data {

/// Random bytes with random labels: nothing to learn, everything to memorise. Image i depends on (seed, i) alone.
class FakeData : public Dataset {
 public:
  explicit FakeData(std::int64_t size, const Shape& image_shape = {3, 32, 32}, std::int64_t num_classes = 10,
                    std::uint64_t seed = 0);
  std::int64_t size() const override { return size_; }
  std::int64_t num_classes() const override { return num_classes_; }
  Shape image_shape() const override { return image_shape_; }
  std::int64_t read(std::int64_t index, std::span<std::uint8_t> image) const override;

 private:
  std::int64_t size_;
  Shape image_shape_;
  std::int64_t num_classes_;
  std::uint64_t seed_;
};

}  // namespace evenkeel::data
