#pragma once

#include "evenkeel/core/shape.hpp"

#include <cstdint>
#include <span>
#include <string_view>

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

/// The first `count` images of another set (all of them if it has fewer). Keeps a reference to it.
class Subset : public Dataset {
 public:
  Subset(const Dataset& base, std::int64_t count);
  std::int64_t size() const override { return size_; }
  std::int64_t num_classes() const override { return base_.num_classes(); }
  Shape image_shape() const override { return base_.image_shape(); }
  std::int64_t read(std::int64_t index, std::span<std::uint8_t> image) const override;

 private:
  const Dataset& base_;
  std::int64_t size_;
};

}  // namespace evenkeel::data
