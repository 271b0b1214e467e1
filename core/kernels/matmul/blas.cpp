#include "evenkeel/core/kernels/matmul/blas.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/parallel.hpp"

#include <cblas.h>

#include <algorithm>
#include <array>
#include <limits>
#include <mutex>
#include <pthread.h>
#include <thread>

namespace evenkeel {

std::string blas_core() { return openblas_get_corename(); }

Isa isa_of_blas(std::string_view core) {
  constexpr std::array<std::string_view, 3> kAvx512{"SkylakeX", "Cooperlake", "SapphireRapids"};
  constexpr std::array<std::string_view, 2> kAvx2{"Haswell", "Zen"};
  if (std::find(kAvx512.begin(), kAvx512.end(), core) != kAvx512.end()) {
    return Isa::avx512;
  }
  return std::find(kAvx2.begin(), kAvx2.end(), core) != kAvx2.end() ? Isa::avx2 : Isa::sse2;
}

namespace kernels {
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

/// Length of the blocks that the longer side of C is cut into; depends on the sizes only.
std::int64_t split_block(const GemmDims& d) {
  const std::int64_t length = std::max(d.m, d.n);
  if (static_cast<double>(d.m) * static_cast<double>(d.n) * static_cast<double>(d.k) < double{kMinSplitWork}) {
    return length;
  }
  const std::int64_t quarter = round_up(length / 4, 16);
  return std::clamp<std::int64_t>(quarter, 16, 256);
}

}  // namespace

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

template <class T>
void blas_gemm(const GemmDims& d, const T* a, const T* b, T* c, const T* bias) {
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

template void start_rows(const GemmDims&, const float*, float*);
template void start_rows(const GemmDims&, const double*, double*);
template void blas_gemm(const GemmDims&, const float*, const float*, float*, const float*);
template void blas_gemm(const GemmDims&, const double*, const double*, double*, const double*);

}  // namespace kernels
}  // namespace evenkeel
