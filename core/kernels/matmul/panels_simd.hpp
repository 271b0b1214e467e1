#pragma once

#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/batch.hpp"

namespace evenkeel::kernels {
namespace simd::conv_panels {

/// Adds the products of one step to the sums; kPacked: b moves on.
template <class Arch, class T, int kRows, int kSegments, bool kPacked>
inline void add_step(const PanelStep& step, const T* const* a, const T** b, Batch<Arch, T> (*sum)[kSegments]) {
  using V = Batch<Arch, T>;
  V column[kSegments];
  for (int s = 0; s < kSegments; ++s) {
    if constexpr (kPacked) {
      column[s] = V::load_aligned(b[0] + s * kLanes<Arch, T>);
    } else {
      column[s] = V::load_unaligned(b[s] + step.b);
    }
  }
  b[0] += kPacked ? kSegments * kLanes<Arch, T> : 0;
  for (int i = 0; i < kRows; ++i) {
    const V factor(a[i][step.a]);
    for (int s = 0; s < kSegments; ++s) {
      sum[i][s] = xsimd::fma(factor, column[s], sum[i][s]);
    }
  }
}

/// Rows [first, first + kRows) of C; beyond the last row the last is computed again and dropped.
template <class Arch, class T, int kRows, int kSegments, bool kPacked>
void multiply_tile(const PanelProduct<T>& job, std::int64_t first) {
  using V = Batch<Arch, T>;
  constexpr int kChains = kSegments == 1 ? 2 : 1;  // one register per row would wait for its own last product
  const T* a[kRows];
  const T* b[kSegments];
  V sums[kChains][kRows][kSegments];
  for (int s = 0; s < kSegments; ++s) {
    b[s] = kPacked ? job.b + s * kLanes<Arch, T> : job.b + job.segment[s].b;
  }
  for (int i = 0; i < kRows; ++i) {
    a[i] = job.a + job.a_rows[first + i < job.rows ? first + i : job.rows - 1];
    for (int s = 0; s < kSegments * kChains; ++s) {
      sums[s / kSegments][i][s % kSegments] = V(T(0));
    }
  }
  const PanelStep* step = job.steps;
  const PanelStep* const end = step + job.step_count;
  for (; end - step >= kChains; step += kChains) {
    for (int chain = 0; chain < kChains; ++chain) {
      add_step<Arch, T, kRows, kSegments, kPacked>(step[chain], a, b, sums[chain]);
    }
  }
  if (kChains > 1 && step != end) {
    add_step<Arch, T, kRows, kSegments, kPacked>(*step, a, b, sums[0]);
  }
  V(&sum)[kRows][kSegments] = sums[0];
  for (int i = 0; i < kRows && kChains > 1; ++i) {
    sum[i][0] = sum[i][0] + sums[kChains - 1][i][0];
  }
  for (int i = 0; i < kRows && first + i < job.rows; ++i) {
    const V bias(job.bias != nullptr ? job.bias[first + i] : T(0));
    for (int s = 0; s < kSegments; ++s) {
      T* c = job.c + (first + i) * job.c_stride + job.segment[s].c;
      const std::int64_t count = job.segment[s].columns;
      if (count == kLanes<Arch, T>) {
        (sum[i][s] + (job.accumulate ? V::load_unaligned(c) : bias)).store_unaligned(c);
      } else {
        store_partial<Arch, T>(sum[i][s] + (job.accumulate ? load_partial<Arch, T>(c, count, T(0)) : bias), c, count);
      }
    }
  }
}

template <class Arch, class T, int kSegments, bool kPacked>
void multiply_rows(const PanelProduct<T>& job) {
  constexpr int kRows = PanelTile<Arch, T>::rows;
  std::int64_t first = 0;
  for (; first + kRows / 2 < job.rows; first += kRows) {
    multiply_tile<Arch, T, kRows, kSegments, kPacked>(job, first);
  }
  if (first < job.rows) {
    multiply_tile<Arch, T, kRows / 2, kSegments, kPacked>(job, first);
  }
}

template <class Arch, class T, int kSegments>
void multiply_segments(const PanelProduct<T>& job) {
  if (job.packed) {
    multiply_rows<Arch, T, kSegments, true>(job);
  } else {
    multiply_rows<Arch, T, kSegments, false>(job);
  }
}

/// b[k][0 ... count) = x[steps[k].b + 0 ... count) for all steps.
template <class Arch, class T>
void copy_column(const PanelPacking<T>& job, const T* x, std::int64_t count, T* b) {
  using V = Batch<Arch, T>;
  const std::int64_t width = job.segments * kLanes<Arch, T>;
  if (count == kLanes<Arch, T>) {
    for (std::int64_t k = 0; k < job.step_count; ++k) {
      V::load_unaligned(x + job.steps[k].b).store_unaligned(b + k * width);
    }
  } else {
    for (std::int64_t k = 0; k < job.step_count; ++k) {
      store_partial<Arch, T>(load_partial<Arch, T>(x + job.steps[k].b, count, T(0)), b + k * width, count);
    }
  }
}

/// A square of 16 bytes by 16 bytes; b has `width` elements per row.
template <class Arch>
void transpose_square(const float* x, std::int64_t stride, float* b, std::int64_t width) {
  __m128 r0 = _mm_loadu_ps(x), r1 = _mm_loadu_ps(x + stride);
  __m128 r2 = _mm_loadu_ps(x + 2 * stride), r3 = _mm_loadu_ps(x + 3 * stride);
  _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
  _mm_storeu_ps(b, r0);
  _mm_storeu_ps(b + width, r1);
  _mm_storeu_ps(b + 2 * width, r2);
  _mm_storeu_ps(b + 3 * width, r3);
}
template <class Arch>
void transpose_square(const double* x, std::int64_t stride, double* b, std::int64_t width) {
  const __m128d r0 = _mm_loadu_pd(x), r1 = _mm_loadu_pd(x + stride);
  _mm_storeu_pd(b, _mm_unpacklo_pd(r0, r1));
  _mm_storeu_pd(b + width, _mm_unpackhi_pd(r0, r1));
}

/// Sixteen columns by sixteen steps: pairs of rows, then of pairs, then quarters of registers change places.
template <class Arch>
void transpose_registers(const float* x, std::int64_t stride, float* b, std::int64_t width) {
  __m512 r[16], t[16];
  for (int i = 0; i < 16; ++i) {
    r[i] = _mm512_loadu_ps(x + i * stride);
  }
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int h = 0; h < 2; ++h) {
      const __m512d low = _mm512_castps_pd(t[i + h]), high = _mm512_castps_pd(t[i + h + 2]);
      r[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      r[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
  }
  for (int m = 0; m < 4; ++m) {
    const __m512 even_low = _mm512_shuffle_f32x4(r[m], r[m + 4], 0x88);
    const __m512 odd_low = _mm512_shuffle_f32x4(r[m], r[m + 4], 0xdd);
    const __m512 even_high = _mm512_shuffle_f32x4(r[m + 8], r[m + 12], 0x88);
    const __m512 odd_high = _mm512_shuffle_f32x4(r[m + 8], r[m + 12], 0xdd);
    _mm512_storeu_ps(b + m * width, _mm512_shuffle_f32x4(even_low, even_high, 0x88));
    _mm512_storeu_ps(b + (m + 4) * width, _mm512_shuffle_f32x4(odd_low, odd_high, 0x88));
    _mm512_storeu_ps(b + (m + 8) * width, _mm512_shuffle_f32x4(even_low, even_high, 0xdd));
    _mm512_storeu_ps(b + (m + 12) * width, _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd));
  }
}

}  // namespace simd::conv_panels

template <class Arch, class T>
void PanelsKernels<Arch, T>::multiply(const PanelProduct<T>& job) {
  if (job.segments == 3) {
    simd::conv_panels::multiply_segments<Arch, T, 3>(job);
  } else if (job.segments == 2) {
    simd::conv_panels::multiply_segments<Arch, T, 2>(job);
  } else {
    simd::conv_panels::multiply_segments<Arch, T, 1>(job);
  }
}

template <class Arch, class T>
void PanelsKernels<Arch, T>::pack(const PanelPacking<T>& job) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  const std::int64_t width = job.segments * kLanes;
  for (std::int64_t r = 0; r < job.run_count; ++r) {
    const PanelRun& run = job.runs[r];
    for (std::int64_t j = 0; j < run.length; j += kLanes) {
      const std::int64_t count = run.length - j < kLanes ? run.length - j : kLanes;
      simd::conv_panels::copy_column<Arch, T>(job, job.x + run.from + j, count, job.b + run.to + j);
    }
  }
  const PanelRun& last = job.runs[job.run_count - 1];
  for (std::int64_t j = last.to + last.length; j < width; ++j) {
    for (std::int64_t k = 0; k < job.step_count; ++k) {
      job.b[k * width + j] = T(0);
    }
  }
}

