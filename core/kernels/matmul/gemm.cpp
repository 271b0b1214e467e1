#include "evenkeel/core/kernels/matmul/gemm.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/kernels/matmul/blas.hpp"
#include "evenkeel/core/kernels/matmul/own_gemm.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

namespace evenkeel {
namespace {

template <class T>
kernels::GemmJob<T> own_job(const GemmDims& d, const T* a, const T* b, T* c, const T* bias) {
  return {.m = d.m,
          .n = d.n,
          .k = d.k,
          .a = a,
          .a_row = d.trans_a ? 1 : d.lda,
          .a_step = d.trans_a ? d.lda : 1,
          .b = b,
          .b_step = d.trans_b ? 1 : d.ldb,
          .b_column = d.trans_b ? d.ldb : 1,
          .c = c,
          .ldc = d.ldc,
          .alpha = static_cast<T>(d.alpha),
          .beta = static_cast<T>(d.beta),
          .bias = bias};
}

/// Row strides of 0 become the stored row's length, and a side that is one vector of consecutive elements becomes a row
/// of A or a column of B with consecutive elements.
GemmDims stored_dims(GemmDims d) {
  require(d.m >= 0 && d.n >= 0 && d.k >= 0, "gemm", "negative size: m ", d.m, ", n ", d.n, ", k ", d.k);
  d.lda = d.lda != 0 ? d.lda : (d.trans_a ? d.m : d.k);
  d.ldb = d.ldb != 0 ? d.ldb : (d.trans_b ? d.k : d.n);
  d.ldc = d.ldc != 0 ? d.ldc : d.n;
  if (d.m == 1 && d.trans_a && d.lda == 1) {
    d.trans_a = false;
    d.lda = d.k;
  }
  if (d.n == 1 && !d.trans_b && d.ldb == 1) {
    d.trans_b = true;
    d.ldb = d.k;
  }
  return d;
}

}  // namespace

namespace {

/// How many steps float32 adds up, and how long the blocks are that more steps are cut into, whose sums are added up in
/// double: a lane then takes 128 or 256 steps one after the other. The extra work is a twentieth at most.
struct Steps {
  std::int64_t most, block;
};

template <class T>
Steps steps_of(GemmAlgorithm algorithm) {
  if (!std::is_same_v<T, float>) {
    constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
    return {kAny, kAny};
  }
  constexpr std::int64_t kMost = 32768, kMostInOrder = 4096;
  switch (algorithm) {
    case GemmAlgorithm::row_sums:  // one after the other in any case; memory bounds it
      return {kMostInOrder, 128};
    case GemmAlgorithm::dots:  // side by side in a register
      return {kMost, 1024};
    default:  // have blocks of their own, whose sums are added up in T
      return {kMost, 256};
  }
}

/// gemm in blocks of `steps` steps, for so many rows of C at a time that the sums stay small.
template <class T>
void add_blocks(GemmAlgorithm algorithm, std::int64_t steps, const GemmDims& d, const kernels::GemmJob<T>& job) {
  constexpr std::int64_t kSums = std::int64_t{1} << 20;
  const std::int64_t rows = std::clamp<std::int64_t>(kSums / d.n, 1, d.m);
  kernels::Workspace<T> product(rows * d.n);
  kernels::Workspace<double> sums(rows * d.n);
  for (std::int64_t row = 0; row < d.m; row += rows) {
    GemmDims part = d;
    part.m = std::min(rows, d.m - row);
    part.ldc = d.n;
    part.beta = 0;
    std::fill_n(sums.data(), part.m * d.n, 0.0);
    for (std::int64_t first = 0; first < d.k; first += steps) {
      part.k = std::min(steps, d.k - first);
      gemm<T>(algorithm, part, job.a + row * job.a_row + first * job.a_step, job.b + first * job.b_step,
              product.data());
      parallel_for(0, part.m * d.n, kElementGrain, [&](std::int64_t begin, std::int64_t end) {
        std::transform(sums.data() + begin, sums.data() + end, product.data() + begin, sums.data() + begin,
                       [](double sum, T value) { return sum + double{value}; });
      });
    }
    for (std::int64_t i = 0; i < part.m; ++i) {
      T* c = job.c + (row + i) * job.ldc;
      for (std::int64_t j = 0; j < d.n; ++j) {
        const double start = job.bias != nullptr ? double{job.bias[j]} : job.beta != T(0) ? double{job.beta * c[j]} : 0;
        c[j] = static_cast<T>(start + sums.data()[i * d.n + j]);
      }
    }
  }
}

}  // namespace

bool gemm_suits(GemmAlgorithm algorithm, const GemmDims& dims) {
  const GemmDims d = stored_dims(dims);
  switch (algorithm) {
    case GemmAlgorithm::transposed_panels:
      return d.beta == 0;
    case GemmAlgorithm::dots:
      return !d.trans_a && d.trans_b;
    case GemmAlgorithm::row_sums:
      return !d.trans_b;
    default:
      return true;
  }
}

namespace {

/// Elements of an operand that stays in the second-level cache.
constexpr std::int64_t kSmallOperand = std::int64_t{1} << 18;

/// Whether OpenBLAS's kernels for `blas` are faster than ours: those for AVX-512 multiply small matrices unpacked.
/// Where its set is older than ours, all products are ours: on a Xeon of 2023 Debian's 0.3.21 takes kernels of 2004
/// (30 GFLOP/s of 173). Rates as below, ours / OpenBLAS.
bool blas_is_faster(const GemmDims& d, Isa ours, Isa blas) {
  constexpr std::int64_t kSmall = 3'500'000, kLarge = 500'000'000;
  const std::int64_t work = d.m * d.n * d.k, least = std::min(d.m, d.n);
  if (ours == Isa::sse2 || ours == Isa::generic) {
    return true;
  }
  if (blas == Isa::avx512) {  // 12x256x784: 105 / 116; 10x256x128: 98 / 111; 256x16x784: 83 / 107
    const bool small = work <= kSmall && std::max({d.m * d.n, d.m * d.k, d.k * d.n}) <= kSmallOperand;
    return small && least > 1 && (!d.trans_b || d.m <= 32 || d.n <= 16);  // 4x784x256: 102 / 111; 64x256x128: 104 / 83
  }
  // 256x16x784: 81 / 85; 256x10x128: 63 / 73; 1024x1024x1024: 97 / 100, with A transposed 91 / 97.
  return blas == Isa::avx2 && ours == Isa::avx2 &&
         ((d.k > 6 && d.k <= 32 && least >= 12 && d.m * d.n <= kSmallOperand) || work >= kLarge);
}

}  // namespace

/// Rates: m x k x n, GFLOP/s of one Zen 4 core (118 at most) in float32, of the algorithms in the order that they are
/// named in; with AVX2; with AVX-512. Linear's forward has B transposed, its weight gradient A.
GemmAlgorithm choose_gemm(const GemmDims& dims, Isa ours, Isa blas) {
  const GemmDims d = stored_dims(dims);
  const bool avx512 = ours == Isa::avx512;
  const auto suits = [&](GemmAlgorithm algorithm) { return gemm_suits(algorithm, d); };
  if (blas_is_faster(d, ours, blas)) {
    return GemmAlgorithm::blas;
  }
  if (std::min(d.m, d.n) <= 12 && suits(GemmAlgorithm::dots)) {
    return GemmAlgorithm::dots;  // dots, panels of x W^T 3x784x256: 100, 33; 76, 38; 12x784x256: 103, 69; 102, 81
  }
  const bool large = d.k * d.n > kSmallOperand;  // B, which each tile of rows reads anew
  const std::int64_t few_rows = !large ? 2 : avx512 ? 3 : 8, few_steps = d.m <= 12 ? 12 : avx512 ? 10 : 6;
  if ((d.m <= few_rows || d.k <= few_steps) && suits(GemmAlgorithm::row_sums)) {
    return GemmAlgorithm::row_sums;  // row_sums, panels of 1x256x784: 45, 23; 48, 22; 256x4x784: 55, 42; 79, 44
  }
  // x W^T by dots, panels, transposed panels: 16x784x256: 96, 77, 97; 102, 87, 107; 20x784x256: 101, 81, 85; 102, 91,
  // 65; 48x256x128: 94, 96, 105; 83, 104, 109; 64x1024x1024: 100, 96, 101; 104, 101, 107
  if (d.trans_b && d.n > d.m && d.m <= 64) {
    const bool whole = d.m % (avx512 ? 16 : 8) == 0 && suits(GemmAlgorithm::transposed_panels);
    const bool lasting = d.k >= 512 && d.m * d.k < kSmallOperand / 2 && suits(GemmAlgorithm::dots);
    if (lasting && !(avx512 && whole)) {
      return GemmAlgorithm::dots;
    }
    if (whole) {
      return GemmAlgorithm::transposed_panels;
    }
  }
  return GemmAlgorithm::panels;  // 256x256x784: 111; 113; x W^T 256x784x256: 106; 111; 1000x1000x1000: 98; 101
}

GemmAlgorithm choose_gemm(const GemmDims& dims) {
  static const Isa blas = isa_of_blas(blas_core());
  return choose_gemm(dims, active_isa(), blas);
}

template <class T>
void gemm(const GemmDims& dims, const T* a, const T* b, T* c, const T* bias) {
  const GemmDims d = stored_dims(dims);
  if (d.n == 1 && d.m > 1 && d.trans_a && d.ldc == 1 && bias == nullptr) {  // C^T is a row, A's rows are added
    GemmDims row{.m = 1, .n = d.m, .k = d.k, .lda = d.ldb, .ldb = d.lda, .alpha = d.alpha, .beta = d.beta};
    row.trans_a = !d.trans_b;
    gemm(choose_gemm(row), row, b, a, c, bias);
  } else {
    gemm(choose_gemm(d), d, a, b, c, bias);
  }
}

template <class T>
void gemm(GemmAlgorithm algorithm, const GemmDims& dims, const T* a, const T* b, T* c, const T* bias) {
  const GemmDims d = stored_dims(dims);
  require(bias == nullptr || d.beta == 0, "gemm", "expected beta 0 beside a bias, got ", d.beta);
  require(gemm_suits(algorithm, d), "gemm", "the algorithm does not suit these operands");
  if (d.m == 0 || d.n == 0) {
    return;
  }
  if (d.k == 0) {
    kernels::start_rows(d, bias, c);
    return;
  }
  const kernels::GemmJob<T> job = own_job(d, a, b, c, bias);
  if (const Steps steps = steps_of<T>(algorithm); d.k > steps.most) {
    add_blocks(algorithm, steps.block, d, job);
    return;
  }
  switch (algorithm) {
    case GemmAlgorithm::panels:
      return kernels::OwnGemm<T>::panels(job);
    case GemmAlgorithm::transposed_panels:
      return kernels::OwnGemm<T>::transposed_panels(job);
    case GemmAlgorithm::dots:
      return kernels::OwnGemm<T>::dots(job);
    case GemmAlgorithm::row_sums:
      return kernels::OwnGemm<T>::row_sums(job);
    case GemmAlgorithm::blas:
      return kernels::blas_gemm(d, a, b, c, bias);
  }
}

template void gemm(const GemmDims&, const float*, const float*, float*, const float*);
template void gemm(const GemmDims&, const double*, const double*, double*, const double*);
template void gemm(GemmAlgorithm, const GemmDims&, const float*, const float*, float*, const float*);
template void gemm(GemmAlgorithm, const GemmDims&, const double*, const double*, double*, const double*);

}  // namespace evenkeel
