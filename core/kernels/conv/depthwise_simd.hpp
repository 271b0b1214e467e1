#pragma once

#include "evenkeel/core/kernels/conv/depthwise.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"

namespace evenkeel::kernels {
namespace simd::conv_depthwise {

/// y at kSegments registers of pixels from `row` and `column` on, which move behind them.
template <class Arch, class T, int kSegments>
void forward_segments(const DepthwiseForward<T>& job, std::int64_t& row, std::int64_t& column) {
  using V = Batch<Arch, T>;
  const T* x[kSegments];
  T* y[kSegments];
  std::int64_t count[kSegments];
  V sum[kSegments];
  for (int s = 0; s < kSegments; ++s) {
    x[s] = job.x + row * job.x_row + column;
    y[s] = job.y + row * job.y_row + column;
    count[s] = job.columns - column;
    sum[s] = V(job.bias);
    column += kLanes<Arch, T>;
    if (column >= job.columns) {
      column = 0;
      ++row;
    }
  }
  for (std::int64_t k = 0; k < job.step_count; ++k) {
    const V w(job.w[job.steps[k].a]);
    const std::int64_t step = job.steps[k].b;
    for (int s = 0; s < kSegments; ++s) {
      sum[s] = fma(w, V::load_unaligned(x[s] + step), sum[s]);
    }
  }
  for (int s = 0; s < kSegments; ++s) {
    Loop<Arch, T>::store(y[s], sum[s], Some{count[s]});
  }
}

/// Sums of the products of kSteps kernel cells from number `first` on; beyond the last the last is computed again and
/// dropped.
template <class Arch, class T, int kSteps>
void add_gradient(const DepthwiseWeightGradient<T>& job, std::int64_t first) {
  using L = Loop<Arch, T>;
  using V = typename L::V;
  std::int64_t steps[kSteps];
  V sum[kSteps];
  for (int k = 0; k < kSteps; ++k) {
    steps[k] = job.x_steps[first + k < job.steps ? first + k : job.steps - 1];
    sum[k] = V(T(0));
  }
  for (std::int64_t n = 0; n < job.images; ++n) {
    const T* dy = job.dy + n * job.dy_image;
    for (std::int64_t i = 0; i < job.rows; ++i, dy += job.columns) {
      const T* x = job.x + n * job.x_image + i * job.x_row;
      L::each(job.columns, [&](std::int64_t j, auto tag) {
        const V gradient = L::load(dy + j, tag);
        for (int k = 0; k < kSteps; ++k) {  // a NaN of x behind the row's last window must not meet the zeros of dy
          sum[k] = fma(gradient, L::load(x + j + steps[k], tag), sum[k]);
        }
      });
    }
  }
  for (int k = 0; k < kSteps && first + k < job.steps; ++k) {
    job.dw[first + k] += static_cast<double>(lane_sum(sum[k]));
  }
}

/// Nine kernel cells, three each in three successive rows of the stage: what one output row reads, its neighbours read
/// as well. Cell k of row p, number cell(p, k), is at p * x_row + columns[k].
template <class Arch>
struct Square {
  bool found = false, reversed = false;
  std::int64_t columns[3] = {};

