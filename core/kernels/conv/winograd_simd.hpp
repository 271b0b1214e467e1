#pragma once

#include "evenkeel/core/kernels/conv/winograd_input_simd.hpp"
#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"

#include <limits>

namespace evenkeel::kernels {
namespace simd::conv_winograd {

/// Rows of a tile of the product for kSegments registers: twice as many where there is one, or the sums would wait.
template <class Arch, class T, int kSegments>
inline constexpr int kProductRows = (kSegments == 1 ? 2 : 1) * PanelTile<Arch, T>::rows <= simd::kLanes<Arch, T>
                                        ? (kSegments == 1 ? 2 : 1) * PanelTile<Arch, T>::rows
                                        : static_cast<int>(simd::kLanes<Arch, T>);

/// c[i c_row + s lanes] = sum over k of a[k a_step + i a_row] b[k b_step + s b_part], or is added to.
template <class Arch, class T, int kRows, int kSegments>
struct ProductTile {
  using V = Batch<Arch, T>;
  V sum[kRows][kSegments];

  /// kSteps products of each sum; kFirst: the first of all.
  template <int kSteps, bool kFirst, std::int64_t kAStep, std::int64_t kARow, std::int64_t kBStep>
  [[gnu::always_inline]] void add(const T* a, const T* b, std::int64_t b_part) {
    unrolled<kSteps>([&](int k) __attribute__((always_inline)) {
      V column[kSegments];
      unrolled<kSegments>([&](int s) __attribute__((always_inline)) {
        column[s] = V::load_aligned(b + k * kBStep + s * b_part);
      });
      unrolled<kRows>([&](int i) __attribute__((always_inline)) {
        const V factor(a[k * kAStep + i * kARow]);
        unrolled<kSegments>([&](int s) __attribute__((always_inline)) {
          sum[i][s] = kFirst && k == 0 ? factor * column[s] : fma(factor, column[s], sum[i][s]);
        });
      });
    });
  }
};

/// kProductRows rows of m for kSegments registers of one cell.
template <class Arch, class T, int kSegments>
[[gnu::always_inline]] inline void multiply_tile(const T* u, const T* v, std::int64_t inputs, T* m) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>, kPanel = kWinogradPanel * kLanes;
  constexpr int kRows = kProductRows<Arch, T, kSegments>, kSteps = 4;
  ProductTile<Arch, T, kRows, kSegments> tile;
  tile.template add<1, true, kLanes, 1, kPanel>(u, v, kLanes);
  std::int64_t k = 1;
  for (; k + kSteps <= inputs; k += kSteps) {
    tile.template add<kSteps, false, kLanes, 1, kPanel>(u + k * kLanes, v + k * kPanel, kLanes);
  }
  for (; k < inputs; ++k) {
    tile.template add<1, false, kLanes, 1, kPanel>(u + k * kLanes, v + k * kPanel, kLanes);
  }
  unrolled<kRows * kSegments>([&](int i) __attribute__((always_inline)) {
    tile.sum[i / kSegments][i % kSegments].store_aligned(m + i / kSegments * kPanel + i % kSegments * kLanes);
  });
}

template <class Arch, class T, int kSegments>
void multiply_panel(const WinogradProduct<T>& job, std::int64_t cell, std::int64_t panel, std::int64_t first,
                    std::int64_t last) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  const T* u = job.u.data + cell * job.u.cell + first / kLanes * job.u.part;
  const T* v = job.v.data + cell * job.v.cell + panel * job.v.part;
  T* m = job.m.data + cell * job.m.cell + panel * job.m.part + first * kWinogradPanel * kLanes;
  const std::int64_t inputs = job.inputs;
  for (std::int64_t i = 0; i < last - first; i += kProductRows<Arch, T, kSegments>) {
    multiply_tile<Arch, T, kSegments>(u + i, v, inputs, m + i * kWinogradPanel * kLanes);
  }
}

