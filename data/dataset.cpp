#include "evenkeel/data/dataset.hpp"

#include <algorithm>

namespace evenkeel::data {

void check_read(std::string_view op, const Dataset& dataset, std::int64_t index, std::size_t bytes) {
  require<IndexError>(index >= 0 && index < dataset.size(), op, "index ", index, " is out of range for ",
                      dataset.size(), " images");
  const std::int64_t expected = numel(dataset.image_shape());
  require(static_cast<std::int64_t>(bytes) == expected, op, "the image buffer has ", bytes, " bytes, expected ",
          expected, " (shape ", dataset.image_shape(), ")");
}

KeptDataset::KeptDataset(std::shared_ptr<const Dataset> dataset) : dataset_(std::move(dataset)) {
  require(dataset_ != nullptr, "KeptDataset", "the data set is null");
}

Subset::Subset(KeptDataset base, std::int64_t count) : base_(std::move(base)), size_(std::min(count, base_->size())) {
  require(count >= 0, "Subset", "count must be at least 0, got ", count);
}

std::int64_t Subset::read(std::int64_t index, std::span<std::uint8_t> image) const {
  check_read("Subset", *this, index, image.size());
  return base_->read(index, image);
}

}  // namespace evenkeel::data
