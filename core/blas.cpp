#include "core/blas.hpp"

#include "core/error.hpp"
#include "core/parallel.hpp"

#include <cblas.h>

#include <algorithm>
#include <limits>

namespace evenkeel {
namespace {

/// Multiply-adds below which a product is not split. They take a few microseconds; a second thread costs about one.
constexpr std::int64_t kMinSplitWork = 200'000;

/// CBLAS takes int; every size and row stride has to fit.
int blas_int(std::int64_t value) {
  require(value <= std::numeric_limits<int>::max(), "gemm", "a size or row stride of ", value,
          " exceeds what BLAS takes");
  return static_cast<int>(value);
}

void call_blas(const GemmDims& d, const float* a, const float* b, float* c) {
  cblas_sgemm(CblasRowMajor, d.trans_a ? CblasTrans : CblasNoTrans, d.trans_b ? CblasTrans : CblasNoTrans,
              blas_int(d.m), blas_int(d.n), blas_int(d.k), static_cast<float>(d.alpha), a, blas_int(d.lda), b,
              blas_int(d.ldb), static_cast<float>(d.beta), c, blas_int(d.ldc));
}

void call_blas(const GemmDims& d, const double* a, const double* b, double* c) {
  cblas_dgemm(CblasRowMajor, d.trans_a ? CblasTrans : CblasNoTrans, d.trans_b ? CblasTrans : CblasNoTrans,
              blas_int(d.m), blas_int(d.n), blas_int(d.k), d.alpha, a, blas_int(d.lda), b, blas_int(d.ldb), d.beta, c,
              blas_int(d.ldc));
}

/// C = beta C, without reading C where beta is 0.
template <class T>
void scale_rows(const GemmDims& d, T* c) {
  const T beta = static_cast<T>(d.beta);
  for (std::int64_t i = 0; i < d.m; ++i) {
    T* row = c + i * d.ldc;
    std::transform(row, row + d.n, row, [beta](T value) { return beta == T(0) ? T(0) : beta * value; });
  }
}

/// Length of the blocks that the longer side of C is cut into; depends on the sizes only.
std::int64_t split_block(const GemmDims& d) {
  const std::int64_t length = std::max(d.m, d.n);
  if (static_cast<double>(d.m) * static_cast<double>(d.n) * static_cast<double>(d.k) < double{kMinSplitWork}) {
    return length;
  }
  const std::int64_t quarter = (length / 4 + 15) / 16 * 16;
  return std::clamp<std::int64_t>(quarter, 16, 256);
}

}  // namespace

template <class T>
void gemm(const GemmDims& dims, const T* a, const T* b, T* c) {
  // One level of threads, ours: several may call BLAS at once, each call stays in its thread.
  static const bool single_threaded = (openblas_set_num_threads(1), true);
  static_cast<void>(single_threaded);

  GemmDims d = dims;
  d.lda = d.lda != 0 ? d.lda : (d.trans_a ? d.m : d.k);
  d.ldb = d.ldb != 0 ? d.ldb : (d.trans_b ? d.k : d.n);
  d.ldc = d.ldc != 0 ? d.ldc : d.n;
  require(d.m >= 0 && d.n >= 0 && d.k >= 0, "gemm", "negative size: m ", d.m, ", n ", d.n, ", k ", d.k);
  if (d.m == 0 || d.n == 0) {
    return;
  }
  if (d.k == 0) {
    scale_rows(d, c);
    return;
  }
  const bool by_columns = d.n >= d.m;
  parallel_for(0, by_columns ? d.n : d.m, split_block(d), [&](std::int64_t first, std::int64_t last) {
    GemmDims part = d;
    if (by_columns) {
      part.n = last - first;
      call_blas(part, a, b + first * (d.trans_b ? d.ldb : 1), c + first);
    } else {
      part.m = last - first;
      call_blas(part, a + first * (d.trans_a ? 1 : d.lda), b, c + first * d.ldc);
    }
  });
}

template void gemm(const GemmDims&, const float*, const float*, float*);
template void gemm(const GemmDims&, const double*, const double*, double*);

}  // namespace evenkeel
