#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

/// Joins dims start_dim..end_dim into one; by default everything but the batch.
class Flatten : public Layer {
 public:
  explicit Flatten(std::int64_t start_dim = 1, std::int64_t end_dim = -1) : start_dim(start_dim), end_dim(end_dim) {}
  std::string extra_repr() const override { return concat("start_dim=", start_dim, ", end_dim=", end_dim); }
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Flatten>(start_dim, end_dim); }
  Tensor forward(const Tensor& x) override;

  const std::int64_t start_dim, end_dim;
};

/// dim as several dims of the given sizes, whose product is its size; one may be -1. The inverse of Flatten.
class Unflatten : public Layer {
 public:
  Unflatten(std::int64_t dim, const Shape& unflattened_size) : dim(dim), unflattened_size(unflattened_size) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<Unflatten>(dim, unflattened_size);
  }
  Tensor forward(const Tensor& x) override;

  const std::int64_t dim;
  const Shape unflattened_size;
};

}  // namespace evenkeel::nn
