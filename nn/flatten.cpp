#include "evenkeel/nn/flatten.hpp"

#include "evenkeel/autograd/ops/rearrange.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

Tensor Flatten::forward(const Tensor& x) { return flatten(x, start_dim, end_dim); }

std::string Unflatten::extra_repr() const { return concat("dim=", dim, ", unflattened_size=", repr(unflattened_size)); }

Tensor Unflatten::forward(const Tensor& x) { return unflatten(x, dim, unflattened_size); }

}  // namespace evenkeel::nn
