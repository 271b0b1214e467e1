#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <optional>

namespace evenkeel {

// Elements by int64 indices, which count from 0 (no negative ones, but in indexing.hpp). Index tensors get no gradient.
// Where several values come to one element, they do in the order of the indices: sums have the same bits always, the
// last of those that replace each other stays and it alone gets the gradient (PyTorch leaves both open).

/// The rows `index` (rank 1) of x along dim.
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index);
/// x with the rows of `source` added to its rows `index` (rank 1) along dim. source has x's shape, in dim index's size.
Tensor index_add(Tensor x, std::int64_t dim, const Tensor& index, const Tensor& source);
/// y[i][j][k] = x[i][index[i][j][k]][k] for dim = 1, and so on. index: x's rank, apart from dim no larger than x.
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index);
/// x with y[i][index[i][j][k]][k] = source[i][j][k] for dim = 1, and so on. index: the rank of both, no larger than
/// source and, apart from dim, x; source's dtype is x's.
Tensor scatter(Tensor x, std::int64_t dim, const Tensor& index, const Tensor& source);
/// The same with one number for all of index.
Tensor scatter(Tensor x, std::int64_t dim, const Tensor& index, double value);
/// x with y[i][index[i][j][k]][k] += source[i][j][k] for dim = 1, and so on; shapes as those of scatter.
Tensor scatter_add(Tensor x, std::int64_t dim, const Tensor& index, const Tensor& source);

/// The indices of all elements that are not 0, in row-major order: int64, (elements, rank of x). No gradient.
Tensor nonzero(const Tensor& x);
/// The elements of x where `mask` (bool) is true, in row-major order, rank 1. Both broadcast to one shape.
Tensor masked_select(const Tensor& x, const Tensor& mask);

/// y[..., index[...]] = 1, all others 0: int64 of shape (*, num_classes) for an index of shape (*). -1 classes: as many
/// as the largest index asks for. No gradient.
Tensor one_hot(const Tensor& index, std::int64_t num_classes = -1);
/// y[...] = weight[index[...]]: (*, embedding_dim) for an index of shape (*) and a weight of shape (num_embeddings,
/// embedding_dim). The gradient of row `padding_idx` (negative: from the back) is 0. There is no max_norm, no
/// scale_grad_by_freq, and no sparse gradient.
Tensor embedding(const Tensor& index, const Tensor& weight, std::optional<std::int64_t> padding_idx = {});

}  // namespace evenkeel
