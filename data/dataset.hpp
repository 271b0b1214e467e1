#pragma once

#include "evenkeel/core/shape.hpp"

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace evenkeel::data {

/// A set of labelled uint8 images of one shape (C, H, W). Thread-safe to read.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::int64_t size() const = 0;
  virtual std::int64_t num_classes() const = 0;
  virtual Shape image_shape() const = 0;
  /// Writes image `index` (C H W bytes, row-major) and returns its label. Throws for an index outside [0, size()).
  virtual std::int64_t read(std::int64_t index, std::span<std::uint8_t> image) const = 0;
};

/// For implementations of read(): throws, naming `op`, unless index and buffer size fit the set.
void check_read(std::string_view op, const Dataset& dataset, std::int64_t index, std::size_t bytes);

/// A set that another object keeps: one with a name is referred to and must outlive the object, a temporary is moved in
/// and owned, one held by a shared_ptr is shared. What keeps a set takes one of these, which any Dataset becomes:
///   DataLoader loader(load_mnist(folder, Split::test), {.batch_size = 4});
class KeptDataset {
 public:
  KeptDataset(const Dataset& dataset) : dataset_(std::shared_ptr<void>(), &dataset) {}
  KeptDataset(const Dataset&&) = delete;  // of unknown class: it can't be moved in
  template <class D, class = std::enable_if_t<std::derived_from<D, Dataset> && !std::is_abstract_v<D>>>
  KeptDataset(D&& dataset) : dataset_(std::make_shared<std::remove_const_t<D>>(std::forward<D>(dataset))) {}
  /// Throws for null.
  KeptDataset(std::shared_ptr<const Dataset> dataset);

  const Dataset& operator*() const { return *dataset_; }
  const Dataset* operator->() const { return dataset_.get(); }

 private:
  std::shared_ptr<const Dataset> dataset_;
};

/// The first `count` images of another set (all of them if it has fewer), which it keeps.
class Subset : public Dataset {
 public:
  Subset(KeptDataset base, std::int64_t count);
  std::int64_t size() const override { return size_; }
  std::int64_t num_classes() const override { return base_->num_classes(); }
  Shape image_shape() const override { return base_->image_shape(); }
  std::int64_t read(std::int64_t index, std::span<std::uint8_t> image) const override;

 private:
  KeptDataset base_;
  std::int64_t size_;
};

}  // namespace evenkeel::data
