#include "evenkeel/core/kernels/matmul/gemm.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/kernels/matmul/own_gemm.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"
#include "evenkeel/core/parallel.hpp"

#include <cblas.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <pthread.h>
#include <thread>
#include <type_traits>

namespace evenkeel {
namespace {

/// Multiply-adds below which a product is not split. They take a few microseconds; a second thread costs about one.
constexpr std::int64_t kMinSplitWork = 200'000;

/// CBLAS takes int; every size and row stride has to fit.
int blas_int(std::int64_t value) {
  require<ShapeError>(value <= std::numeric_limits<int>::max(), "gemm", "a size or row stride of ", value,
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

/// How many products are under way in all threads, and how many threads OpenBLAS had before the first of them.
struct BlasUse {
  std::mutex mutex;
  int products = 0;
  int threads_before = 1;
};
constinit BlasUse blas_use;

/// While one lives, OpenBLAS stays in the thread that calls it: one level of threads, ours, several of which may call
/// it at once. Afterwards it has the threads that the program gave it. (The count belongs to the process: products that
/// the program asks of OpenBLAS in other threads meanwhile run on one thread, too.)
class SerialBlas {
 public:
  SerialBlas() {
    const std::lock_guard lock(blas_use.mutex);
    if (blas_use.products++ == 0) {
      blas_use.threads_before = openblas_get_num_threads();
      set_threads(1);
    }
  }
  ~SerialBlas() {
    const std::lock_guard lock(blas_use.mutex);
    if (--blas_use.products == 0 && openblas_get_num_threads() == 1) {
      set_threads(blas_use.threads_before);
    }
  }
  SerialBlas(const SerialBlas&) = delete;
  SerialBlas& operator=(const SerialBlas&) = delete;

 private:
  static void set_threads(int count) {
    if (blas_use.threads_before != 1) {
      openblas_set_num_threads(count);
    }
  }
};

/// Waits until no product is under way: OpenBLAS holds locks inside, which a forked child could never open.
void await_products() {
  blas_use.mutex.lock();
  while (blas_use.products > 0) {
    blas_use.mutex.unlock();
    std::this_thread::yield();
    blas_use.mutex.lock();
  }
}
void admit_products() { blas_use.mutex.unlock(); }

[[maybe_unused]] const int fork_handlers = pthread_atfork(await_products, admit_products, admit_products);

/// C = beta C, without reading C where beta is 0, or the bias in every row.
template <class T>
void start_rows(const GemmDims& d, const T* bias, T* c) {
  const T beta = static_cast<T>(d.beta);
  for (std::int64_t i = 0; i < d.m; ++i) {
    T* row = c + i * d.ldc;
    if (bias != nullptr) {
      std::copy_n(bias, d.n, row);
    } else {
      std::transform(row, row + d.n, row, [beta](T value) { return beta == T(0) ? T(0) : beta * value; });
    }
  }
}

/// Length of the blocks that the longer side of C is cut into; depends on the sizes only.
std::int64_t split_block(const GemmDims& d) {
  const std::int64_t length = std::max(d.m, d.n);
  if (static_cast<double>(d.m) * static_cast<double>(d.n) * static_cast<double>(d.k) < double{kMinSplitWork}) {
    return length;
  }
  const std::int64_t quarter = kernels::round_up(length / 4, 16);
  return std::clamp<std::int64_t>(quarter, 16, 256);
}

/// Over rows or columns of C, whichever are more.
template <class T>
void split_blas(const GemmDims& d, const T* a, const T* b, T* c, const T* bias) {
  const SerialBlas serial;
  const bool by_columns = d.n >= d.m;
  parallel_for(0, by_columns ? d.n : d.m, split_block(d), [&](std::int64_t first, std::int64_t last) {
    const T* part_a = by_columns ? a : a + first * (d.trans_a ? 1 : d.lda);
    const T* part_b = by_columns ? b + first * (d.trans_b ? d.ldb : 1) : b;
    T* part_c = by_columns ? c + first : c + first * d.ldc;
    GemmDims part = d;
    (by_columns ? part.n : part.m) = last - first;
    if (bias != nullptr) {
      start_rows(part, by_columns ? bias + first : bias, part_c);
      part.beta = 1;
    }
    call_blas(part, part_a, part_b, part_c);
  });
}

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

/// The first row that holds. Rates: m x k x n, GFLOP/s of one core in float32, ours / OpenBLAS, with AVX-512 (where
/// OpenBLAS uses AVX2) and then with AVX2. Linear's forward has B transposed, its weight gradient A. OpenBLAS keeps
/// what an older machine has to do.
GemmAlgorithm choose_gemm(const GemmDims& dims) {
  const GemmDims d = stored_dims(dims);
  const bool avx512 = active_isa() == Isa::avx512;
  const auto suits = [&](GemmAlgorithm algorithm) { return gemm_suits(algorithm, d); };
  if (active_isa() == Isa::sse2 || active_isa() == Isa::generic) {
    return GemmAlgorithm::blas;
  }
  if (std::min(d.m, d.n) <= 8 && suits(GemmAlgorithm::dots)) {
    return GemmAlgorithm::dots;  // 2x784x256: 117 / 17, 96 / 17; 8x784x256: 214 / 58, 99 / 59
  }
  if ((d.m <= 8 || d.k <= (avx512 ? 8 : 4)) && suits(GemmAlgorithm::row_sums)) {
    return GemmAlgorithm::row_sums;  // 2x256x784: 130 / 19, 83 / 19; 256x2x784: 92 / 47, 58 / 47
  }
  if (d.m <= (avx512 ? 48 : 32) && d.trans_b && d.n > d.m && suits(GemmAlgorithm::transposed_panels)) {
    return GemmAlgorithm::transposed_panels;  // 32x784x256: 217 / 97, 107 / 96; 16x784x256: 187 / 81, 107 / 82
  }
  if (avx512 || d.m <= 32) {
    return GemmAlgorithm::panels;  // 16x256x784: 246 / 91, 122 / 90; 256x784x256: 242 / 120; 1000x1000x1000: 219 / 127
  }
  return GemmAlgorithm::blas;  // 1000x1000x1000 with AVX2: 110 / 121
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
    start_rows(d, bias, c);
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
      return split_blas(d, a, b, c, bias);
  }
}

template void gemm(const GemmDims&, const float*, const float*, float*, const float*);
template void gemm(const GemmDims&, const double*, const double*, double*, const double*);
template void gemm(GemmAlgorithm, const GemmDims&, const float*, const float*, float*, const float*);
template void gemm(GemmAlgorithm, const GemmDims&, const double*, const double*, double*, const double*);

}  // namespace evenkeel
