#pragma once

#include "evenkeel/nn/module.hpp"

#include <optional>

namespace evenkeel::nn {

struct EmbeddingOptions {
  std::optional<std::int64_t> padding_idx = {};  ///< negative: from the back
};

/// y = weight[x]: a row for each of num_embeddings symbols.
///   x: (*) int64 in [0, num_embeddings), y: (*, embedding_dim), weight: (num_embeddings, embedding_dim)
/// The weight starts normal with mean 0 and deviation 1, drawn from `generator`; row padding_idx starts as 0, and its
/// gradient is 0, so that training leaves it alone.
class Embedding : public Layer {
 public:
  using Options = EmbeddingOptions;
  Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, Generator& generator,
            EmbeddingOptions options = {});
  /// With given values, which are shared, not copied: PyTorch's from_pretrained with freeze = false.
  explicit Embedding(const Array& weight, EmbeddingOptions options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<Embedding>(num_embeddings, embedding_dim, unused_generator(), Options{padding_idx});
  }
  Tensor forward(const Tensor& x) override;
  void reset_parameters(Generator& generator);

  const std::int64_t num_embeddings, embedding_dim;
  const std::optional<std::int64_t> padding_idx;  ///< not negative
  Tensor& weight;
};

}  // namespace evenkeel::nn