  /// place(k): where cell number k is, for `count` cells.
  template <class Place>
  Square(std::int64_t count, std::int64_t x_row, const Place& place) {
    if (count != 9) {
      return;
    }
    reversed = place(0) > place(8);
    found = true;
    for (int k = 0; k < 9; ++k) {
      columns[k % 3] = k < 3 ? place(cell(0, k)) : columns[k % 3];
      found = found && place(cell(k / 3, k % 3)) == k / 3 * x_row + columns[k % 3];
    }
  }
  int cell(int p, int k) const { return reversed ? 8 - 3 * p - k : 3 * p + k; }
};

/// sum + the products of a row of cells with the weights w of one row of the kernel.
template <class Arch, class T>
Batch<Arch, T> add_products(const Batch<Arch, T>* w, const Batch<Arch, T>* x, const Batch<Arch, T>& sum) {
  return fma(w[2], x[2], fma(w[1], x[1], fma(w[0], x[0], sum)));
}

/// y of a square, row by row: each row of x is loaded once, for the three rows of y that it is in.
template <class Arch, class T>
void forward_square(const DepthwiseForward<T>& job, const Square<Arch>& square) {
  using V = Batch<Arch, T>;
  V w[9], x[3];
  for (int k = 0; k < 9; ++k) {
    w[k] = V(job.w[job.steps[square.cell(k / 3, k % 3)].a]);
  }
  const V bias(job.bias);
  for (std::int64_t j = 0; j < job.columns; j += kLanes<Arch, T>) {
    const T* from = job.x + j;
    const auto load_row = [&] {
      for (int k = 0; k < 3; ++k) {
        x[k] = V::load_unaligned(from + square.columns[k]);
      }
      from += job.x_row;
    };
    load_row();
    V upper = add_products<Arch, T>(w, x, bias);  // the row that two rows of x have been added to
    load_row();
    upper = add_products<Arch, T>(w + 3, x, upper);
    V lower = add_products<Arch, T>(w, x, bias);  // the one behind it
    for (std::int64_t i = 0; i < job.rows; ++i) {
      load_row();
      const V done = add_products<Arch, T>(w + 6, x, upper);
      upper = add_products<Arch, T>(w + 3, x, lower);
      lower = add_products<Arch, T>(w, x, bias);
      Loop<Arch, T>::store(job.y + i * job.y_row + j, done, Some{job.columns - j});
    }
  }
}

/// Adds the products of one image of two rows of pixels or more, a register of a row's pixels or the tail of the row.
/// Each row of x meets the three rows of dy that it has a part in.
template <class Arch, class T, class Tag>
void add_square_products(const DepthwiseWeightGradient<T>& job, const Square<Arch>& square, const T* x, const T* dy,
                         Tag tag, Batch<Arch, T>* sum) {
  using V = Batch<Arch, T>;
  const auto load = [&](const T* p) {  // a NaN of x behind the row's last window must not meet dy's zeros
    return Loop<Arch, T>::load(p, tag);
  };
  V cells[3];
  const auto load_row = [&](std::int64_t r) {
    for (int k = 0; k < 3; ++k) {
      cells[k] = load(x + r * job.x_row + square.columns[k]);
    }
  };
  const auto add = [&](int p, const V& gradient) {
    for (int k = 0; k < 3; ++k) {
      sum[3 * p + k] = fma(gradient, cells[k], sum[3 * p + k]);
    }
  };
  V first = load(dy), second = load(dy + job.columns);
  load_row(0);
  add(0, first);
  load_row(1);
  add(0, second);
  add(1, first);
  for (std::int64_t i = 2; i < job.rows; ++i) {
    const V third = load(dy + i * job.columns);
    load_row(i);
    add(0, third);
    add(1, second);
    add(2, first);
    first = second;
    second = third;
  }
  load_row(job.rows);
  add(1, second);
  add(2, first);
  load_row(job.rows + 1);
  add(2, second);
}

/// What add_gradient does, for a square and with fewer loads.
template <class Arch, class T>
void add_square_gradient(const DepthwiseWeightGradient<T>& job, const Square<Arch>& square) {
  using V = Batch<Arch, T>;
  V sum[9];
  for (V& each : sum) {
    each = V(T(0));
  }
  for (std::int64_t n = 0; n < job.images; ++n) {
    const T* x = job.x + n * job.x_image;
    const T* dy = job.dy + n * job.dy_image;
    Loop<Arch, T>::each(job.columns, [&](std::int64_t j, auto tag) {
      add_square_products<Arch, T>(job, square, x + j, dy + j, tag, sum);
    });
  }
  for (int k = 0; k < 9; ++k) {
    job.dw[square.cell(k / 3, k % 3)] += static_cast<double>(lane_sum(sum[k]));
  }
}

}  // namespace simd::conv_depthwise

template <class Arch, class T>
void DepthwiseKernels<Arch, T>::forward(const DepthwiseForward<T>& job) {
  namespace loops = simd::conv_depthwise;
  const loops::Square<Arch> square(job.step_count, job.x_row, [&](int k) { return job.steps[k].b; });
  if (square.found) {
    loops::forward_square<Arch, T>(job, square);
    return;
  }
  constexpr int kSegments = 4;
  std::int64_t left = job.rows * ceil_div(job.columns, simd::kLanes<Arch, T>);
  std::int64_t row = 0, column = 0;
  for (; left >= kSegments; left -= kSegments) {
    loops::forward_segments<Arch, T, kSegments>(job, row, column);
  }
  for (; left > 0; --left) {
    loops::forward_segments<Arch, T, 1>(job, row, column);
  }
}

template <class Arch, class T>
void DepthwiseKernels<Arch, T>::weight_gradient(const DepthwiseWeightGradient<T>& job) {
  namespace loops = simd::conv_depthwise;
  const loops::Square<Arch> square(job.steps, job.x_row, [&](int k) { return job.x_steps[k]; });
  if (square.found && job.rows > 1) {
    loops::add_square_gradient<Arch, T>(job, square);
    return;
  }
  constexpr int kSteps = 9;  // a 3x3 kernel at once
  for (std::int64_t first = 0; first < job.steps; first += kSteps) {
    loops::add_gradient<Arch, T, kSteps>(job, first);
  }
}

}  // namespace evenkeel::kernels
