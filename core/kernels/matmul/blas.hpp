#pragma once

#include "evenkeel/core/kernels/matmul/gemm.hpp"

namespace evenkeel::kernels {

/// gemm by OpenBLAS, over blocks of C's rows or columns, whichever are more, among the threads of parallel_for. While
/// it lasts OpenBLAS itself has one thread. Row strides as stored, no size 0; throws ShapeError where one exceeds int.
template <class T>
void blas_gemm(const GemmDims& dims, const T* a, const T* b, T* c, const T* bias);

/// C = beta C, without reading C where beta is 0, or the bias in every row.
template <class T>
void start_rows(const GemmDims& dims, const T* bias, T* c);

}  // namespace evenkeel::kernels
