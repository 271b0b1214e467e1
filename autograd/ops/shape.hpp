#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <vector>

namespace evenkeel {

// Views share storage with their input where Array's do; the gradient takes the way back.

Tensor reshape(const Tensor& x, const Shape& shape);
Tensor flatten(const Tensor& x, std::int64_t start_dim = 0, std::int64_t end_dim = -1);
Tensor transpose(const Tensor& x, std::int64_t dim0, std::int64_t dim1);
Tensor permute(const Tensor& x, const Dims& dims);
Tensor slice(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t stop, std::int64_t step = 1);
Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index);
Tensor expand(const Tensor& x, const Shape& shape);
Tensor squeeze(const Tensor& x);
Tensor squeeze(const Tensor& x, std::int64_t dim);
Tensor unsqueeze(const Tensor& x, std::int64_t dim);
Tensor contiguous(const Tensor& x);
Tensor clone(const Tensor& x);
/// The adjoint of expand: sums over the axes along which `shape` was stretched.
Tensor sum_to(const Tensor& x, const Shape& shape);

Tensor cat(const std::vector<Tensor>& tensors, std::int64_t dim = 0);
Tensor stack(const std::vector<Tensor>& tensors, std::int64_t dim = 0);
/// (before, after) pairs from the last dim backwards, as torch.nn.functional.pad with mode "constant".
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& padding, double value = 0);

}  // namespace evenkeel
