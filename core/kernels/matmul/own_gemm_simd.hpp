#pragma once

#include "evenkeel/core/kernels/matmul/own_gemm.hpp"
#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"

namespace evenkeel::kernels {
namespace simd::gemm {

/// Rows of x and y per tile; 32 registers hold more sums than 16.
template <class Arch>
inline constexpr int kFew = Set<Arch, float>::kRegisters >= 32 ? 4 : 3;
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
  V sum[kX][kY];
  for (int i = 0; i < kX * kY; ++i) {
    sum[i / kY][i % kY] = V(T(0));
  }
  L::each(job.steps, [&](std::int64_t k, auto tag) {
    V row[kX];
    for (int i = 0; i < kX; ++i) {
      row[i] = L::load(x + i * job.x_stride + k, tag);
    }
    for (int j = 0; j < kY; ++j) {
      const V column = L::load(y + j * job.y_stride + k, tag);
      for (int i = 0; i < kX; ++i) {
        sum[i][j] = fma(row[i], column, sum[i][j]);
      }
    }
  });
  for (int i = 0; i < kX; ++i) {
    T total[kY];
    if constexpr (kY == 4) {
      lane_sums(sum[i], total);
    } else {
      total[0] = lane_sum(sum[i][0]);
    }
    T* c = job.c + (few + i) * job.c_few + many * job.c_many;
    for (int j = 0; j < kY; ++j) {
      c[j * job.c_many] = (job.accumulate ? c[j * job.c_many] : T(0)) + job.alpha * total[j];
    }
  }
}

template <class Arch, class T, int kX, int kY>
void dot_height(const DotProducts<T>& job, std::int64_t few, std::int64_t many, std::int64_t height) {
  if constexpr (kX > 1) {
    if (height < kX) {
      return dot_height<Arch, T, kX - 1, kY>(job, few, many, height);
    }
  }
  dot_tile<Arch, T, kX, kY>(job, few, many);
}

template <class Arch, class T, int kY>
void dot_rows(const DotProducts<T>& job, std::int64_t many) {
  std::int64_t few = 0;
  while (few < job.few) {
    const std::int64_t height = job.few - few < kFew<Arch> ? job.few - few : kFew<Arch>;
    dot_height<Arch, T, kFew<Arch>, kY>(job, few, many, height);
    few += height;
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

/// C = alpha sums + what C starts from; `first` is the tile's first row.
template <class Arch, class T, int kRows, int kSegments>
[[gnu::always_inline]] inline void store_tile(const TileProduct<T>& job, std::int64_t first,
                                              const Batch<Arch, T> (&sum)[kRows][kSegments]) {
  using L = Loop<Arch, T>;
  using V = typename L::V;
  const V alpha(job.alpha), beta(job.beta);
  T* c = job.c + first * job.ldc;
  if (job.beta == T(0) && job.bias == nullptr && job.row_bias == nullptr && job.columns == kSegments * L::kWidth) {
    for (int i = 0; i < kRows; ++i, c += job.ldc) {  // with few steps, twice as fast as what follows
      for (int s = 0; s < kSegments; ++s) {
        L::store(c + s * L::kWidth, alpha * sum[i][s], Whole());
      }
    }
    return;
  }
  V bias[kSegments];
  for (int s = 0; s < kSegments; ++s) {
    bias[s] = job.bias != nullptr ? L::load(job.bias + s * L::kWidth, Some{job.columns - s * L::kWidth}) : V(T(0));
  }
  for (int i = 0; i < kRows; ++i, c += job.ldc) {
    const V row_bias(job.row_bias != nullptr ? job.row_bias[first + i] : T(0));
    for (int s = 0; s < kSegments; ++s) {
      const Some count{job.columns - s * L::kWidth};
      const V start = job.beta != T(0) ? beta * L::load(c + s * L::kWidth, count) : bias[s] + row_bias;
      L::store(c + s * L::kWidth, fma(alpha, sum[i][s], start), count);
    }
  }
}

/// Rows [first, first + kRows) of C. kCopy: the registers of b are stored to job.copy, too, which costs little beside
/// the products. With strides for both factors it gains, over the tile of panels.hpp with its tables, where rows
/// are few: 32x256x784 with AVX2 86 to 104 GFLOP/s, 12x128x256 95 to 105.
template <class Arch, class T, int kRows, int kSegments, bool kCopy>
void multiply_tile(const TileProduct<T>& job, std::int64_t first) {
  using V = Batch<Arch, T>;
  constexpr std::int64_t kWidth = kLanes<Arch, T>;
  const std::int64_t row = job.a_packed ? 1 : job.a_row, step = job.a_packed ? kRows : job.a_step;
  const T* const start = job.a + first * (job.a_packed ? job.steps : job.a_row);
  const T* a[kRows];
  V sum[kRows][kSegments];
  for (int i = 0; i < kRows; ++i) {
    a[i] = start + i * row;
    if constexpr (Set<Arch, T>::kRegisters > 16) {  // 256x256x256: 112.3 to 113.6 GFLOP/s; with AVX2 113.4 to 111.7
      __builtin_prefetch(job.c + (first + i) * job.ldc, 1);
    }
    for (int s = 0; s < kSegments; ++s) {
      sum[i][s] = V(T(0));
    }
  }
  [[maybe_unused]] constexpr int kAhead = 16;
  const T* b = job.b;
  T* copy = job.copy;
  std::int64_t at = 0;
  const auto add_step = [&]() __attribute__((always_inline)) {
    V column[kSegments];
    for (int s = 0; s < kSegments; ++s) {
      column[s] = V::load_unaligned(b + s * kWidth);
      if constexpr (kCopy) {
        __builtin_prefetch(b + kAhead * job.b_step + s * kWidth);
        column[s].store_aligned(copy + s * kWidth);
      }
    }
    for (int i = 0; i < kRows; ++i) {
      const V factor(a[i][at]);
      for (int s = 0; s < kSegments; ++s) {
        sum[i][s] = fma(factor, column[s], sum[i][s]);
      }
    }
    at += step;
    b += job.b_step;
    copy += kCopy ? kSegments * kWidth : 0;
  };
  std::int64_t left = job.steps;
  for (; left >= 4; left -= 4) {
    add_step();
    add_step();
    add_step();
    add_step();
  }
  for (; left > 0; --left) {
    add_step();
  }
  store_tile<Arch, T, kRows, kSegments>(job, first, sum);
}

/// A first tile that copies is one of two at least, so more than half as high as can be.
template <class Arch, class T, int kRows, int kSegments, bool kCopy>
void multiply_height(const TileProduct<T>& job, std::int64_t first, std::int64_t height) {
  if constexpr (kRows > (kCopy ? PanelTile<Arch, T>::rows / 2 + 1 : 1)) {
    if (height < kRows) {
      return multiply_height<Arch, T, kRows - 1, kSegments, kCopy>(job, first, height);
    }
  }
  multiply_tile<Arch, T, kRows, kSegments, kCopy>(job, first);
}

template <class Arch, class T, int kSegments>
void multiply_rows(TileProduct<T> job) {
  constexpr int kMost = PanelTile<Arch, T>::rows;
  std::int64_t row = 0;
  if (job.copy != nullptr) {
    row = tile_height(job.rows, kMost);
    multiply_height<Arch, T, kMost, kSegments, true>(job, 0, row);
    job.b = job.copy;
    job.b_step = kSegments * kLanes<Arch, T>;
  }
  while (row < job.rows) {
    const std::int64_t height = tile_height(job.rows - row, kMost);
    multiply_height<Arch, T, kMost, kSegments, false>(job, row, height);
    row += height;
  }
}

template <class Arch, class T, int kRows>
void pack_height(const T* a, std::int64_t a_step, std::int64_t steps, std::int64_t height, T* tile) {
  if constexpr (kRows > 1) {
    if (height < kRows) {
      return pack_height<Arch, T, kRows - 1>(a, a_step, steps, height, tile);
    }
  }
  for (std::int64_t k = 0; k < steps; ++k) {
    __builtin_memcpy(tile + k * kRows, a + k * a_step, kRows * sizeof(T));
  }
}

}  // namespace simd::gemm

template <class Arch, class T>
void OwnGemmKernels<Arch, T>::pack_rows(const RowPacking<T>& job) {
  constexpr int kMost = PanelTile<Arch, T>::rows;
  constexpr std::int64_t kTogether = 16;  // steps, so that both sides are read and written in whole cache lines
  for (std::int64_t k = 0; k < job.steps; k += kTogether) {
    const std::int64_t steps = job.steps - k < kTogether ? job.steps - k : kTogether;
    for (std::int64_t row = 0; row < job.rows;) {
      const std::int64_t height = tile_height(job.rows - row, kMost);
      simd::gemm::pack_height<Arch, T, kMost>(job.a + row + k * job.a_step, job.a_step, steps, height,
                                              job.packed + row * job.steps + k * height);
      row += height;
    }
  }
}

template <class Arch, class T>
void OwnGemmKernels<Arch, T>::pack_columns(const ColumnPacking<T>& job) {
  using L = simd::Loop<Arch, T>;
  for (std::int64_t k = 0; k < job.steps; ++k) {
    for (std::int64_t j = 0; j < job.width; j += L::kWidth) {
      L::load(job.b + k * job.b_step + j, simd::Some{job.columns - j}).store_aligned(job.panel + k * job.width + j);
    }
  }
}

template <class Arch, class T>
void OwnGemmKernels<Arch, T>::multiply(const TileProduct<T>& job) {
  if (job.segments == 3) {
    simd::gemm::multiply_rows<Arch, T, 3>(job);
  } else if (job.segments == 2) {
    simd::gemm::multiply_rows<Arch, T, 2>(job);
  } else {
    simd::gemm::multiply_rows<Arch, T, 1>(job);
  }
}

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
