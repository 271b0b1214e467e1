#pragma once

#include "evenkeel/core/kernels/conv/stage.hpp"
#include "evenkeel/core/kernels/simd/batch.hpp"

namespace evenkeel::kernels {
namespace simd::conv_stage {

template <class Arch, class T>
void copy_row(const T* x, std::int64_t columns, T* out) {
  std::int64_t j = 0;
  for (; j + kLanes<Arch, T> <= columns; j += kLanes<Arch, T>) {
    Batch<Arch, T>::load_unaligned(x + j).store_unaligned(out + j);
  }
  if (j < columns) {
    store_partial<Arch, T>(load_partial<Arch, T>(x + j, columns - j, T(0)), out + j, columns - j);
  }
}

/// Every second element of two registers.
template <class Arch, class T>
Batch<Arch, T> even_lanes(const Batch<Arch, T>& low, const Batch<Arch, T>& high) {
  if constexpr (sizeof(T) == sizeof(float)) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_permutex2var_ps(low, even, high);
  } else {
    return _mm512_permutex2var_pd(low, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), high);
  }
}

/// out[j] = x[2 j]; nothing behind the last of them is read.
template <class Arch, class T>
void copy_row_by_two(const T* x, std::int64_t columns, T* out) {
  std::int64_t j = 0;
  if constexpr (std::is_same_v<Arch, Avx512>) {
    constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
    for (; j + kLanes < columns; j += kLanes) {
      const T* in = x + 2 * j;
      even_lanes<Arch, T>(Batch<Arch, T>::load_unaligned(in), Batch<Arch, T>::load_unaligned(in + kLanes))
          .store_unaligned(out + j);
    }
    const std::int64_t cells = 2 * (columns - j) - 1;
    const std::int64_t low = cells < kLanes ? cells : kLanes;
    const T* in = x + 2 * j;
    const auto first = low == kLanes ? Batch<Arch, T>::load_unaligned(in) : load_partial<Arch, T>(in, low, T(0));
    const auto second = load_partial<Arch, T>(in + low, cells - low, T(0));
    store_partial<Arch, T>(even_lanes<Arch, T>(first, second), out + j, columns - j);
    return;
  }
  for (; j < columns; ++j) {
    out[j] = x[2 * j];
  }
}

}  // namespace simd::conv_stage

template <class Arch, class T>
void StageKernels<Arch, T>::copy(const StageCopy<T>& job) {
  for (std::int64_t c = 0; c < job.planes; ++c) {
    for (std::int64_t i = 0; i < job.rows; ++i) {
      const T* x = job.x + c * job.x_plane + i * job.x_row;
      T* out = job.out + c * job.out_plane + i * job.out_row;
      if (job.stride == 1) {
        simd::conv_stage::copy_row<Arch>(x, job.columns, out);
      } else if (job.stride == 2) {
        simd::conv_stage::copy_row_by_two<Arch>(x, job.columns, out);
      } else {
        for (std::int64_t j = 0; j < job.columns; ++j) {
          out[j] = x[j * job.stride];
        }
      }
    }
  }
}

}  // namespace evenkeel::kernels
