#pragma once

// The gradients of weight and bias, gathered from the units of work in an order that does not depend on the threads.

#include "evenkeel/core/kernels/norm/plan.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"

#include <algorithm>
#include <span>

namespace evenkeel::kernels::detail {

/// Sums per element of the parameters' period that one chunk of units takes; in T for a few dozen runs, then added to
/// doubles.
template <class T>
class ElementSums {
 public:
  /// totals: period entries for db, then for dw; written by the first flush, added to by the others.
  ElementSums(std::int64_t period, double* totals) : period_(period), sums_(2 * period), totals_(totals) {
    std::fill_n(sums_.data(), 2 * period, T(0));
  }

  T* db() { return sums_.data(); }
  T* dw() { return sums_.data() + period_; }
  void count_runs(std::int64_t runs) {
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
  std::int64_t runs_ = 0;
};

/// What dweight and dbias are added up from. On the way of elements: the totals of each chunk's ElementSums. Else one
/// (sum(dz), sum(dz x_hat)) per piece; in a grid a group's rows are one piece, or a unit's part of a row is.
class ParameterSums {
 public:
  explicit ParameterSums(const Plan& plan)
      : plan_(plan),
        period_(plan.way == Way::elements ? plan.period() : 0),
        chunks_(ceil_div(plan.units, plan.grain)),
        count_(count_pieces(plan)),
        totals_(chunks_ * 2 * period_),
        sums_of_pieces_(count_) {}

  /// 0 where pieces are summed instead.
  std::int64_t period() const { return period_; }
  double* totals(std::int64_t chunk) { return totals_.data() + chunk * 2 * period_; }
  /// Of neighbouring pieces.
  SumPair* of_pieces(const Unit& u, const PieceWalk& walk) {
    return sums_of_pieces_.data() +
           (plan_.kind == AffineKind::per_group ? u.statistic + walk.group[0] : walk.begin / plan_.piece);
  }
  /// Of groups.
  SumPair* of_groups(const Unit& u) { return sums_of_pieces_.data() + u.statistic; }
  /// Of the unit's part of its first row; plan.blocks further on that of the next.
  SumPair* of_rows(const Unit& u) { return sums_of_pieces_.data() + u.row * plan_.blocks + u.block; }

  template <class P>
  void write(std::span<P> dweight, std::span<P> dbias) {
    const std::int64_t params = plan_.affine.params;
    Workspace<SumPair> sums(params);
    std::fill_n(sums.data(), params, SumPair{0, 0});
    add_totals(sums.data());
    add_pieces(sums.data());
    for (std::int64_t p = 0; p < params; ++p) {
      if (!dweight.empty()) {
        dweight[static_cast<std::size_t>(p)] = static_cast<P>(sums.data()[p].second);
      }
      if (!dbias.empty()) {
        dbias[static_cast<std::size_t>(p)] = static_cast<P>(sums.data()[p].first);
      }
    }
  }

 private:
  static std::int64_t count_pieces(const Plan& plan) {
    switch (plan.kind) {
      case AffineKind::per_group:
        return plan.view.statistics();
      case AffineKind::per_piece:
        return plan.view.numel() / plan.piece;
      case AffineKind::per_row:
        return plan.view.slices * plan.view.outer * plan.blocks;
      default:
        return 0;
    }
  }

  void add_totals(SumPair* sums) {
    const std::int64_t inner = plan_.affine.inner;
    for (std::int64_t chunk = 0; chunk < (period_ > 0 ? chunks_ : 0); ++chunk) {
      for (std::int64_t i = 0; i < period_; i += inner, ++sums) {
        for (const double* total = totals(chunk) + i; total < totals(chunk) + i + inner; ++total) {
          sums->first += total[0];
          sums->second += total[period_];
        }
      }
      sums -= plan_.affine.params;
    }
  }

  /// In the order of their index; without divisions, as they may be short.
  void add_pieces(SumPair* sums) {
    const bool per_row = plan_.kind == AffineKind::per_row;
    const std::int64_t params = plan_.affine.params;
    const std::int64_t together = params <= 1 ? count_
                                  : per_row   ? plan_.affine.inner / plan_.row_size() * plan_.blocks
                                              : plan_.affine.inner / plan_.piece;
    const SumPair* piece = sums_of_pieces_.data();
    for (const SumPair* end = piece + count_; piece < end;) {
      for (SumPair* sum = sums; sum < sums + params && piece < end; ++sum) {
        for (const SumPair* stop = piece + together; piece < stop; ++piece) {
          sum->first += piece->first;
          sum->second += piece->second;
        }
      }
    }
  }

  const Plan& plan_;
  std::int64_t period_, chunks_, count_;
  Workspace<double> totals_;
  Workspace<SumPair> sums_of_pieces_;
};

}  // namespace evenkeel::kernels::detail
