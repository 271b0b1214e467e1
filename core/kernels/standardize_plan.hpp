#pragma once

// How the work of normalization is cut; shared by its forward and its backward, private to them.

#include "core/kernels/standardize.hpp"
#include "core/kernels/workspace.hpp"

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
  /// The runs of a group.
  RowBlock runs() const { return {view.outer, row_size(), view.inner}; }
  RowBlock row_block(const Unit& u) const { return {view.outer, row_size(), u.groups * view.inner}; }
};

/// 1 / sqrt(v + eps) or 1 / (sqrt(v) + eps); 0 for a constant group with eps = 0, so that y is the bias.
double scale_of(double var, const Standardization& how);

template <class T>
Center<T> center_of(double mean) {
  const T hi = static_cast<T>(mean);
  return {hi, static_cast<T>(mean - static_cast<double>(hi))};
}

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
    std::int64_t p = 0;
    std::int64_t place = 0;  // within the elements that share p
    for (std::int64_t i = 0; i < size(plan); ++i) {
      values[i] = parameter.empty() ? otherwise : parameter[static_cast<std::size_t>(p)];
      place += step;
      if (place >= plan.affine.inner) {
        place = 0;
        p = p + 1 == plan.affine.params ? 0 : p + 1;
      }
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
