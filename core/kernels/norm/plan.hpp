#pragma once

// How the work of normalization is cut; shared by its forward and its backward, private to them.

#include "evenkeel/core/kernels/norm/normalize.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"

#include <cstdint>
#include <span>

namespace evenkeel::kernels::detail {

/// Elements of a row that one unit of work takes: whole cache lines, and its columns stay cached between the passes.
inline constexpr std::int64_t kUnitWidth = 256;

/// How parameters meet groups.
enum class AffineKind {
  per_group,     ///< one parameter for all of a group (BatchNorm, InstanceNorm), or none at all
  per_segment,   ///< one per stretch of a run (GroupNorm)
  per_position,  ///< one per element of a run (LayerNorm)
  per_row,       ///< one per row, while every column is a group (LayerNorm over channels)
};

/// `groups` neighbouring groups of one slice.
struct Unit {
  std::int64_t groups;
  std::int64_t statistic;  ///< index of the first group's statistics
  std::int64_t offset;     ///< of the first element
  std::int64_t row;        ///< slice * outer
  std::int64_t block;      ///< number of the unit in its slice
};

/// The cut depends on sizes only, so results do not depend on the thread count.
struct Plan {
  explicit Plan(const NormalizeSpec& spec);

  GroupView view;
  AffineView affine;
  AffineKind kind;
  bool rows;             ///< walk by rows (a register takes the same place of neighbouring groups), else by runs
  std::int64_t segment;  ///< elements with the same parameter, per_segment
  std::int64_t block;    ///< groups of a unit
  std::int64_t blocks;   ///< units of a slice
  std::int64_t units, grain;

  Unit unit(std::int64_t index) const;
  std::int64_t row_size() const { return view.groups * view.inner; }
  std::int64_t period() const { return affine.params * affine.inner; }
  /// Index of the parameter of element i.
  std::int64_t parameter(std::int64_t i) const { return affine.params > 1 ? i / affine.inner % affine.params : 0; }
  /// Whether neighbouring groups follow one another, so that pieces with one parameter each do, or periods.
  bool by_pieces() const { return !rows && view.outer == 1 && kind != AffineKind::per_position; }
  bool by_periods() const { return kind == AffineKind::per_position && view.outer == 1 && period() == view.inner; }
  std::int64_t piece() const { return kind == AffineKind::per_segment ? segment : view.inner; }
  /// The runs of a group.
  RowBlock runs() const { return {view.outer, row_size(), view.inner}; }
  RowBlock row_block(const Unit& u) const { return {view.outer, row_size(), u.groups * view.inner}; }
};

/// 1 / sqrt(v + eps) or 1 / (sqrt(v) + eps); 0 for a constant group with eps = 0, so that y is the bias.
double scale_of(double var, const Normalization& how);

template <class T>
Center<T> center_of(double mean) {
  const T hi = static_cast<T>(mean);
  return {hi, static_cast<T>(mean - static_cast<double>(hi))};
}

/// f(unit), or f(part) for each group of a unit with long runs.
template <class F>
void each_part(const Plan& plan, const Unit& u, const F& f) {
  if (plan.rows || u.groups == 1 || plan.view.count() < 4 * kUnitWidth) {
    return f(u);
  }
  for (std::int64_t g = 0; g < u.groups; ++g) {
    f(Unit{1, u.statistic + g, u.offset + g * plan.view.inner, u.row, u.block});
  }
}

/// The sum of n, in four chains.
inline SumPair joined(const SumPair* sums, std::int64_t n) {
  SumPair chains[4] = {};
  for (std::int64_t i = 0; i < n; ++i) {
    chains[i % 4].first += sums[i].first;
    chains[i % 4].second += sums[i].second;
  }
  return {(chains[0].first + chains[1].first) + (chains[2].first + chains[3].first),
          (chains[0].second + chains[1].second) + (chains[2].second + chains[3].second)};
}

/// The parameter of one element after another; without a division at each step.
class ParameterWalk {
 public:
  ParameterWalk(const Plan& plan, std::int64_t element)
      : params_(plan.affine.params),
        inner_(plan.affine.inner),
        parameter_(plan.parameter(element)),
        place_(params_ > 1 ? element % inner_ : 0) {}