template <class Arch, class T>
void PanelsKernels<Arch, T>::transpose(const PanelTranspose<T>& job) {
  constexpr std::int64_t kSide = 16 / static_cast<std::int64_t>(sizeof(T));
  const std::int64_t columns = job.columns / kSide * kSide, steps = job.steps / kSide * kSide;
  std::int64_t full_columns = 0, full_steps = 0;  // in squares of whole registers
  if constexpr (std::is_same_v<Arch, Avx512> && sizeof(T) == sizeof(float)) {
    full_columns = job.columns / 16 * 16;
    full_steps = job.steps / 16 * 16;
    for (std::int64_t j = 0; j < full_columns; j += 16) {
      for (std::int64_t k = 0; k < full_steps; k += 16) {
        simd::conv_panels::transpose_registers<Arch>(job.x + j * job.x_stride + k, job.x_stride,
                                                     job.b + k * job.b_stride + j, job.b_stride);
      }
    }
  }
  // Whole cache lines of b at a time where its rows lie further apart than those of x.
  const std::int64_t group = job.b_stride > job.x_stride ? 4 * kSide : kSide;
  for (std::int64_t first = 0; first < columns; first += group) {
    const std::int64_t last = first + group < columns ? first + group : columns;
    for (std::int64_t k = first < full_columns ? full_steps : 0; k < steps; k += kSide) {
      for (std::int64_t j = first; j < last; j += kSide) {
        simd::conv_panels::transpose_square<Arch>(job.x + j * job.x_stride + k, job.x_stride,
                                                  job.b + k * job.b_stride + j, job.b_stride);
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
