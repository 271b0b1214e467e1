#pragma once

#include "evenkeel/core/array.hpp"

namespace evenkeel {

// What softmax is made of, for losses that need its values only while they compute something else. (softmax itself is
// declared in core/reduce.hpp.) "Runs" are the lines of x along dim, in the order of x's shape without dim.

struct SoftmaxStatistics {
  Array largest;  ///< max x of each run, in x's dtype
  Array total;    ///< sum exp(x - max x) of each run, float64; NaN where the run has a NaN
};
SoftmaxStatistics softmax_statistics(const Array& x, int dim);

/// y = exp(x - largest) scale - shift with one number of each per run, in x's dtype.
Array scaled_exponentials(const Array& x, int dim, const Array& largest, const Array& scale, const Array& shift);

}  // namespace evenkeel
