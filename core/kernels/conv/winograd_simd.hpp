#pragma once

#include "evenkeel/core/kernels/conv/winograd.hpp"
#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"

namespace evenkeel::kernels {
namespace simd::conv_winograd {

// The points are 0, +-a, +-b and infinity.
constexpr double kA = 0.70710678118654752440, kB = 1.41421356237309504880;

template <class V>
inline V constant(double value) {
  return V(static_cast<typename V::value_type>(value));
}

/// out = G in, for a column of three.
struct FilterTransform {
  static constexpr int kIn = 3, kOut = 6;
  template <class V>
  static void apply(const V* in, V* out) {
    const V a_even = fma(constant<V>(0.5), in[2], in[0]) * constant<V>(-2.0 / 3);
    const V b_even = fma(constant<V>(2), in[2], in[0]) * constant<V>(1.0 / 6);
    const V a_odd = in[1] * constant<V>(-2.0 / 3 * kA), b_odd = in[1] * constant<V>(kB / 6);
    out[0] = in[0];
    out[1] = a_even + a_odd;
    out[2] = a_even - a_odd;
    out[3] = b_even + b_odd;
    out[4] = b_even - b_odd;
    out[5] = in[2];
  }
};

/// out = B^T in, for a column of six.
struct InputTransform {
  static constexpr int kIn = 6, kOut = 6;
  template <class V>
  static void apply(const V* in, V* out) {
    const V a = constant<V>(kA), b = constant<V>(kB), minus_two = constant<V>(-2), minus_half = constant<V>(-0.5);
    const V a_even = fma(minus_two, in[2], in[4]), a_odd = fma(minus_two, in[1], in[3]);
    const V b_even = fma(minus_half, in[2], in[4]), b_odd = fma(minus_half, in[1], in[3]);
    out[0] = fma(constant<V>(-2.5), in[2], in[0] + in[4]);
    out[1] = fma(a, a_odd, a_even);
    out[2] = fnma(a, a_odd, a_even);
    out[3] = fma(b, b_odd, b_even);
    out[4] = fnma(b, b_odd, b_even);
    out[5] = fma(constant<V>(-2.5), in[3], in[1] + in[5]);
  }
};

/// out = A in, for a column of four.
struct GradientTransform {
  static constexpr int kIn = 4, kOut = 6;
  template <class V>
  static void apply(const V* in, V* out) {
    const V a = constant<V>(kA), b = constant<V>(kB), two = constant<V>(2), half = constant<V>(0.5);
    const V a_even = fma(half, in[2], in[0]), a_odd = fma(half, in[3], in[1]);
    const V b_even = fma(two, in[2], in[0]), b_odd = fma(two, in[3], in[1]);
    out[0] = in[0];
    out[1] = fma(a, a_odd, a_even);
    out[2] = fnma(a, a_odd, a_even);
    out[3] = fma(b, b_odd, b_even);
    out[4] = fnma(b, b_odd, b_even);
    out[5] = in[3];
  }
};

/// out = A^T in, for a column of six.
struct OutputTransform {
  static constexpr int kIn = 6, kOut = 4;
  template <class V>
  static void apply(const V* in, V* out) {
    const V half = constant<V>(0.5), two = constant<V>(2);
    const V a_even = in[1] + in[2], b_even = in[3] + in[4];
    const V a_odd = (in[1] - in[2]) * constant<V>(kA), b_odd = (in[3] - in[4]) * constant<V>(kB);
    out[0] = in[0] + (a_even + b_even);
    out[1] = a_odd + b_odd;
    out[2] = fma(half, a_even, two * b_even);
    out[3] = fma(half, a_odd, fma(two, b_odd, in[5]));
  }
};

/// out = G^T in, for a column of six.
struct FilterGradientTransform {
  static constexpr int kIn = 6, kOut = 3;
  template <class V>
  static void apply(const V* in, V* out) {
    const V a_even = (in[1] + in[2]) * constant<V>(-2.0 / 3), b_even = (in[3] + in[4]) * constant<V>(1.0 / 6);
    const V a_odd = in[1] - in[2], b_odd = in[3] - in[4];
    out[0] = in[0] + (a_even + b_even);
    const V a_factor = constant<V>(-2.0 / 3 * kA), b_factor = constant<V>(kB / 6);
    if constexpr (simd::Set<typename V::arch_type, float>::kRegisters > 16) {  // as the compiler has always had it
      out[1] = fused(b_factor, b_odd, a_factor * a_odd);
    } else {
      out[1] = fused(a_factor, a_odd, b_factor * b_odd);
    }
    out[2] = fma(constant<V>(0.5), a_even, fma(constant<V>(2), b_even, in[5]));
  }
};

/// out = M in M^T: each column first, then each row. load(row, column) gives in, store(row, column, value) takes out.
template <class V, class Transform, class Load, class Store>
inline void transform_both(const Load& load, const Store& store) {
  constexpr int kIn = Transform::kIn, kOut = Transform::kOut;
  V half[kOut][kIn];
  for (int q = 0; q < kIn; ++q) {
    V in[kIn], out[kOut];
    for (int p = 0; p < kIn; ++p) {
      in[p] = load(p, q);
    }
    Transform::template apply<V>(in, out);
    for (int p = 0; p < kOut; ++p) {
      half[p][q] = out[p];
    }
  }
  for (int p = 0; p < kOut; ++p) {
    V out[kOut];
    Transform::template apply<V>(half[p], out);
    for (int q = 0; q < kOut; ++q) {
      store(p, q, out[q]);
    }
  }
}

template <class Arch, class T, class Transform>
void spread_tiles(const WinogradSpread<T>& job) {
  using V = simd::Batch<Arch, T>;
  constexpr int kIn = Transform::kIn;
  for (std::int64_t t = 0; t < job.tile_count; ++t) {
    const std::int64_t row = job.tiles[t].row + job.top, column = job.tiles[t].column + job.left;
    const bool inside = row >= 0 && row + kIn <= job.rows && column >= 0 && column + kIn <= job.columns;
    const std::int64_t row_stride = job.columns * job.width;
    for (std::int64_t c = 0; c < job.width; c += simd::kLanes<Arch, T>) {
      const T* x = job.x + job.tiles[t].image * job.image_stride + row * row_stride + column * job.width + c;
      T* v = job.v.data + c / simd::kLanes<Arch, T> * job.v.part + t * simd::kLanes<Arch, T>;
      const auto store = [&](int p, int q, const V& value) { value.store_aligned(v + (p * 6 + q) * job.v.cell); };
      if (inside) {
        transform_both<V, Transform>([&](int p, int q) { return V::load_aligned(x + p * row_stride + q * job.width); },
                                     store);
      } else {
        transform_both<V, Transform>(
            [&](int p, int q) {
              const bool cell_inside =
                  row + p >= 0 && row + p < job.rows && column + q >= 0 && column + q < job.columns;
              return cell_inside ? V::load_aligned(x + p * row_stride + q * job.width) : V(T(0));
            },
            store);
      }
    }
  }
}

/// The rows of a tile of the product for `kSegments` registers of C, and the steps between the elements of A.
template <class Arch, class T, int kSegments, bool kGradient>
struct ProductTile {
  static constexpr int kLanes = static_cast<int>(simd::kLanes<Arch, T>);
  static constexpr int kMost = (kSegments == 1 ? 2 : 1) * PanelTile<Arch, T>::rows;
  static constexpr int kRows = kMost < kLanes ? kMost : kLanes;  // within a register of A's channels
  static constexpr int kRowStep = kGradient ? 1 : kLanes, kStep = kGradient ? kLanes : 1;
};

template <class Arch, class T, int kSegments, bool kGradient>
void multiply_tile(const T* a, std::int64_t a_part, const T* b, std::int64_t b_part, std::int64_t steps, T* c,
                   std::int64_t c_part, bool accumulate) {
  using V = simd::Batch<Arch, T>;
  using Tile = ProductTile<Arch, T, kSegments, kGradient>;
  V sum[Tile::kRows][kSegments];
  for (int i = 0; i < Tile::kRows; ++i) {
    for (int s = 0; s < kSegments; ++s) {
      sum[i][s] = V(T(0));
    }
  }
  const std::int64_t run = kGradient ? steps : Tile::kLanes;  // steps before A's next register of channels
  for (std::int64_t first = 0; first < steps; first += run, a += a_part) {
    const T* const end = b + (steps - first < run ? steps - first : run) * Tile::kLanes;
    for (const T* factor = a; b != end; b += Tile::kLanes, factor += Tile::kStep) {
      V column[kSegments];
      for (int s = 0; s < kSegments; ++s) {
        column[s] = V::load_aligned(b + s * b_part);
      }
      for (int i = 0; i < Tile::kRows; ++i) {
        const V value(factor[i * Tile::kRowStep]);
        for (int s = 0; s < kSegments; ++s) {
          sum[i][s] = fma(value, column[s], sum[i][s]);
        }
      }
    }
  }
  for (int i = 0; i < Tile::kRows; ++i) {
    for (int s = 0; s < kSegments; ++s) {
      T* out = c + s * c_part + i * Tile::kLanes;
      (accumulate ? sum[i][s] + V::load_aligned(out) : sum[i][s]).store_aligned(out);
    }
  }
}

template <class Arch, class T, int kSegments, bool kGradient>
void multiply_rows(const WinogradProduct<T>& job, std::int64_t cell, std::int64_t segment) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  const T* a = job.a.data + cell * job.a.cell;
  const T* b = job.b.data + cell * job.b.cell + segment * job.b.part;
  T* c = job.c.data + cell * job.c.cell + segment * job.c.part;
  for (std::int64_t i = 0; i < job.rows; i += ProductTile<Arch, T, kSegments, kGradient>::kRows) {
    const T* rows = kGradient ? a + i / kLanes * job.a.part + i % kLanes : a + i * kLanes;
    multiply_tile<Arch, T, kSegments, kGradient>(rows, job.a.part, b, job.b.part, job.steps, c + i * kLanes, job.c.part,
                                                 job.accumulate);
  }
}

template <class Arch, class T, bool kGradient>
void multiply_cells(const WinogradProduct<T>& job) {
  constexpr std::int64_t kSegments = PanelTile<Arch, T>::segments;
  const std::int64_t segments = job.width / simd::kLanes<Arch, T>;
  for (std::int64_t cell = 0; cell < kWinogradCells; ++cell) {
    std::int64_t panels = ceil_div(segments, kSegments);
    for (std::int64_t first = 0; panels > 0; --panels) {
      const std::int64_t count = ceil_div(segments - first, panels);
      if (count == 3) {
        multiply_rows<Arch, T, 3, kGradient>(job, cell, first);
      } else if (count == 2) {
        multiply_rows<Arch, T, 2, kGradient>(job, cell, first);
      } else {
        multiply_rows<Arch, T, 1, kGradient>(job, cell, first);
      }
      first += count;
    }
  }
}

template <class Arch, class T, int kRegisters>
WinogradRange range_of(const T* x, std::int64_t count) {
  using V = simd::Batch<Arch, T>;
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>, kGroup = kRegisters * kLanes;
  const V zero(T(0)), one(T(1));
  V largest = zero, norms = zero, inverse_norms = zero, groups = zero;
  const auto add_group = [&](const V& squares) __attribute__((always_inline)) {
    const V norm = sqrt(squares);
    const auto counts = squares > zero;
    largest = max(largest, squares);
    norms += norm;
    inverse_norms += select(counts, one / norm, zero);
    groups += select(counts, one, zero);
  };
  std::int64_t i = 0;
  for (; i + kGroup <= count; i += kGroup) {
    V squares[2] = {zero, zero};
    for (std::int64_t k = 0; k < kGroup; k += 2 * kLanes) {
      for (int j = 0; j < 2; ++j) {
        const V value = V::load_aligned(x + i + k + j * kLanes);
        squares[j] = fma(value, value, squares[j]);
      }
    }
    add_group(squares[0] + squares[1]);
  }
  const std::int64_t all = (count + kGroup - 1) / kGroup * kLanes;
  if (i < count) {
    V squares = zero;
    for (; i < count; i += kLanes) {
      const V value = V::load_aligned(x + i);
      squares = fma(value, value, squares);
    }
    add_group(squares);
  }
  return {.largest = static_cast<double>(lane_max(largest)),
          .norms = static_cast<double>(lane_sum(norms)),
          .inverse_norms = static_cast<double>(lane_sum(inverse_norms)),
          .groups = static_cast<double>(lane_sum(groups)),
          .all = static_cast<double>(all),
          .cells = kRegisters};
}

}  // namespace simd::conv_winograd

