#pragma once

#include "evenkeel/core/random.hpp"
#include "evenkeel/data/dataset.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace evenkeel::examples {

/// Images of another set, picked and ordered by their indices, which it keeps.
class Selection : public data::Dataset {
 public:
  Selection(data::KeptDataset base, std::vector<std::int64_t> indices);
  std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
  std::int64_t num_classes() const override { return base_->num_classes(); }
  Shape image_shape() const override { return base_->image_shape(); }
  std::int64_t read(std::int64_t index, std::span<std::uint8_t> image) const override;

 private:
  data::KeptDataset base_;
  std::vector<std::int64_t> indices_;
};

/// The indices of the images whose label is at least `first` and below `last`.
std::vector<std::int64_t> with_labels(const data::Dataset& dataset, std::int64_t first, std::int64_t last);

/// An order in which every `labels * copies` images in a row have `labels` labels, `copies` times each: batches that
/// are no fair sample of the set. Which labels meet and which images come is drawn; images that are left over at the
/// end are not listed.
std::vector<std::int64_t> few_labels_at_a_time(const data::Dataset& dataset, std::int64_t labels, std::int64_t copies,
                                               Generator& generator);

}  // namespace evenkeel::examples