/// y of one channel and register of tiles: times A^T and A, tiles back from lanes; two rows at a time, whose columns
/// stay in registers. place(tile, row) is where a tile's four columns go.
template <class Arch, class T, int kSide, class Place>
[[gnu::always_inline]] inline void transform_output(const T* m, std::int64_t cell, const Batch<Arch, T>& bias,
                                                    const Place& place) {
  using V = Batch<Arch, T>;
  unrolled<2>([&](int odd) __attribute__((always_inline)) {
    V rows[2][6];
    unrolled<6>([&](int q) __attribute__((always_inline)) {
      V in[6];
      unrolled<5>([&](int p) __attribute__((always_inline)) {
        in[p + odd] = V::load_aligned(m + ((p + odd) * 6 + q) * cell);
      });
      if (odd == 0) {
        OutputTransform::apply_even(in, rows[0][q], rows[1][q]);
      } else {
        OutputTransform::apply_odd(in, rows[0][q], rows[1][q]);
      }
    });
    unrolled<2>([&](int i) __attribute__((always_inline)) {
      V out[4];
      OutputTransform::apply<V>(rows[i], out);
      unrolled<4>([&](int j) __attribute__((always_inline)) { out[j] = out[j] + bias; });
      transpose_fours(out);
      store_fours<Arch, T, kSide>([&](int tile) { return place(tile, 2 * i + odd); }, out);
    });
  });
}

/// Of a register some of whose tiles have fewer than 4x4 outputs, or none.
template <class Arch, class T>
void write_parts(const WinogradOutput<T>& job, std::int64_t k, std::int64_t o, const T* m) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  alignas(64) T outputs[kLanes * 16];
  transform_output<Arch, T, 1>(m, job.m.cell, Batch<Arch, T>(job.bias[o]),
                               [&](int tile, int row) { return outputs + tile * 16 + row * 4; });
  const std::int64_t first = k * kLanes, left = job.block.tile_count - first;
  for (std::int64_t t = 0; t < kLanes && t < left; ++t) {
    const WinogradTile& tile = job.block.tiles[first + t];
    T* y = job.y + tile.image * job.image_stride + o * job.plane + tile.row * job.width + tile.column;
    const std::int64_t rows = job.height - tile.row, columns = job.width - tile.column;
    for (std::int64_t i = 0; i < 4 && i < rows; ++i) {
      for (std::int64_t j = 0; j < 4 && j < columns; ++j) {
        y[i * job.width + j] = outputs[t * 16 + i * 4 + j];
      }
    }
  }
}

template <class Arch, class T, int kSide>
void transform_outputs(const WinogradOutput<T>& job, std::int64_t k) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  const T* m = job.m.data + k / kWinogradPanel * job.m.part + k % kWinogradPanel * kLanes;
  T* y[kLanes] = {};
  if (job.block.whole[k]) {
    for (std::int64_t t = 0; t < kLanes; t += kSide) {
      const WinogradTile& tile = job.block.tiles[k * kLanes + t];
      y[t] = job.y + tile.image * job.image_stride + tile.row * job.width + tile.column;
    }
  }
  for (std::int64_t o = 0; o < job.outputs; ++o, m += kWinogradPanel * kLanes) {
    if (job.block.whole[k]) {
      const std::int64_t plane = o * job.plane;
      transform_output<Arch, T, kSide>(m, job.m.cell, Batch<Arch, T>(job.bias[o]),
                                       [&](int tile, int row) { return y[tile] + plane + row * job.width; });
    } else {
      write_parts<Arch, T>(job, k, o, m);
    }
  }
}

