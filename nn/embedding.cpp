#include "evenkeel/nn/embedding.hpp"

#include "evenkeel/autograd/ops/index.hpp"
#include "evenkeel/nn/init.hpp"

namespace evenkeel::nn {
namespace {

Array empty_table(std::int64_t rows, std::int64_t columns) {
  require(rows >= 0 && columns >= 0, "Embedding", "num_embeddings and embedding_dim must not be negative, got ", rows,
          " and ", columns);
  return Array::empty({rows, columns});
}

const Array& checked_table(const Array& weight) {
  require<ShapeError>(weight.defined() && weight.rank() == 2, "Embedding", "the weight must have 2 dims, got ",
                      weight.defined() ? concat("shape ", weight.shape()) : "an undefined array");
  return weight;
}

std::optional<std::int64_t> checked_padding(std::optional<std::int64_t> row, std::int64_t rows) {
  require(!row || (*row >= -rows && *row < rows), "Embedding", "padding_idx must be within num_embeddings = ", rows,
          ", got ", row.value_or(0));
  return row && *row < 0 ? *row + rows : row;
}

}  // namespace

Embedding::Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, Generator& generator,
                     EmbeddingOptions options)
    : Embedding(empty_table(num_embeddings, embedding_dim), options) {
  reset_parameters(generator);
}

Embedding::Embedding(const Array& weight, EmbeddingOptions options)
    : num_embeddings(checked_table(weight).size(0)),
      embedding_dim(weight.size(1)),
      padding_idx(checked_padding(options.padding_idx, num_embeddings)),
      weight(parameter("weight", weight)) {}

void Embedding::reset_parameters(Generator& generator) {
  init::normal_(weight, generator);
  if (padding_idx) {
    weight.mutable_array().select(0, *padding_idx).fill_(0);
  }
}

std::string Embedding::extra_repr() const {
  const std::string padding = padding_idx ? concat(", padding_idx=", *padding_idx) : "";
  return concat(num_embeddings, ", ", embedding_dim, padding);
}

Tensor Embedding::forward(const Tensor& x) { return embedding(x, weight, padding_idx); }

}  // namespace evenkeel::nn
