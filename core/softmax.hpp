#pragma once

#include "evenkeel/core/array.hpp"

namespace evenkeel {

/// softmax(x)_i = exp(x_i - max x) / sum_j exp(x_j - max x) along dim, and its logarithm.
Array softmax(const Array& x, std::int64_t dim);
Array log_softmax(const Array& x, std::int64_t dim);
/// dx = y (dy - sum(dy y)) for y = softmax(x).
Array softmax_gradient(const Array& dy, const Array& y, std::int64_t dim);
/// dx = dy - exp(y) sum(dy) for y = log_softmax(x).
Array log_softmax_gradient(const Array& dy, const Array& y, std::int64_t dim);

// What softmax is made of, for losses that need its values only while they compute something else. "Runs" are the lines
// of x along dim, in the order of x's shape without dim.

struct SoftmaxStatistics {
  Array largest;  ///< max x of each run, in x's dtype
  Array total;    ///< sum exp(x - max x) of each run, float64; NaN where the run has a NaN
};
SoftmaxStatistics softmax_statistics(const Array& x, int dim);

/// y = exp(x - largest) scale - shift with one number of each per run, in x's dtype.
Array scaled_exponentials(const Array& x, int dim, const Array& largest, const Array& scale, const Array& shift);

}  // namespace evenkeel
