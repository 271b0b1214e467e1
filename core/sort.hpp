#pragma once

#include "evenkeel/core/array.hpp"

namespace evenkeel {

struct SortedArray {
  Array values, indices;  ///< indices: int64, of the values in x along dim
};

/// The first k elements of every row of x along dim, in ascending or descending order; with `sorted` false the same
/// ones in the order in which they stand in x. Equal elements keep their order (of those that do not all fit into k,
/// the first are taken). NaN counts as larger than any number, false as smaller than true. Throws unless k lies in
/// [0, size].
SortedArray sort_rows(const Array& x, std::int64_t dim, std::int64_t k, bool descending, bool sorted = true);

}  // namespace evenkeel
