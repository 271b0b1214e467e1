#pragma once

#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"

namespace evenkeel::kernels {
namespace simd::conv_panels {

/// Adds the products of one step to the sums; kPacked: b moves on.
template <class Arch, class T, int kRows, int kSegments, bool kPacked>
[[gnu::always_inline]] inline void add_step(const PanelStep& step, const T* const (&a)[kRows], const T* (&b)[kSegments],
                                            Batch<Arch, T> (&sum)[kRows][kSegments]) {
  using V = Batch<Arch, T>;
  V column[kSegments];
  unrolled<kSegments>([&](int s) __attribute__((always_inline)) {
    column[s] = kPacked ? V::load_aligned(b[0] + s * kLanes<Arch, T>) : V::load_unaligned(b[s] + step.b);
  });
  b[0] += kPacked ? kSegments * kLanes<Arch, T> : 0;
  unrolled<kRows>([&](int i) __attribute__((always_inline)) {
    const V factor(a[i][step.a]);
    unrolled<kSegments>([&](int s) __attribute__((always_inline)) { sum[i][s] = fma(factor, column[s], sum[i][s]); });
  });
}

/// The sums are added to what C starts from. A tile without partial registers has code of its own: 3x3
/// with 4 channels per group 50 GFLOP/s instead of 43 with AVX2.
template <class Arch, class T, int kRows, int kSegments>
[[gnu::always_inline]] inline void store_tile(const PanelProduct<T>& job, const PanelSegment* segment,
                                              std::int64_t first, const Batch<Arch, T> (&sum)[kRows][kSegments]) {
  using L = Loop<Arch, T>;
  using V = typename L::V;
  const std::int64_t c_stride = job.c_stride;
  const T* const bias = job.bias != nullptr ? job.bias + first : nullptr;
  bool whole = first + kRows <= job.rows && !job.accumulate;
  T* c[kSegments];
  unrolled<kSegments>([&](int s) __attribute__((always_inline)) {
    whole = whole && segment[s].columns == L::kWidth;
    c[s] = job.c + first * c_stride + segment[s].c;
  });
  if (whole) {
    unrolled<kRows>([&](int i) __attribute__((always_inline)) {
      const V start(bias != nullptr ? bias[i] : T(0));
      unrolled<kSegments>([&](int s) __attribute__((always_inline)) {
        L::store(c[s] + i * c_stride, sum[i][s] + start, Whole());
      });
    });
    return;
  }
  V kept[kRows][kSegments];  // in memory, unlike the sums
  unrolled<kRows * kSegments>([&](int i) __attribute__((always_inline)) {
    kept[i / kSegments][i % kSegments] = sum[i / kSegments][i % kSegments];
  });
  for (int i = 0; i < kRows && first + i < job.rows; ++i) {
    const V start(bias != nullptr ? bias[i] : T(0));
    for (int s = 0; s < kSegments; ++s) {
      T* out = c[s] + i * c_stride;
      const Some count{segment[s].columns};
      L::store(out, kept[i][s] + (job.accumulate ? L::load(out, count) : start), count);
    }
  }
}

/// Rows [first, first + kRows) of C; beyond the last row the last is computed again and dropped.
template <class Arch, class T, int kRows, int kSegments, bool kPacked>
[[gnu::always_inline]] inline void multiply_tile(const PanelProduct<T>& job, const PanelSegment* segment,
                                                 std::int64_t first) {
  using L = Loop<Arch, T>;
  using V = typename L::V;
  constexpr int kChains = kSegments == 1 ? 2 : 1;  // one register per row would wait for its own last product
  const T* a[kRows];
  const T* b[kSegments];
  V sums[kChains][kRows][kSegments];
  unrolled<kSegments>([&](int s) __attribute__((always_inline)) {
    b[s] = kPacked ? job.b + s * kLanes<Arch, T> : job.b + segment[s].b;
  });
  unrolled<kRows>([&](int i) __attribute__((always_inline)) {
    a[i] = job.a + job.a_rows[first + i < job.rows ? first + i : job.rows - 1];
    unrolled<kSegments * kChains>([&](int s) __attribute__((always_inline)) {
      sums[s / kSegments][i][s % kSegments] = V(T(0));
    });
  });
  constexpr bool kPrefetch = kPacked && Set<Arch, T>::kRegisters >= 32;  // gains 1 to 4%; with AVX2 costs 2%
  for (int i = 0; kPrefetch && i < kRows && first + i < job.rows; ++i) {
    for (int s = 0; s < kSegments; ++s) {
      __builtin_prefetch(job.c + (first + i) * job.c_stride + segment[s].c, 1);
    }
  }
  const PanelStep* step = job.steps;
  const PanelStep* const end = step + job.step_count;
  for (; end - step >= kChains; step += kChains) {
    unrolled<kChains>([&](int chain) __attribute__((always_inline)) {
      add_step<Arch, T, kRows, kSegments, kPacked>(step[chain], a, b, sums[chain]);
    });
  }
  if (kChains > 1 && step != end) {
    add_step<Arch, T, kRows, kSegments, kPacked>(*step, a, b, sums[0]);
  }
  V(&sum)[kRows][kSegments] = sums[0];
  if constexpr (kChains > 1) {
    unrolled<kRows>([&](int i) __attribute__((always_inline)) { sum[i][0] = sum[i][0] + sums[kChains - 1][i][0]; });
  }
  store_tile<Arch, T, kRows, kSegments>(job, segment, first, sum);
}

template <class Arch, class T, int kSegments>
void multiply_packed(const PanelProduct<T>& job) {
  constexpr int kRows = PanelTile<Arch, T>::rows;
  std::int64_t first = 0;
  for (; first + kRows / 2 < job.rows; first += kRows) {
    multiply_tile<Arch, T, kRows, kSegments, true>(job, job.segment, first);
  }
  if (first < job.rows) {
    multiply_tile<Arch, T, kRows / 2, kSegments, true>(job, job.segment, first);
  }
}

/// All columns for a tile's rows, in tiles of about equal width.
template <class Arch, class T, int kRows>
void sweep_rows(const PanelProduct<T>& job, const PanelSegment* segment, std::int64_t count, std::int64_t first) {
  static_assert(PanelTile<Arch, T>::segments == 3);
  const std::int64_t tiles = ceil_div(count, 3), narrow = 3 * tiles - count;
  const PanelSegment* const end = segment + count;
  for (const PanelSegment* const last = segment + 3 * (tiles - narrow); segment < last; segment += 3) {
    multiply_tile<Arch, T, kRows, 3, false>(job, segment, first);
  }
  for (; end - segment >= 2; segment += 2) {
    multiply_tile<Arch, T, kRows, 2, false>(job, segment, first);
  }
  if (segment < end) {
    multiply_tile<Arch, T, kRows, 1, false>(job, segment, first);
  }
}

}  // namespace simd::conv_panels

template <class Arch, class T>
void PanelsKernels<Arch, T>::multiply(const PanelProduct<T>& job) {
  if (!job.packed) {
    sweep(job, job.segment, job.segments);
  } else if (job.segments == 3) {
    simd::conv_panels::multiply_packed<Arch, T, 3>(job);
  } else if (job.segments == 2) {
    simd::conv_panels::multiply_packed<Arch, T, 2>(job);
  } else {
    simd::conv_panels::multiply_packed<Arch, T, 1>(job);
  }
}

template <class Arch, class T>
void PanelsKernels<Arch, T>::sweep(const PanelProduct<T>& job, const PanelSegment* segments, std::int64_t count) {
  constexpr int kRows = PanelTile<Arch, T>::rows;
  std::int64_t first = 0;
  for (; first + kRows / 2 < job.rows; first += kRows) {
    simd::conv_panels::sweep_rows<Arch, T, kRows>(job, segments, count, first);
  }
  if (first < job.rows) {
    simd::conv_panels::sweep_rows<Arch, T, kRows / 2>(job, segments, count, first);
  }
}

template <class Arch, class T>
void PanelsKernels<Arch, T>::transpose(const PanelTranspose<T>& job) {
  using Set = simd::Set<Arch, T>;
  constexpr std::int64_t kSide = Set::kSide;
  const std::int64_t columns = job.columns / kSide * kSide, steps = job.steps / kSide * kSide;
  std::int64_t wide_columns = 0, wide_steps = 0;  // in squares of whole registers, where the set has them
  if constexpr (requires { Set::kWideSide; }) {
    constexpr std::int64_t kWide = Set::kWideSide;
    wide_columns = job.columns / kWide * kWide;
    wide_steps = job.steps / kWide * kWide;
    for (std::int64_t j = 0; j < wide_columns; j += kWide) {
      for (std::int64_t k = 0; k < wide_steps; k += kWide) {
        Set::transpose_wide(job.x + j * job.x_stride + k, job.x_stride, job.b + k * job.b_stride + j, job.b_stride);
      }
    }
  }
  // Whole cache lines of b at a time where its rows lie further apart than those of x.
  const std::int64_t group = job.b_stride > job.x_stride ? 4 * kSide : kSide;
  for (std::int64_t first = 0; first < columns; first += group) {
    const std::int64_t last = first + group < columns ? first + group : columns;
    for (std::int64_t k = first < wide_columns ? wide_steps : 0; k < steps; k += kSide) {
      for (std::int64_t j = first; j < last; j += kSide) {
        Set::transpose(job.x + j * job.x_stride + k, job.x_stride, job.b + k * job.b_stride + j, job.b_stride);
      }
    }
  }
  for (std::int64_t j = 0; j < job.width; ++j) {
    for (std::int64_t k = j < columns ? steps : 0; k < job.steps; ++k) {
      job.b[k * job.b_stride + j] = j < job.columns ? job.x[j * job.x_stride + k] : T(0);
    }
  }
}

}  // namespace evenkeel::kernels
