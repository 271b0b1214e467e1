#include "evenkeel/data/array_dataset.hpp"

#include "evenkeel/core/parallel.hpp"

#include <algorithm>

namespace evenkeel::data {

ArrayDataset::ArrayDataset(std::vector<std::uint8_t> images, std::vector<std::uint8_t> labels, const Shape& image_shape,
                           std::int64_t num_classes, std::string_view name)
    : images_(std::move(images)), labels_(std::move(labels)), image_shape_(image_shape), num_classes_(num_classes) {
  const std::int64_t bytes = numel(image_shape_, name);
  require(image_shape_.rank() == 3 && bytes > 0, name, "image_shape must be (channels, height, width), none 0, got ",
          image_shape_);
  require(static_cast<std::int64_t>(images_.size()) == size() * bytes, name, images_.size(),
          " bytes of images of shape ", image_shape_, " (", bytes, " bytes each) do not fit ", size(), " labels");
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    require(labels_[i] < num_classes_, name, "label ", static_cast<int>(labels_[i]), " of image ", i,
            " is out of range, expected less than ", num_classes_);
  }
}

ArrayDataset::ArrayDataset(const Dataset& source)
    : image_shape_(source.image_shape()), num_classes_(source.num_classes()) {
  require(num_classes_ <= 256, "ArrayDataset", "num_classes must be at most 256, got ", num_classes_);
  const std::int64_t bytes = numel(image_shape_);
  labels_.resize(static_cast<std::size_t>(source.size()));
  images_.resize(static_cast<std::size_t>(source.size() * bytes));
  constexpr std::int64_t kImagesPerChunk = 64;
  parallel_for(0, source.size(), kImagesPerChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::span image(images_.data() + i * bytes, static_cast<std::size_t>(bytes));
      const std::int64_t label = source.read(i, image);
      require(label >= 0 && label < num_classes_, "ArrayDataset", "label ", label, " of image ", i,
              " is out of range, expected at least 0 and less than ", num_classes_);
      labels_[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(label);
    }
  });
}

std::int64_t ArrayDataset::read(std::int64_t index, std::span<std::uint8_t> image) const {
  check_read("ArrayDataset", *this, index, image.size());
  const auto i = static_cast<std::size_t>(index);
  std::copy_n(images_.begin() + static_cast<std::ptrdiff_t>(i * image.size()), image.size(), image.begin());
  return labels_[i];
}

}  // namespace evenkeel::data