template <class Arch, class T>
void WinogradKernels<Arch, T>::weight(const WinogradWeight<T>& job) {
  using V = simd::Batch<Arch, T>;
  for (std::int64_t r = 0; r < job.rows; ++r) {
    for (std::int64_t j = 0; j < job.width; j += simd::kLanes<Arch, T>) {
      const T* w = job.w + r * 9 * job.width + j;
      T* u = job.u.data + j / simd::kLanes<Arch, T> * job.u.part + r * simd::kLanes<Arch, T>;
      simd::conv_winograd::transform_both<V, simd::conv_winograd::FilterTransform>(
          [&](int p, int q) { return V::load_aligned(w + (job.turned ? 8 - 3 * p - q : 3 * p + q) * job.width); },
          [&](int p, int q, const V& value) { value.store_aligned(u + (p * 6 + q) * job.u.cell); });
    }
  }
}

template <class Arch, class T>
void WinogradKernels<Arch, T>::input(const WinogradSpread<T>& job) {
  simd::conv_winograd::spread_tiles<Arch, T, simd::conv_winograd::InputTransform>(job);
}

template <class Arch, class T>
void WinogradKernels<Arch, T>::output_gradient(const WinogradSpread<T>& job) {
  simd::conv_winograd::spread_tiles<Arch, T, simd::conv_winograd::GradientTransform>(job);
}