/// d of one tile and a register of outputs, whose planes begin at planes[lane]; returns the sums of squares.
template <class Arch, class T>
[[gnu::always_inline]] inline Batch<Arch, T> transform_gradient(const T* const* planes, std::int64_t offset,
                                                                std::int64_t width, T* d, std::int64_t cell) {
  using V = Batch<Arch, T>;
  V in[4][4], squares[4];
  unrolled<4>([&](int p) __attribute__((always_inline)) {
    // The lanes of outputs in their order: four registers begin with outputs 0, 1, 2, 3, and take each fourth.
    constexpr int kFours = static_cast<int>(simd::kLanes<Arch, T>) / 4;
    const std::int64_t row = offset + p * width;
    load_fours<Arch, T, 1>([&](int i) { return planes[i % kFours * 4 + i / kFours] + row; }, in[p]);
    transpose_fours(in[p]);
    squares[p] = in[p][0] * in[p][0];
    unrolled<3>([&](int q)
                    __attribute__((always_inline)) { squares[p] = fma(in[p][q + 1], in[p][q + 1], squares[p]); });
  });
  unrolled<3>([&](int pair) __attribute__((always_inline)) {  // of rows, so that they stay in registers
    constexpr int kRows[3][2] = {{1, 2}, {3, 4}, {0, 5}};
    V rows[2][4], out[6];
    unrolled<4>([&](int q) __attribute__((always_inline)) {
      const V column[4] = {in[0][q], in[1][q], in[2][q], in[3][q]};
      GradientTransform::apply_pair(pair, column, rows[0][q], rows[1][q]);
    });
    unrolled<2>([&](int i) __attribute__((always_inline)) {
      GradientTransform::apply<V>(rows[i], out);
      T* to = d + kRows[pair][i] * 6 * cell;
      unrolled<6>([&](int q) __attribute__((always_inline)) {
        out[q].store_aligned(to);
        to += cell;
      });
    });
  });
  return (squares[0] + squares[1]) + (squares[2] + squares[3]);
}

/// What a tile at the border has of `lanes` outputs' planes from `first` on: 4x4 cells each, 0 where there are none.
template <class Arch, class T>
void stage_gradient(const WinogradPlanes<T>& p, const WinogradTile& tile, std::int64_t first, T* staged) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  const std::int64_t rows = p.height - tile.row, columns = p.width - tile.column;
  for (std::int64_t lane = 0; lane < kLanes; ++lane) {
    const T* x = p.x + tile.image * p.image_stride + (first + lane) * p.plane + tile.row * p.width + tile.column;
    for (std::int64_t i = 0; i < 4; ++i) {
      for (std::int64_t j = 0; j < 4; ++j) {
        const bool inside = first + lane < p.channels && i < rows && j < columns;
        staged[lane * 16 + i * 4 + j] = inside ? x[i * p.width + j] : T(0);
      }
    }
  }
}

template <class Arch, class T>
void transform_gradients(const WinogradOutputGradient<T>& job, std::int64_t k, std::int64_t first) {
  using V = Batch<Arch, T>;
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  const WinogradPlanes<T>& p = job.planes;
  alignas(64) T staged[kLanes * 16];
  const T *planes[kLanes], *parts[kLanes];
  for (std::int64_t lane = 0; lane < kLanes; ++lane) {
    planes[lane] = p.x + (first + lane) * p.plane;
    parts[lane] = staged + lane * 16;
  }
  for (std::int64_t i = 0; i < kLanes; ++i) {
    const std::int64_t t = k * kLanes + i, lane = winograd_lane_of_tile(i, kLanes);
    T* d = job.d.data + first / kLanes * job.d.part + (k * kLanes + lane) * kLanes;
    if (t >= job.block.tile_count) {
      for (std::int64_t cell = 0; cell < kWinogradCells; ++cell) {
        V(T(0)).store_aligned(d + cell * job.d.cell);
      }
      job.squares[first / kWinogradRows * job.block.registers * kLanes + k * kLanes + lane] = T(0);
      continue;
    }
    const WinogradTile& tile = job.block.tiles[t];
    V squares;
    if (job.block.whole[k] && first + kLanes <= p.channels) {
      const std::int64_t offset = tile.image * p.image_stride + tile.row * p.width + tile.column;
      squares = transform_gradient<Arch, T>(planes, offset, p.width, d, job.d.cell);
    } else {
      stage_gradient<Arch, T>(p, tile, first, staged);
      squares = transform_gradient<Arch, T>(parts, 0, 4, d, job.d.cell);
    }
    T* sum = job.squares + first / kWinogradRows * job.block.registers * kLanes + k * kLanes + lane;
    *sum = (first % kWinogradRows == 0 ? T(0) : *sum) + lane_sum(squares);
  }
}

