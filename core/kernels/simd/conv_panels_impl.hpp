#pragma once

#include "core/kernels/conv_panels.hpp"
#include "core/kernels/simd/batch.hpp"

namespace evenkeel::kernels {
namespace simd::conv_panels {

/// Rows [first, first + kRows) of C; beyond the last row the last is computed again and dropped.
template <class Arch, class T, int kRows, int kSegments, bool kPacked>
void multiply_tile(const PanelProduct<T>& job, std::int64_t first) {
  using V = Batch<Arch, T>;
  const T* a[kRows];
  const T* b[kSegments];
  V sum[kRows][kSegments];
  for (int s = 0; s < kSegments; ++s) {
    b[s] = kPacked ? job.b + s * kLanes<Arch, T> : job.b + job.segment[s].b;
  }
  for (int i = 0; i < kRows; ++i) {
    a[i] = job.a + job.a_rows[first + i < job.rows ? first + i : job.rows - 1];
    for (int s = 0; s < kSegments; ++s) {
      sum[i][s] = V(T(0));
    }
  }
  const PanelStep* const end = job.steps + job.step_count;
  for (const PanelStep* step = job.steps; step != end; ++step) {
    V column[kSegments];
    for (int s = 0; s < kSegments; ++s) {
      if constexpr (kPacked) {
        column[s] = V::load_aligned(b[0] + s * kLanes<Arch, T>);
      } else {
        column[s] = V::load_unaligned(b[s] + step->b);
      }
    }
    b[0] += kPacked ? kSegments * kLanes<Arch, T> : 0;
    for (int i = 0; i < kRows; ++i) {
      const V factor(a[i][step->a]);
      for (int s = 0; s < kSegments; ++s) {
        sum[i][s] = xsimd::fma(factor, column[s], sum[i][s]);
      }
    }
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

}  // namespace simd::conv_panels

template <class Arch, class T>
void ConvPanelsKernels<Arch, T>::multiply(const PanelProduct<T>& job) {
  if (job.segments == 3) {
    simd::conv_panels::multiply_segments<Arch, T, 3>(job);
  } else if (job.segments == 2) {
    simd::conv_panels::multiply_segments<Arch, T, 2>(job);
  } else {
    simd::conv_panels::multiply_segments<Arch, T, 1>(job);
  }
}

template <class Arch, class T>
void ConvPanelsKernels<Arch, T>::pack(const PanelPacking<T>& job) {
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
void ConvPanelsKernels<Arch, T>::transpose(const PanelTranspose<T>& job) {
  constexpr std::int64_t kSide = 16 / static_cast<std::int64_t>(sizeof(T));
  const std::int64_t columns = job.columns / kSide * kSide, steps = job.steps / kSide * kSide;
  for (std::int64_t k = 0; k < steps; k += kSide) {
    for (std::int64_t j = 0; j < columns; j += kSide) {
      simd::conv_panels::transpose_square<Arch>(job.x + j * job.x_stride + k, job.x_stride,
                                                job.b + k * job.b_stride + j, job.b_stride);
    }
  }
  for (std::int64_t j = 0; j < job.width; ++j) {
    for (std::int64_t k = j < columns ? steps : 0; k < job.steps; ++k) {
      job.b[k * job.b_stride + j] = j < job.columns ? job.x[j * job.x_stride + k] : T(0);
    }
  }
}

}  // namespace evenkeel::kernels
