#pragma once

#include "core/kernels/conv_winograd.hpp"
#include "core/kernels/simd/batch.hpp"

namespace evenkeel::kernels {
namespace simd::conv_winograd {

/// out = G in, for a column of three.
template <class V>
inline void apply_g(const V& w0, const V& w1, const V& w2, V* out, std::int64_t stride) {
  const V half(0.5F);
  const V outer = (w0 + w2) * half, inner = w1 * half;
  out[0] = w0;
  out[stride] = outer + inner;
  out[2 * stride] = outer - inner;
  out[3 * stride] = w2;
}

/// d = B^T d, for a column of four.
template <class V>
inline void apply_b(V& d0, V& d1, V& d2, V& d3) {
  const V first = d0 - d2, second = d1 + d2, third = d2 - d1, last = d1 - d3;
  d0 = first;
  d1 = second;
  d2 = third;
  d3 = last;
}

/// out = A d, for a column of two.
template <class V>
inline void apply_a(const V& d0, const V& d1, V* out, std::int64_t stride) {
  out[0] = d0;
  out[stride] = d0 + d1;
  out[2 * stride] = d0 - d1;
  out[3 * stride] = -d1;
}

/// out = G^T n, for a column of four.
template <class V>
inline void apply_transposed_g(const V& n0, const V& n1, const V& n2, const V& n3, V* out, std::int64_t stride) {
  const V half(0.5F);
  const V sum = (n1 + n2) * half;
  out[0] = n0 + sum;
  out[stride] = (n1 - n2) * half;
  out[2 * stride] = sum + n3;
}

/// The first `count` lanes of the columns 0, 1, 0, 1, ... of two registers.
template <class Arch, class T>
void store_interleaved(const Batch<Arch, T>& even, const Batch<Arch, T>& odd, T* y, std::int64_t count) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  if constexpr (std::is_same_v<Arch, Avx512> && sizeof(T) == sizeof(float)) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const Batch<Arch, T> first = _mm512_permutex2var_ps(even, low, odd);
    const Batch<Arch, T> second = _mm512_permutex2var_ps(even, high, odd);
    store_partial<Arch, T>(first, y, count < kLanes ? count : kLanes);
    store_partial<Arch, T>(second, y + kLanes, count > kLanes ? count - kLanes : 0);
  } else {
    alignas(64) T lanes[2][kLanes];
    even.store_aligned(lanes[0]);
    odd.store_aligned(lanes[1]);
    for (std::int64_t j = 0; j < count; ++j) {
      y[j] = lanes[j % 2][j / 2];
    }
  }
}

}  // namespace simd::conv_winograd

template <class Arch, class T>
void ConvWinogradKernels<Arch, T>::weight(const WinogradWeight<T>& job) {
  using V = simd::Batch<Arch, T>;
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  for (std::int64_t f = 0; f < job.filters; f += kLanes) {
    const std::int64_t count = job.filters - f < kLanes ? job.filters - f : kLanes;
    alignas(64) T cells[9][kLanes] = {};
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t cell = 0; cell < 9; ++cell) {
        cells[cell][i] = job.w[(f + i) * 9 + cell];
      }
    }
    V half[12], u[16];
    for (int q = 0; q < 3; ++q) {
      simd::conv_winograd::apply_g<V>(V::load_aligned(cells[q]), V::load_aligned(cells[3 + q]),
                                      V::load_aligned(cells[6 + q]), half + q, 3);
    }
    for (int p = 0; p < 4; ++p) {
      simd::conv_winograd::apply_g<V>(half[3 * p], half[3 * p + 1], half[3 * p + 2], u + 4 * p, 1);
    }
    for (int cell = 0; cell < 16; ++cell) {
      if (count == kLanes) {
        u[cell].store_unaligned(job.u + cell * job.u_cell + f);
      } else {
        simd::store_partial<Arch, T>(u[cell], job.u + cell * job.u_cell + f, count);
      }
    }
  }
}

template <class Arch, class T>
void ConvWinogradKernels<Arch, T>::input(const WinogradInput<T>& job) {
  using V = simd::Batch<Arch, T>;
  for (std::int64_t c = 0; c < job.channels; ++c) {
    for (std::int64_t r = 0; r < job.run_count; ++r) {
      const WinogradRun& run = job.runs[r];
      const T* x = job.x + c * job.x_plane + run.x;
      V d[4][4];
      for (int p = 0; p < 4; ++p) {
        for (int q = 0; q < 4; ++q) {
          d[p][q] = V::load_unaligned(x + p * job.x_row + q % 2 * job.x_odd + q / 2);
        }
      }
      for (int q = 0; q < 4; ++q) {
        simd::conv_winograd::apply_b<V>(d[0][q], d[1][q], d[2][q], d[3][q]);
      }
      T* v = job.v + c * job.width + run.column;
      const std::int64_t room = job.width - run.column;
      for (int p = 0; p < 4; ++p) {
        simd::conv_winograd::apply_b<V>(d[p][0], d[p][1], d[p][2], d[p][3]);
        for (int q = 0; q < 4; ++q, v += job.v_cell) {
          if (room >= simd::kLanes<Arch, T>) {  // lanes behind the run are overwritten by the next one
            d[p][q].store_unaligned(v);
          } else {
            simd::store_partial<Arch, T>(d[p][q], v, room);
          }
        }
      }
    }
  }
}