/// kRows inputs by kSegments registers of outputs of one cell of n.
template <class Arch, class T, int kRows, int kSegments>
void multiply_gradient_tile(const WinogradGradientProduct<T>& job, const T* v, const T* d, T* n) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>, kRow = kWinogradPanel * kLanes;
  constexpr int kSteps = 4;
  const std::int64_t registers = job.registers, v_part = job.v.part, d_part = job.d.part, n_part = job.n.part;
  ProductTile<Arch, T, kRows, kSegments> tile;
  tile.template add<kSteps, true, 1, kRow, kLanes>(v, d, d_part);
  for (std::int64_t k = 0; k < registers; k += kWinogradPanel, v += v_part) {
    const std::int64_t steps = (registers - k < kWinogradPanel ? registers - k : kWinogradPanel) * kLanes;
    for (std::int64_t t = k == 0 ? kSteps : 0; t < steps; t += kSteps) {
      tile.template add<kSteps, false, 1, kRow, kLanes>(v + t, d + t * kLanes, d_part);
    }
    d += steps * kLanes;
  }
  const bool accumulate = job.accumulate;
  unrolled<kRows * kSegments>([&](int i) __attribute__((always_inline)) {
    const Batch<Arch, T>& sum = tile.sum[i / kSegments][i % kSegments];
    T* out = n + i % kSegments * n_part + i / kSegments * kLanes;
    (accumulate ? sum + Batch<Arch, T>::load_aligned(out) : sum).store_aligned(out);
  });
}

template <class Arch, class T, int kSegments>
void multiply_gradient_rows(const WinogradGradientProduct<T>& job, std::int64_t cell, std::int64_t segment) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>, kRow = kWinogradPanel * kLanes;
  constexpr int kFew = PanelTile<Arch, T>::rows;
  constexpr int kMany = kSegments == 3 ? kFew : kSegments == 2 ? kFew * 3 / 2 : kFew * 2;
  const T* v = job.v.data + cell * job.v.cell;
  const T* d = job.d.data + cell * job.d.cell + segment * job.d.part;
  T* n = job.n.data + cell * job.n.cell + segment * job.n.part;
  std::int64_t i = 0, many = job.inputs / kMany * kMany;
  while (many + round_up(job.inputs - many, kFew) > round_up(job.inputs, kWinogradRows)) {
    many -= kMany;  // so that the fewer behind them end within the rows that there are
  }
  for (; i < many; i += kMany) {
    multiply_gradient_tile<Arch, T, kMany, kSegments>(job, v + i * kRow, d, n + i * kLanes);
  }
  for (; i < job.inputs; i += kFew) {
    multiply_gradient_tile<Arch, T, kFew, kSegments>(job, v + i * kRow, d, n + i * kLanes);
  }
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
void WinogradKernels<Arch, T>::input(const WinogradInput<T>& job) {
  simd::conv_winograd::with_side<Arch, T>(job.block.adjacent, [&]<class Side>(Side) {
    if (job.block.stacked) {
      simd::conv_winograd::transform_stacks<Arch, T, Side::value>(job);
    } else {
      simd::conv_winograd::transform_strips<Arch, T, Side::value>(job);
    }
  });
}

