#include "evenkeel/nn/flatten.hpp"

#include "evenkeel/autograd/ops/shape.hpp"

namespace evenkeel::nn {

Tensor Flatten::forward(const Tensor& x) { return flatten(x, start_dim, end_dim); }

}  // namespace evenkeel::nn
