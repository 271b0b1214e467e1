#pragma once

#include "evenkeel/data/dataset.hpp"

#include <vector>

namespace evenkeel::data {

enum class Split : std::uint8_t { train, test };

/// Images and labels in memory.
class ArrayDataset : public Dataset {
 public:
  /// images: image after image, C H W bytes each. Throws if the sizes do not fit, or for a label that is not in
  /// [0, num_classes), naming its index. `name` starts the error texts.
  ArrayDataset(std::vector<std::uint8_t> images, std::vector<std::uint8_t> labels, const Shape& image_shape,
               std::int64_t num_classes, std::string_view name = "ArrayDataset");
  /// A copy of all images of another set, prepared by all threads. Throws for more than 256 classes, and for a label
  /// that is not in [0, num_classes), naming its index.
  explicit ArrayDataset(const Dataset& source);

  std::int64_t size() const override { return static_cast<std::int64_t>(labels_.size()); }
  std::int64_t num_classes() const override { return num_classes_; }
  Shape image_shape() const override { return image_shape_; }
  std::int64_t read(std::int64_t index, std::span<std::uint8_t> image) const override;

 private:
  std::vector<std::uint8_t> images_, labels_;
  Shape image_shape_;
  std::int64_t num_classes_;
};

}  // namespace evenkeel::data
