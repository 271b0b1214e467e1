#include "evenkeel/core/reduce_block.hpp"

#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <array>

namespace evenkeel {
namespace {

using kernels::ReduceTarget;

constexpr std::int64_t kColumns = 1024;    // columns per unit of work: their sums stay in the first cache
constexpr std::int64_t kEnoughUnits = 16;  // with so many units, rows need not be split for the threads' sake

/// A contiguous x[outer][count][inner], reduced over `count`.
struct Block {
  std::int64_t outer, count, inner;
};

/// How a block is cut into units of work.
struct Cut {
  std::int64_t rows, columns;              // per unit
  std::int64_t row_chunks, column_chunks;  // per outer
};

Cut cut(const Block& block) {
  Cut c{};
  c.columns = std::min(block.inner, kColumns);
  c.column_chunks = kernels::ceil_div(block.inner, c.columns);
  const bool whole = block.inner > 1 && block.outer * c.column_chunks >= kEnoughUnits;
  c.rows = whole ? block.count : std::max<std::int64_t>(kElementGrain / c.columns, 16);
  c.row_chunks = kernels::ceil_div(block.count, c.rows);
  return c;
}

const double* advance(const double* p, std::int64_t n) { return p == nullptr ? nullptr : p + n; }

/// One unit's results, to out[term][outer][row chunk][inner].
template <class T>
void reduce_unit(std::size_t op, const Block& block, const Cut& c, std::int64_t unit, const T* x, const double* m,
                 double* out) {
  const std::int64_t column = unit % c.column_chunks * c.columns;
  const std::int64_t chunk = unit / c.column_chunks;  // of all outers
  const std::int64_t outer = chunk / c.row_chunks;
  const std::int64_t first = chunk % c.row_chunks * c.rows;
  const std::int64_t rows = std::min(c.rows, block.count - first);
  const std::int64_t columns = std::min(c.columns, block.inner - column);
  const T* from = x + (outer * block.count + first) * block.inner + column;
  const ReduceTarget target{advance(m, outer * block.inner + column), out + chunk * block.inner + column,
                            block.outer * c.row_chunks * block.inner};
  if (block.inner == 1) {
    kernels::reduce_rows(op, 1, rows, from, target);
  } else {
    kernels::reduce_columns(op, rows, columns, block.inner, from, target);
  }
}

/// The float64 results [term][outer][inner] of a block that is not empty; m: [outer][inner] or null.
template <class T>
Array reduce_block(const ReduceOp& r, const Block& block, const T* x, const double* m) {
  const Cut c = cut(block);
  Array partial = Array::empty({r.terms, block.outer * c.row_chunks * block.inner}, DType::float64);
  double* out = partial.mutable_data<double>();
  if (block.inner == 1 && c.row_chunks == 1) {
    const std::int64_t grain = grain_of(block.count);
    parallel_for(0, block.outer, grain, [&](std::int64_t first, std::int64_t last) {
      kernels::reduce_rows(r.op, last - first, block.count, x + first * block.count,
                           ReduceTarget{advance(m, first), out + first, block.outer});
    });
    return partial;
  }
  const std::int64_t work = std::min(c.rows, block.count) * c.columns;
  const std::int64_t grain = grain_of(work);
  parallel_for(0, block.outer * c.row_chunks * c.column_chunks, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t unit = first; unit < last; ++unit) {
      reduce_unit(r.op, block, c, unit, x, m, out);
    }
  });
  if (c.row_chunks == 1) {
    return partial;
  }
  const ReduceOp merge{r.merge_op, r.merge_op, 1, r.identity};
  return reduce_block<double>(merge, {r.terms * block.outer, c.row_chunks, block.inner}, out, nullptr);
}

/// Neighbouring dims that are all reduced or all kept, as one size; alternating, dims of size 1 left out.
struct Segments {
  std::array<std::int64_t, Shape::kMaxRank> sizes{};
  std::array<bool, Shape::kMaxRank> reduced{};
  std::size_t count = 0;
};

bool contains(const Dims& dims, int d) { return std::find(dims.begin(), dims.end(), d) != dims.end(); }

Segments segments(const Shape& shape, const Dims& dims) {
  Segments s;
  for (int d = 0; d < shape.rank(); ++d) {
    const bool reduce = contains(dims, d);
    if (shape[d] == 1) {
      continue;
    }
    if (s.count > 0 && s.reduced[s.count - 1] == reduce) {
      s.sizes[s.count - 1] *= shape[d];
    } else {
      s.sizes[s.count] = shape[d];
      s.reduced[s.count++] = reduce;
    }
  }
  return s;
}

/// The innermost reduced segment as a block; the segments that stay are left in `s`.
Block take_innermost(Segments& s) {
  Block block{1, 1, 1};
  std::size_t last = s.count;
  while (last > 0 && !s.reduced[last - 1]) {
    block.inner *= s.sizes[--last];
  }
  if (last == 0) {
    return block;
  }
  block.count = s.sizes[--last];
  for (std::size_t i = 0; i < last; ++i) {
    block.outer *= s.sizes[i];
  }
  s.sizes[last] = block.inner;
  s.reduced[last] = false;
  s.count = last + 1;
  return block;
}

/// The shape after reducing only the innermost run of reduced dims, kept as 1.
Shape shape_after_innermost(Shape shape, const Dims& dims) {
  int d = shape.rank() - 1;
  for (; d >= 0 && (shape[d] == 1 || !contains(dims, d)); --d) {
  }
  for (; d >= 0 && (shape[d] == 1 || contains(dims, d)); --d) {
    shape[d] = 1;
  }
  return shape;
}

}  // namespace

Array reduce_dims(const ReduceOp& r, const Array& x, const Dims& dims, const Array& m) {
  if (x.numel() == 0) {
    return Array::full({r.terms, numel(reduced_shape(x.shape(), dims, true))}, r.identity, DType::float64);
  }
  Segments s = segments(x.shape(), dims);
  const Block first = take_innermost(s);
  const Array numbers = m.defined() ? m.expand(shape_after_innermost(x.shape(), dims)).contiguous() : m;
  const double* pm = m.defined() ? numbers.data<double>() : nullptr;
  const Array values = x.contiguous();
  Array result =
      dispatch_float(x.dtype(), "reduce", [&]<class T>() { return reduce_block(r, first, values.data<T>(), pm); });
  // The outer runs of reduced dims, if any, reduce the few partial results.
  const ReduceOp merge{r.merge_op, r.merge_op, 1, r.identity};
  while (std::find(s.reduced.begin(), s.reduced.begin() + static_cast<std::ptrdiff_t>(s.count), true) !=
         s.reduced.begin() + static_cast<std::ptrdiff_t>(s.count)) {
    Block block = take_innermost(s);
    block.outer *= r.terms;
    result = reduce_block(merge, block, result.data<double>(), nullptr);
  }
  return result.reshape({r.terms, result.numel() / r.terms});
}

}  // namespace evenkeel