template <class Arch, class T>
void WinogradKernels<Arch, T>::multiply(const WinogradProduct<T>& job) {
  if (job.gradient) {
    simd::conv_winograd::multiply_cells<Arch, T, true>(job);
  } else {
    simd::conv_winograd::multiply_cells<Arch, T, false>(job);
  }
}

template <class Arch, class T>
void WinogradKernels<Arch, T>::output(const WinogradOutput<T>& job) {
  using V = simd::Batch<Arch, T>;
  for (std::int64_t t = 0; t < job.tile_count; ++t) {
    const WinogradTile& tile = job.tiles[t];
    const std::int64_t rows = job.rows - tile.row, columns = job.columns - tile.column;
    for (std::int64_t o = 0; o < job.width; o += simd::kLanes<Arch, T>) {
      const V bias = V::load_aligned(job.bias + o);
      const T* m = job.m.data + o / simd::kLanes<Arch, T> * job.m.part + t * simd::kLanes<Arch, T>;
      T* y = job.y + tile.image * job.image_stride + (tile.row * job.columns + tile.column) * job.width + o;
      simd::conv_winograd::transform_both<V, simd::conv_winograd::OutputTransform>(
          [&](int p, int q) { return V::load_aligned(m + (p * 6 + q) * job.m.cell); },
          [&](int p, int q, const V& value) {
            if (p < rows && q < columns) {
              (value + bias).store_aligned(y + (p * job.columns + q) * job.width);
            }
          });
    }
  }
}

