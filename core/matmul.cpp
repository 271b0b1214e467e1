#include "evenkeel/core/matmul.hpp"

#include "evenkeel/core/kernels/matmul/gemm.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>

namespace evenkeel {
namespace {

/// One side of a product as BLAS wants it: rows contiguous, or columns contiguous (a transposed view, used as it is).
struct Operand {
  Array array;  // rank >= 2
  bool transposed = false;
  std::int64_t row_stride = 0;
};

Operand as_operand(const Array& x) {
  const int rank = x.rank();
  const std::int64_t rows = x.shape()[rank - 2];
  const std::int64_t columns = x.shape()[rank - 1];
  const std::int64_t down = x.strides()[rank - 2];
  const std::int64_t across = x.strides()[rank - 1];
  if (across == 1 && down >= std::max<std::int64_t>(columns, 1)) {
    return {x, false, down};
  }
  if (down == 1 && across >= std::max<std::int64_t>(rows, 1)) {
    return {x, true, across};
  }
  return {x.contiguous(), false, std::max<std::int64_t>(columns, 1)};
}

/// Element offset of matrix `index` (row-major over `batch`) in an operand whose own batch dims broadcast to `batch`.
std::int64_t matrix_offset(const Operand& operand, const Shape& batch, std::int64_t index) {
  std::int64_t offset = 0;
  int dim = operand.array.rank() - 3;
  for (int i = batch.rank() - 1; i >= 0 && dim >= 0; --i, --dim) {
    const std::int64_t coordinate = index % batch[i];
    index /= batch[i];
    if (operand.array.shape()[dim] != 1) {
      offset += coordinate * operand.array.strides()[dim];
    }
  }
  return offset;
}

Shape batch_shape(const Array& x) {
  return Shape(std::span<const std::int64_t>(x.shape().begin(), static_cast<std::size_t>(x.rank() - 2)));
}

/// Both of rank >= 2.
Array multiply_matrices(const Array& a, const Array& b) {
  const std::int64_t m = a.size(-2);
  const std::int64_t k = a.size(-1);
  const std::int64_t n = b.size(-1);
  if (b.rank() == 2 && a.rank() > 2) {  // one tall product instead of many short ones
    Shape shape = a.shape();
    shape[a.rank() - 1] = n;
    const Shape rows{numel(batch_shape(a)) * m, k};
    return multiply_matrices(a.reshape(rows), b).reshape(shape);
  }
  const Shape batch = broadcast_shapes(batch_shape(a), batch_shape(b), "matmul");
  Shape shape = batch;
  shape.push_back(m);
  shape.push_back(n);
  Array y = Array::empty(shape, a.dtype());
  const Operand left = as_operand(a);
  const Operand right = as_operand(b);
  const GemmDims dims{.m = m,
                      .n = n,
                      .k = k,
                      .trans_a = left.transposed,
                      .trans_b = right.transposed,
                      .lda = left.row_stride,
                      .ldb = right.row_stride};
  if (y.numel() == 0) {
    return y;
  }
  dispatch_float(a.dtype(), "matmul", [&]<class T>() {
    const T* pa = left.array.data<T>();
    const T* pb = right.array.data<T>();
    T* py = y.mutable_data<T>();
    const std::int64_t grain = grain_of(m * n * k, 500'000);
    parallel_for(0, numel(batch), grain, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        gemm<T>(dims, pa + matrix_offset(left, batch, i), pb + matrix_offset(right, batch, i), py + i * m * n);
      }
    });
  });
  return y;
}

}  // namespace

Array matmul(const Array& a, const Array& b) {
  require<ShapeError>(a.rank() >= 1 && b.rank() >= 1, "matmul",
                      "both arguments to matmul need to be at least 1D, but they are ", a.rank(), "D and ", b.rank(),
                      "D");
  require<DtypeError>(a.dtype() == b.dtype(), "matmul", "both arguments must have one dtype, got ", a.dtype(), " and ",
                      b.dtype());
  require<DtypeError>(is_floating(a.dtype()), "matmul", "dtype must be float32 or float64, got ", a.dtype());
  const Array left = a.rank() == 1 ? a.unsqueeze(0) : a;
  const Array right = b.rank() == 1 ? b.unsqueeze(1) : b;
  require<ShapeError>(left.size(-1) == right.size(-2), "matmul", "mat1 and mat2 shapes cannot be multiplied (",
                      a.shape(), " and ", b.shape(), ")");
  Array y = multiply_matrices(left, right);
  if (b.rank() == 1) {
    y = y.squeeze(-1);
  }
  return a.rank() == 1 ? y.squeeze(b.rank() == 1 ? -1 : -2) : y;
}

}  // namespace evenkeel
