#pragma once

#include "evenkeel/core/array.hpp"

namespace evenkeel {

/// Matrix product with torch.matmul's rules: (n)(n), (n,k)(k), (k)(k,m), (n,k)(k,m), and batches that broadcast.
/// float32 or float64. Throws: rank 0, other or different dtypes, inner sizes or batches that do not fit.
Array matmul(const Array& a, const Array& b);

}  // namespace evenkeel
