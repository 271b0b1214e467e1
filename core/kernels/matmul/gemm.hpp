#pragma once

#include "evenkeel/core/kernels/simd/isa.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace evenkeel {

/// C (m, n) = alpha op(A) op(B) + beta C, all row-major; op(A) is (m, k), op(B) is (k, n).
struct GemmDims {
  std::int64_t m = 0, n = 0, k = 0;
  bool trans_a = false;                    ///< A is stored (k, m)
  bool trans_b = false;                    ///< B is stored (n, k)
  std::int64_t lda = 0, ldb = 0, ldc = 0;  ///< row strides in elements; 0: the row length as stored
  double alpha = 1, beta = 0;
};

/// How a product is computed: by OpenBLAS, or as own_gemm.hpp tells.
enum class GemmAlgorithm { blas, panels, transposed_panels, dots, row_sums };

/// dots needs rows of A and columns of B that are contiguous, row_sums rows of B, transposed_panels beta = 0.
bool gemm_suits(GemmAlgorithm algorithm, const GemmDims& dims);

/// OpenBLAS's name for the core whose kernels it took when the program started: "Haswell", "Cooperlake", ... It may be
/// older than the machine's, where the machine is newer than OpenBLAS; OPENBLAS_CORETYPE chooses another.
std::string blas_core();
/// The instruction set that OpenBLAS uses for such a core: avx512, avx2 (with FMA3), or sse2 for all others.
Isa isa_of_blas(std::string_view core);

/// The choice among those that suit, by measured rates; depends on the sizes, on the active instruction set, and on the
/// one that OpenBLAS uses.
GemmAlgorithm choose_gemm(const GemmDims& dims);
/// The same for given instruction sets, ours and OpenBLAS's.
GemmAlgorithm choose_gemm(const GemmDims& dims, Isa ours, Isa blas);

/// Matrix product, split over blocks of C among the threads of parallel_for; the order of each sum depends on the sizes
/// only, so the result does not depend on the thread count. With beta = 0, C may be uninitialised (NaN in it never
/// leaks); k = 0 gives beta C. bias (n), if not null, is added to every row; beta must be 0 then. T is float or double;
/// of more than 32768 steps (4096 of row_sums), float's are summed in blocks, which are added up in double.
template <class T>
void gemm(const GemmDims& dims, const T* a, const T* b, T* c, const T* bias = nullptr);
/// The same by a given algorithm, for tests and measurements; throws if it does not suit.
template <class T>
void gemm(GemmAlgorithm algorithm, const GemmDims& dims, const T* a, const T* b, T* c, const T* bias = nullptr);

}  // namespace evenkeel
