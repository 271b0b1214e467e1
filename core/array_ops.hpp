#pragma once

#include "evenkeel/core/array.hpp"

#include <vector>

namespace evenkeel {

/// Joins arrays of equal dtype and rank, equal sizes but in `dim`.
Array concat_arrays(const std::vector<Array>& arrays, std::int64_t dim);
/// Rows `index` (int64, rank 1) of x along dim.
Array index_select(const Array& x, std::int64_t dim, const Array& index);
/// target.index_select(dim, index) += source; repeated indices add up.
void index_add_(Array& target, std::int64_t dim, const Array& index, const Array& source);
/// out[i][j][k] = x[i][index[i][j][k]][k] for dim = 1, and so on: torch.gather. index: int64.
Array gather(const Array& x, std::int64_t dim, const Array& index);
/// The adjoint of gather: target[i][index[i][j][k]][k] += source[i][j][k].
void scatter_add_(Array& target, std::int64_t dim, const Array& index, const Array& source);
/// Adds `value` around x; `padding` as torch.nn.functional.pad: (before, after) pairs from the last dim backwards.
/// Negative padding crops.
Array pad(const Array& x, const std::vector<std::int64_t>& padding, double value = 0);

}  // namespace evenkeel
