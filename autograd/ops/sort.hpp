#pragma once

#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel {

// Over x of any dtype; the gradient of values goes to x's elements at indices. Equal elements keep their order, always
// (PyTorch: with stable = true only). NaN counts as larger than any number, as PyTorch's: it comes last, or first where
// descending.

/// The elements in ascending (descending) order along dim.
ValuesAndIndices sort(const Tensor& x, std::int64_t dim = -1, bool descending = false);
/// The indices of sort.
Tensor argsort(const Tensor& x, std::int64_t dim = -1, bool descending = false);
/// The k largest (smallest) elements along dim, the largest (smallest) first; with `sorted` false in the order in which
/// they stand in x. Of equal ones the first. Throws unless 0 <= k <= the size of dim.
ValuesAndIndices topk(const Tensor& x, std::int64_t k, std::int64_t dim = -1, bool largest = true, bool sorted = true);

}  // namespace evenkeel