template <class Arch, class T>
void ConvWinogradKernels<Arch, T>::output(const WinogradOutput<T>& job) {
  using V = simd::Batch<Arch, T>;
  for (std::int64_t o = 0; o < job.outputs; ++o) {
    const V bias(job.bias != nullptr ? job.bias[o] : T(0));
    for (std::int64_t r = 0; r < job.run_count; ++r) {
      const WinogradRun& run = job.runs[r];
      const T* m = job.m + o * job.width + run.column;
      V top[4], bottom[4];
      for (int q = 0; q < 4; ++q, m += job.m_cell) {
        const V m0 = V::load_unaligned(m), m1 = V::load_unaligned(m + 4 * job.m_cell);
        const V m2 = V::load_unaligned(m + 8 * job.m_cell), m3 = V::load_unaligned(m + 12 * job.m_cell);
        top[q] = m0 + m1 + m2;
        bottom[q] = m1 - m2 - m3;
      }
      T* y = job.y + o * job.y_plane + run.y;
      simd::conv_winograd::store_interleaved<Arch, T>(top[0] + top[1] + top[2] + bias, top[1] - top[2] - top[3] + bias,
                                                      y, run.y_columns);
      if (run.y_rows > 1) {
        simd::conv_winograd::store_interleaved<Arch, T>(bottom[0] + bottom[1] + bottom[2] + bias,
                                                        bottom[1] - bottom[2] - bottom[3] + bias, y + job.y_row,
                                                        run.y_columns);
      }
    }
  }
}

template <class Arch, class T>
void ConvWinogradKernels<Arch, T>::output_gradient(const WinogradOutputGradient<T>& job) {
  using V = simd::Batch<Arch, T>;
  T* e = job.e;
  for (std::int64_t i = 0; i < job.tile_rows; ++i) {
    for (std::int64_t j = 0; j < job.tile_columns; ++j, e += job.width) {
      const T* dy = job.dy + (2 * i * job.columns + 2 * j) * job.width;
      const bool below = 2 * i + 1 < job.rows, right = 2 * j + 1 < job.columns;
      for (std::int64_t o = 0; o < job.width; o += simd::kLanes<Arch, T>) {
        const V zero(T(0));
        V half[8], cells[16];
        for (int q = 0; q < 2; ++q) {
          const T* column = dy + q * job.width + o;
          const bool inside = q == 0 || right;
          simd::conv_winograd::apply_a<V>(inside ? V::load_aligned(column) : zero,
                                          inside && below ? V::load_aligned(column + job.columns * job.width) : zero,
                                          half + q, 2);
        }
        for (int p = 0; p < 4; ++p) {
          simd::conv_winograd::apply_a<V>(half[2 * p], half[2 * p + 1], cells + 4 * p, 1);
        }
        for (int cell = 0; cell < 16; ++cell) {
          cells[cell].store_aligned(e + cell * job.e_cell + o);
        }
      }
    }
  }
}

template <class Arch, class T>
void ConvWinogradKernels<Arch, T>::weight_gradient(const WinogradWeightGradient<T>& job) {
  using V = simd::Batch<Arch, T>;
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  for (std::int64_t c = 0; c < job.channels; ++c) {
    for (std::int64_t o = 0; o < job.outputs; o += kLanes) {
      const std::int64_t count = job.outputs - o < kLanes ? job.outputs - o : kLanes;
      V n[16], half[12], taps[9];
      for (int cell = 0; cell < 16; ++cell) {
        const T* in = job.n + cell * job.n_cell + c * job.outputs + o;
        n[cell] = count == kLanes ? V::load_unaligned(in) : simd::load_partial<Arch, T>(in, count, T(0));
      }
      for (int q = 0; q < 4; ++q) {
        simd::conv_winograd::apply_transposed_g<V>(n[q], n[4 + q], n[8 + q], n[12 + q], half + q, 4);
      }
      for (int p = 0; p < 3; ++p) {
        simd::conv_winograd::apply_transposed_g<V>(half[4 * p], half[4 * p + 1], half[4 * p + 2], half[4 * p + 3],
                                                   taps + 3 * p, 1);
      }
      for (int tap = 0; tap < 9; ++tap) {
        T* dw = job.dw + (c * 9 + tap) * job.outputs + o;
        if (count == kLanes) {
          taps[tap].store_unaligned(dw);
        } else {
          simd::store_partial<Arch, T>(taps[tap], dw, count);
        }
      }
    }
  }
}

}  // namespace evenkeel::kernels
