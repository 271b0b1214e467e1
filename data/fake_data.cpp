#include "evenkeel/data/fake_data.hpp"

#include "evenkeel/core/random.hpp"

namespace evenkeel::data {

FakeData::FakeData(std::int64_t size, const Shape& image_shape, std::int64_t num_classes, std::uint64_t seed)
    : size_(size), image_shape_(image_shape), num_classes_(num_classes), seed_(seed) {
  require(size >= 0, "FakeData", "size must be at least 0, got ", size);
  require(image_shape.rank() == 3 && numel(image_shape) > 0, "FakeData",
          "image_shape must be (channels, height, width), none 0, got ", image_shape);
  require(num_classes >= 1, "FakeData", "num_classes must be at least 1, got ", num_classes);
}

std::int64_t FakeData::read(std::int64_t index, std::span<std::uint8_t> image) const {
  check_read("FakeData", *this, index, image.size());
  Generator generator = Generator(seed_).fork(static_cast<std::uint64_t>(index));
  const std::int64_t label = generator.below(num_classes_);
  std::size_t at = 0;
  while (at < image.size()) {
    for (const std::uint32_t word : generator.block(generator.reserve(1))) {
      for (int shift = 0; shift < 32 && at < image.size(); shift += 8) {
        image[at++] = static_cast<std::uint8_t>(word >> shift);
      }
    }
  }
  return label;
}

}  // namespace evenkeel::data
