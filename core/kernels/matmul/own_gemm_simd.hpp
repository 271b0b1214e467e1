#pragma once

#include "evenkeel/core/kernels/matmul/own_gemm.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"

namespace evenkeel::kernels {
namespace simd::gemm {

/// Rows of x and y per tile; 32 registers hold more sums than 16.
template <class Arch>
inline constexpr int kFew = Set<Arch, float>::kRegisters >= 32 ? 4 : 2;
inline constexpr int kMany = 4;
/// Steps per pass over C, whose factors stay in registers.
template <class Arch>
inline constexpr int kSteps = Set<Arch, float>::kRegisters >= 32 ? 8 : 4;

template <class Arch, class T, int kX, int kY>
void dot_tile(const DotProducts<T>& job, std::int64_t few, std::int64_t many) {
  using L = Loop<Arch, T>;
  using V = typename L::V;
  const T* x = job.x + few * job.x_stride;
  const T* y = job.y + many * job.y_stride;
  V sum[kX][kY], column[kY];
  for (int i = 0; i < kX * kY; ++i) {
    sum[i / kY][i % kY] = V(T(0));
  }
  L::each(job.steps, [&](std::int64_t k, auto tag) {
    for (int j = 0; j < kY; ++j) {
      column[j] = L::load(y + j * job.y_stride + k, tag);
    }
    for (int i = 0; i < kX; ++i) {
      const V row = L::load(x + i * job.x_stride + k, tag);
      for (int j = 0; j < kY; ++j) {
        sum[i][j] = fma(row, column[j], sum[i][j]);
      }
    }
  });
  for (int i = 0; i < kX; ++i) {
    for (int j = 0; j < kY; ++j) {
      T* c = job.c + (few + i) * job.c_few + (many + j) * job.c_many;
      *c = (job.accumulate ? *c : T(0)) + job.alpha * lane_sum(sum[i][j]);
    }
  }
}

template <class Arch, class T, int kY>
void dot_rows(const DotProducts<T>& job, std::int64_t many) {
  std::int64_t few = 0;
  if constexpr (kFew<Arch> == 4) {
    for (; few + 4 <= job.few; few += 4) {
      dot_tile<Arch, T, 4, kY>(job, few, many);
    }
  }
  for (; few + 2 <= job.few; few += 2) {
    dot_tile<Arch, T, 2, kY>(job, few, many);
  }
  if (few < job.few) {
    dot_tile<Arch, T, 1, kY>(job, few, many);
  }
}

/// kR rows of C from `row` on gain kK products per element, from step `first` on.
template <class Arch, class T, int kR, int kK>
void add_tile(const RowSums<T>& job, std::int64_t row, std::int64_t first, bool accumulate) {
  using L = Loop<Arch, T>;
  using V = typename L::V;
  const T* b = job.b + first * job.b_step;
  T* c = job.c + row * job.ldc;
  V factor[kR][kK], sum[kR];
  for (int i = 0; i < kR; ++i) {
    for (int k = 0; k < kK; ++k) {
      factor[i][k] = V(job.alpha * job.a[(row + i) * job.a_row + (first + k) * job.a_step]);
    }
  }
  L::each_once(job.columns, [&](std::int64_t j, Some count) {
    for (int i = 0; i < kR; ++i) {
      sum[i] = accumulate ? L::load(c + i * job.ldc + j, count) : V(T(0));
    }
    for (int k = 0; k < kK; ++k) {
      const V value = L::load(b + k * job.b_step + j, count);
      for (int i = 0; i < kR; ++i) {
        sum[i] = fma(factor[i][k], value, sum[i]);
      }
    }
    for (int i = 0; i < kR; ++i) {
      L::store(c + i * job.ldc + j, sum[i], count);
    }
  });
}

/// All rows of C gain kK products per element.
template <class Arch, class T, int kK>
void add_steps(const RowSums<T>& job, std::int64_t first) {
  const bool accumulate = job.accumulate || first > 0;
  std::int64_t row = 0;
  for (; row + 2 <= job.rows; row += 2) {
    add_tile<Arch, T, 2, kK>(job, row, first, accumulate);
  }
  if (row < job.rows) {
    add_tile<Arch, T, 1, kK>(job, row, first, accumulate);
  }
}

}  // namespace simd::gemm

template <class Arch, class T>
void OwnGemmKernels<Arch, T>::dots(const DotProducts<T>& job) {
  std::int64_t many = 0;
  for (; many + simd::gemm::kMany <= job.many; many += simd::gemm::kMany) {
    simd::gemm::dot_rows<Arch, T, simd::gemm::kMany>(job, many);
  }
  for (; many < job.many; ++many) {
    simd::gemm::dot_rows<Arch, T, 1>(job, many);
  }
}

template <class Arch, class T>
void OwnGemmKernels<Arch, T>::add_rows(const RowSums<T>& job) {
  constexpr int kMost = simd::gemm::kSteps<Arch>;
  std::int64_t first = 0;
  for (; first + kMost <= job.steps; first += kMost) {
    simd::gemm::add_steps<Arch, T, kMost>(job, first);
  }
  if (kMost == 8 && first + 4 <= job.steps) {
    simd::gemm::add_steps<Arch, T, 4>(job, first);
    first += 4;
  }
  if (first + 2 <= job.steps) {
    simd::gemm::add_steps<Arch, T, 2>(job, first);
    first += 2;
  }
  if (first < job.steps) {
    simd::gemm::add_steps<Arch, T, 1>(job, first);
  }
}

}  // namespace evenkeel::kernels
