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

}  // namespace evenkeel::nn
