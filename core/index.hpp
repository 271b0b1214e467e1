#pragma once

#include "evenkeel/core/array.hpp"

#include <string_view>
#include <vector>

namespace evenkeel {

// Elements by their indices (int64, from 0; negative ones are out of range here). What is written or added to one
// element several times is so in the order of the indices: the last value stays, and sums have the same bits always.

/// Rows `index` (int64, rank 1) of x along dim. `op`, here and below: what an error begins with.
Array index_select(const Array& x, std::int64_t dim, const Array& index, std::string_view op = "index_select");
/// target.index_select(dim, index) += source; repeated indices add up.
void index_add_(Array& target, std::int64_t dim, const Array& index, const Array& source,
                std::string_view op = "index_add_");
/// out[i][j][k] = x[i][index[i][j][k]][k] for dim = 1, and so on: torch.gather. index: int64.
Array gather(const Array& x, std::int64_t dim, const Array& index);
/// target[i][index[i][j][k]][k] = source[i][j][k] for dim = 1, and so on: torch.scatter.
void scatter_(Array& target, std::int64_t dim, const Array& index, const Array& source,
              std::string_view op = "scatter_");
/// The adjoint of gather: target[i][index[i][j][k]][k] += source[i][j][k].
void scatter_add_(Array& target, std::int64_t dim, const Array& index, const Array& source,
                  std::string_view op = "scatter_add_");

/// The indices of all elements that are not 0 (NaN is not), in row-major order: one list per dim of x.
std::vector<std::vector<std::int64_t>> nonzero_lists(const Array& x);
/// The same as rows: int64, (elements, rank of x).
Array nonzero(const Array& x);

/// Elements that lists name together: entry b stands for all elements whose index in dim dims[i] is lists[i][b]. What
/// is picked has in place of these dims, or in front where they are not neighbours, a part of shape `shape`, whose
/// elements are the entries in row-major order.
struct Picks {
  Dims dims;  ///< ascending, at least one
  std::vector<std::vector<std::int64_t>> lists;
  Shape shape;

  /// Where `shape` begins among the dims of what is picked.
  int place() const;
  /// The shape of what is picked from an array of that shape.
  Shape picked_from(const Shape& x) const;
};
/// A row of indices may count from the back: i in [-size, 0) becomes i + size. Throws for what is out of [-size, size),
/// naming `op` and dim.
std::vector<std::int64_t> wrapped_indices(const Array& index, std::int64_t size, int dim, std::string_view op);

/// The picked elements: x[..., lists, ...].
Array pick(const Array& x, const Picks& picks);
/// target[..., lists, ...] = values, which broadcast to picked_from(target.shape()) and have target's dtype.
void put_(Array& target, const Picks& picks, const Array& values);
/// target[..., lists, ...] += values; entries that are named several times add up.
void put_add_(Array& target, const Picks& picks, const Array& values);
/// Of picks.shape, bool: no later entry names the same elements of an array of shape x. What put_ wrote of the others
/// is gone.
Array last_entries(const Picks& picks, const Shape& x);

}  // namespace evenkeel
