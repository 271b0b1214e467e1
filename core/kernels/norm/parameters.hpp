#pragma once

// The gradients of weight and bias, gathered from the units of work in an order that does not depend on the threads;
// private to the backward of normalization.

#include "evenkeel/core/kernels/norm/plan.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"

#include <algorithm>
#include <cstdint>
#include <span>

namespace evenkeel::kernels::detail {

/// dweight and dbias as they are added up: one (sum(dy), sum(dy x_hat)) per cell, where a cell is the part of x with
/// one parameter that one unit sees whole: a group, a segment, or a unit's part of a row.
inline std::size_t cell_count(const Plan& plan) {
  switch (plan.kind) {
    case AffineKind::per_group:
      return static_cast<std::size_t>(plan.view.statistics());
    case AffineKind::per_segment:
      return static_cast<std::size_t>(plan.view.numel() / plan.segment);
    case AffineKind::per_row:
      return static_cast<std::size_t>(plan.view.slices * plan.view.outer * plan.blocks);
    default:
      return 0;
  }
}

/// Calls f(cell, its parameter) for all cells in order; without divisions, as they may be short.
template <class F>
void each_cell(const Plan& plan, std::size_t count, F f) {
  const bool per_row = plan.kind == AffineKind::per_row;
  const std::size_t together = static_cast<std::size_t>(per_row ? plan.blocks : 1);  // of one row
  const std::int64_t step = per_row                                ? plan.row_size()
                            : plan.kind == AffineKind::per_segment ? plan.segment
                                                                   : plan.view.inner;
  ParameterWalk walk(plan, 0);
  for (std::size_t cell = 0; cell < count; cell += together) {
    for (std::size_t i = 0; i < together; ++i) {
      f(cell + i, static_cast<std::size_t>(walk.parameter()));
    }
    walk.advance(step);
  }
}

/// A chunk's sums per element of the parameters' period; taken in T for a few dozen runs, then added to doubles.
template <class T>
class PositionSums {
 public:
  /// totals: period entries for db, then for dw; written by the first flush, added to by the others.
  PositionSums(std::int64_t period, double* totals) : period_(period), sums_(2 * period), totals_(totals) {
    std::fill_n(sums_.data(), 2 * period, T(0));
  }

  T* dw() { return sums_.data() + period_; }
  T* db() { return sums_.data(); }
  void count_runs(int runs) {
    runs_ += runs;
    if (runs_ >= 32) {
      flush();
    }
  }
  void flush() {
    T* sums = sums_.data();
    for (std::int64_t i = 0; i < 2 * period_; ++i) {
      const double value = static_cast<double>(sums[i]);
      totals_[i] = flushed_ ? totals_[i] + value : value;
    }
    std::fill_n(sums, 2 * period_, T(0));
    flushed_ = true;
    runs_ = 0;
  }

 private:
  std::int64_t period_;
  Workspace<T> sums_;
  double* totals_;
  bool flushed_ = false;
  int runs_ = 0;
};

/// sums[p] += the cells of parameter p, in the order of their index.
inline void add_cells(const Plan& plan, std::span<const SumPair> cells, SumPair* sums) {
  const auto params = static_cast<std::size_t>(plan.affine.params);
  const bool in_turn = plan.kind != AffineKind::per_row && plan.affine.inner == plan.piece();
  if (!in_turn) {
    return each_cell(plan, cells.size(), [&](std::size_t cell, std::size_t p) {
      sums[p].first += cells[cell].first;
      sums[p].second += cells[cell].second;
    });
  }
  for (std::size_t first = 0; first < cells.size(); first += params) {
    for (std::size_t p = 0; p < params; ++p) {
      sums[p].first += cells[first + p].first;
      sums[p].second += cells[first + p].second;
    }
  }
}

/// dweight and dbias from the cells, or from each chunk's sums per position.
template <class P>
void write_parameters(const Plan& plan, std::span<const SumPair> cells, std::span<const double> totals,
                      std::span<P> dweight, std::span<P> dbias) {
  const auto params = static_cast<std::size_t>(plan.affine.params);
  const auto inner = static_cast<std::size_t>(plan.affine.inner);
  const auto period = static_cast<std::size_t>(plan.period());
  const auto write = [&](std::size_t p, SumPair sum) {
    if (!dweight.empty()) {
      dweight[p] = static_cast<P>(sum.second);
    }
    if (!dbias.empty()) {
      dbias[p] = static_cast<P>(sum.first);
    }
  };
  if (plan.kind == AffineKind::per_position) {
    for (std::size_t p = 0; p < params; ++p) {
      SumPair sum{0, 0};
      for (std::size_t chunk = 0; chunk < totals.size(); chunk += 2 * period) {
        for (std::size_t i = chunk + p * inner; i < chunk + (p + 1) * inner; ++i) {
          sum.first += totals[i];
          sum.second += totals[i + period];
        }
      }
      write(p, sum);
    }
    return;
  }
  Workspace<SumPair> sums(plan.affine.params);
  std::fill_n(sums.data(), params, SumPair{0, 0});
  add_cells(plan, cells, sums.data());
  for (std::size_t p = 0; p < params; ++p) {
    write(p, sums.data()[p]);
  }
}

}  // namespace evenkeel::kernels::detail