template <class Arch, class T>
void WinogradKernels<Arch, T>::weight_gradient(const WinogradWeightGradient<T>& job) {
  using V = simd::Batch<Arch, T>;
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  for (std::int64_t c = 0; c < job.channels; ++c) {
    for (std::int64_t o = 0; o < job.outputs; o += kLanes) {
      const simd::Some count{job.outputs - o};
      const T* n = job.n.data + o / kLanes * job.n.part + c * kLanes;
      T* dw = job.dw + c * 9 * job.outputs + o;
      simd::conv_winograd::transform_both<V, simd::conv_winograd::FilterGradientTransform>(
          [&](int p, int q) { return V::load_aligned(n + (p * 6 + q) * job.n.cell); },
          [&](int p, int q, const V& value) {
            simd::Loop<Arch, T>::store(dw + (3 * p + q) * job.outputs, value, count);
          });
    }
  }
}

template <class Arch, class T>
WinogradRange WinogradKernels<Arch, T>::range(const T* x, std::int64_t count, std::int64_t width) {
  // A group of several pixels would hide that one of them is dark.
  return width < 2 * simd::kLanes<Arch, T> ? simd::conv_winograd::range_of<Arch, T, kWinogradGroup / 2>(x, count)
                                           : simd::conv_winograd::range_of<Arch, T, kWinogradGroup>(x, count);
}

template <class Arch, class T>
void WinogradKernels<Arch, T>::window(const WinogradSpread<T>& job, const WinogradTile& tile, T* window, T* squares) {
  using V = simd::Batch<Arch, T>;
  const T* x = job.x + tile.image * job.image_stride;
  for (std::int64_t cell = 0; cell < kWinogradCells; ++cell, window += job.width) {
    const std::int64_t row = tile.row + job.top + cell / kWinogradWindow;
    const std::int64_t column = tile.column + job.left + cell % kWinogradWindow;
    const bool inside = row >= 0 && row < job.rows && column >= 0 && column < job.columns;
    V sum(T(0));
    for (std::int64_t c = 0; c < job.width; c += simd::kLanes<Arch, T>) {
      const V value = inside ? V::load_aligned(x + (row * job.columns + column) * job.width + c) : V(T(0));
      value.store_aligned(window + c);
      sum = fma(value, value, sum);
    }
    squares[cell] = lane_sum(sum);
  }
}

}  // namespace evenkeel::kernels
