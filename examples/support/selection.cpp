#include "examples/support/selection.hpp"

#include "evenkeel/core/error.hpp"

#include <algorithm>

namespace evenkeel::examples {

namespace {

/// The indices of each label's images.
std::vector<std::vector<std::int64_t>> by_label(const data::Dataset& dataset) {
  std::vector<std::uint8_t> image(static_cast<std::size_t>(numel(dataset.image_shape())));
  std::vector<std::vector<std::int64_t>> indices(static_cast<std::size_t>(dataset.num_classes()));
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    indices[static_cast<std::size_t>(dataset.read(i, image))].push_back(i);
  }
  return indices;
}

template <class T>
void shuffle(std::vector<T>& values, Generator& generator) {
  for (std::size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[static_cast<std::size_t>(generator.below(static_cast<std::int64_t>(i)))]);
  }
}

}  // namespace

Selection::Selection(data::KeptDataset base, std::vector<std::int64_t> indices)
    : base_(std::move(base)), indices_(std::move(indices)) {}

std::int64_t Selection::read(std::int64_t index, std::span<std::uint8_t> image) const {
  data::check_read("Selection", *this, index, image.size());
  return base_->read(indices_[static_cast<std::size_t>(index)], image);
}

std::vector<std::int64_t> with_labels(const data::Dataset& dataset, std::int64_t first, std::int64_t last) {
  const auto indices = by_label(dataset);
  std::vector<std::int64_t> result;
  for (std::int64_t label = first; label < last; ++label) {
    const auto& more = indices.at(static_cast<std::size_t>(label));
    result.insert(result.end(), more.begin(), more.end());
  }
  return result;
}

std::vector<std::int64_t> few_labels_at_a_time(const data::Dataset& dataset, std::int64_t labels, std::int64_t copies,
                                               Generator& generator) {
  require(labels > 0 && copies > 0, "few_labels_at_a_time", "expected a label and a copy at least, got ", labels,
          " and ", copies);
  auto left = by_label(dataset);
  for (auto& indices : left) {
    shuffle(indices, generator);
  }
  std::vector<std::int64_t> order;
  for (;;) {
    std::vector<std::vector<std::int64_t>*> enough;
    for (auto& indices : left) {
      if (indices.size() >= static_cast<std::size_t>(copies)) {
        enough.push_back(&indices);
      }
    }
    if (enough.size() < static_cast<std::size_t>(labels)) {
      return order;
    }
    shuffle(enough, generator);
    for (std::size_t i = 0; i < static_cast<std::size_t>(labels); ++i) {
      order.insert(order.end(), enough[i]->end() - copies, enough[i]->end());
      enough[i]->resize(enough[i]->size() - static_cast<std::size_t>(copies));
    }
  }
}

}  // namespace evenkeel::examples