template <class Arch, class T>
void WinogradKernels<Arch, T>::multiply(const WinogradProduct<T>& job) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  const std::int64_t panels = ceil_div(job.registers, kWinogradPanel);
  for (std::int64_t cell = 0; cell < kWinogradCells; ++cell) {
    for (std::int64_t first = 0; first < job.outputs; first += kLanes) {  // whose weights stay in the cache
      const std::int64_t last = first + kLanes < job.outputs ? first + kLanes : job.outputs;
      for (std::int64_t panel = 0; panel < panels; ++panel) {
        const std::int64_t left = job.registers - panel * kWinogradPanel;
        if (left >= 3) {
          simd::conv_winograd::multiply_panel<Arch, T, 3>(job, cell, panel, first, last);
        } else if (left == 2) {
          simd::conv_winograd::multiply_panel<Arch, T, 2>(job, cell, panel, first, last);
        } else {
          simd::conv_winograd::multiply_panel<Arch, T, 1>(job, cell, panel, first, last);
        }
      }
    }
  }
}

template <class Arch, class T>
void WinogradKernels<Arch, T>::output(const WinogradOutput<T>& job) {
  simd::conv_winograd::with_side<Arch, T>(job.block.adjacent, [&]<class Side>(Side) {
    for (std::int64_t k = 0; k < job.block.registers; ++k) {
      simd::conv_winograd::transform_outputs<Arch, T, Side::value>(job, k);
    }
  });
}

template <class Arch, class T>
void WinogradKernels<Arch, T>::output_gradient(const WinogradOutputGradient<T>& job) {
  for (std::int64_t o = 0; o < job.planes.channels; o += simd::kLanes<Arch, T>) {
    for (std::int64_t k = 0; k < job.block.registers; ++k) {
      simd::conv_winograd::transform_gradients<Arch, T>(job, k, o);
    }
  }
}

template <class Arch, class T>
void WinogradKernels<Arch, T>::multiply_gradient(const WinogradGradientProduct<T>& job) {
  const std::int64_t segments = ceil_div(job.outputs, simd::kLanes<Arch, T>);
  for (std::int64_t cell = 0; cell < kWinogradCells; ++cell) {
    for (std::int64_t s = 0; s < segments;) {
      const std::int64_t left = segments - s;
      if (left == 3 || left > 4) {
        simd::conv_winograd::multiply_gradient_rows<Arch, T, 3>(job, cell, s);
        s += 3;
      } else if (left > 1) {
        simd::conv_winograd::multiply_gradient_rows<Arch, T, 2>(job, cell, s);
        s += 2;
      } else {
        simd::conv_winograd::multiply_gradient_rows<Arch, T, 1>(job, cell, s);
        ++s;
      }
    }
  }
}

template <class Arch, class T>
void WinogradKernels<Arch, T>::weight_gradient(const WinogradWeightGradient<T>& job) {
  using V = simd::Batch<Arch, T>;
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  for (std::int64_t c = 0; c < job.inputs; ++c) {
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
WinogradRange WinogradKernels<Arch, T>::range(const T* squares, std::int64_t count) {
  using V = simd::Batch<Arch, T>;
  constexpr T kMost = std::numeric_limits<T>::max();
  const V zero(T(0)), one(T(1)), most(kMost);
  V least = most, largest = zero, norms = zero, groups = zero;
  for (std::int64_t i = 0; i < count; i += simd::kLanes<Arch, T>) {
    const V square = V::load_aligned(squares + i);
    const auto counts = square > zero;
    least = min(least, select(counts, square, most));
    largest = max(largest, square);
    norms += sqrt(square);
    groups += select(counts, one, zero);
  }
  return {.least = -static_cast<double>(lane_max(-least)),
          .largest = static_cast<double>(lane_max(largest)),
          .norms = static_cast<double>(lane_sum(norms)),
          .groups = static_cast<double>(lane_sum(groups))};
}

template <class Arch, class T>
double WinogradKernels<Arch, T>::sum_of_squares(const T* x, std::int64_t count) {
  using L = simd::Loop<Arch, T>;
  using V = typename L::V;
  V sums[4] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))};
  L::template each_chain<4>(count, [&](std::int64_t i, auto tag, auto chain) {
    const V value = L::load(x + i, tag);
    sums[chain] = fma(value, value, sums[chain]);
  });
  return static_cast<double>(lane_sum(L::join(sums)));
}

}  // namespace evenkeel::kernels
