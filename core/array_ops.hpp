#pragma once

#include "evenkeel/core/array.hpp"

#include <vector>

namespace evenkeel {

/// Joins arrays of equal dtype and rank, equal sizes but in `dim`.
Array concat_arrays(const std::vector<Array>& arrays, std::int64_t dim);
/// A copy of x with the elements along each of `dims` (normalized) in reverse order.
Array flip(const Array& x, const Dims& dims);
/// Adds `value` around x; `padding` as torch.nn.functional.pad: (before, after) pairs from the last dim backwards.
/// Negative padding crops.
Array pad(const Array& x, const std::vector<std::int64_t>& padding, double value = 0);

}  // namespace evenkeel
