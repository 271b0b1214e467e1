#pragma once

#include <cstdint>

namespace evenkeel {

/// C (m, n) = alpha op(A) op(B) + beta C, all row-major; op(A) is (m, k), op(B) is (k, n).
struct GemmDims {
  std::int64_t m = 0, n = 0, k = 0;
  bool trans_a = false;                    ///< A is stored (k, m)
  bool trans_b = false;                    ///< B is stored (n, k)
  std::int64_t lda = 0, ldb = 0, ldc = 0;  ///< row strides in elements; 0: the row length as stored
  double alpha = 1, beta = 0;
};

/// Matrix product through CBLAS, split over rows or columns of C among the threads of parallel_for; the split depends
/// on the sizes only, so the result does not depend on the thread count. With beta = 0, C may be uninitialised (NaN in
/// it never leaks); k = 0 gives beta C. T is float or double.
template <class T>
void gemm(const GemmDims& dims, const T* a, const T* b, T* c);

}  // namespace evenkeel
