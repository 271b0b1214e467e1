#pragma once

#include "evenkeel/core/array.hpp"
#include "evenkeel/core/kernels/reduce/reduce.hpp"

namespace evenkeel {

/// A functor F of kernels::ReduceOps, as the driver needs to know it.
struct ReduceOp {
  std::size_t op, merge_op;
  std::int64_t terms;
  double identity;
};

template <class F>
ReduceOp reduce_op() {
  using kernels::ReduceOps;
  return {ReduceOps::index_of<F>(), ReduceOps::index_of<typename F::MergeOp>(), F::kTerms, F::kIdentity};
}

/// Reduces x (float32 or float64) over `dims`, which are normalized (none: over no dim). The result is a float64 array
/// of shape (terms, results), the results in row-major order of the dims that stay. `m`, if defined, holds a number for
/// every result in float64, with the shape of x but 1 at `dims`. Nothing is rounded to float32 on the way, and the
/// order of additions depends on the sizes only, never on the number of threads.
Array reduce_dims(const ReduceOp& r, const Array& x, const Dims& dims, const Array& m = {});

}  // namespace evenkeel