  std::int64_t parameter() const { return parameter_; }
  /// By no more than the elements that share a parameter.
  void advance(std::int64_t elements) {
    place_ += elements;
    if (params_ > 1 && place_ >= inner_) {
      place_ -= inner_;
      parameter_ = parameter_ + 1 == params_ ? 0 : parameter_ + 1;
    }
  }

 private:
  std::int64_t params_, inner_, parameter_;
  std::int64_t place_;  // within the elements that share the parameter
};

/// f(first element, length, place in the parameters' period) for the stretches of a group's runs within one period.
template <class F>
void each_stretch(const Plan& plan, std::int64_t begin, F f) {
  for (std::int64_t o = 0; o < plan.view.outer; ++o) {
    const std::int64_t first = begin + o * plan.row_size();
    const std::int64_t end = first + plan.view.inner;
    for (std::int64_t i = first; i < end;) {
      const std::int64_t place = i % plan.period();
      const std::int64_t length = end - i < plan.period() - place ? end - i : plan.period() - place;
      f(i, length, place);
      i += length;
    }
  }
}

/// f(first element, its rows, parameter) for the parts of a group with one parameter: all of it, or segments.
template <class F>
void each_piece(const Plan& plan, std::int64_t begin, F f) {
  if (plan.kind == AffineKind::per_group) {
    return f(begin, plan.runs(), plan.parameter(begin));
  }
  for (std::int64_t o = 0; o < plan.view.outer; ++o) {
    const std::int64_t first = begin + o * plan.row_size();
    std::int64_t p = plan.parameter(first);
    for (std::int64_t i = first; i < first + plan.view.inner; i += plan.segment) {
      f(i, RowBlock{1, 0, plan.segment}, p);
      p = p + 1 == plan.affine.params ? 0 : p + 1;
    }
  }
}

/// Goes through the pieces of a unit, at most kUnitWidth at a time: set(k, group in the unit, parameter) for each, then
/// run(first element, number of pieces).
template <class Set, class Run>
void each_batch(const Plan& plan, const Unit& u, const Set& set, const Run& run) {
  const std::int64_t length = plan.piece();
  std::int64_t begin = u.offset;
  std::int64_t k = 0;
  ParameterWalk walk(plan, u.offset);
  for (std::int64_t g = 0; g < u.groups; ++g) {
    for (std::int64_t i = 0; i < plan.view.inner; i += length) {
      set(k, g, walk.parameter());
      walk.advance(length);
      if (++k == kUnitWidth) {
        run(begin, k);
        begin += k * length;
        k = 0;
      }
    }
  }
  if (k > 0) {
    run(begin, k);
  }
}

/// A parameter (or `otherwise`, if it is empty) laid out for the loops: per element of a period (per_position), per row
/// (per_row), else nothing.
template <class T>
class LaidOut {
 public:
  LaidOut(std::span<const T> parameter, const Plan& plan, T otherwise)
      : given_(plan.kind == AffineKind::per_position && plan.affine.inner == 1 ? parameter.data() : nullptr),
        values_(given_ ? 0 : size(plan)) {
    if (given_) {
      return;  // LayerNorm
    }
    const std::int64_t step = plan.kind == AffineKind::per_row ? plan.row_size() : 1;
    T* values = values_.data();
    ParameterWalk walk(plan, 0);
    for (std::int64_t i = 0; i < size(plan); ++i) {
      values[i] = parameter.empty() ? otherwise : parameter[static_cast<std::size_t>(walk.parameter())];
      walk.advance(step);
    }
  }

  const T* data() const { return given_ ? given_ : values_.data(); }

 private:
  static std::int64_t size(const Plan& plan) {
    return plan.kind == AffineKind::per_position ? plan.period()
           : plan.kind == AffineKind::per_row    ? plan.view.slices * plan.view.outer
                                                 : 0;
  }
  const T* given_;  // or null
  mutable Workspace<T> values_;
};

}  // namespace evenkeel::kernels::detail
