#pragma once

// How the work of normalization is cut; the same for the outputs and the gradients.

#include "evenkeel/core/kernels/norm/kernels.hpp"
#include "evenkeel/core/kernels/norm/normalize.hpp"

#include <limits>

namespace evenkeel::kernels::detail {

/// How parameters meet groups.
enum class AffineKind {
  per_group,    ///< one parameter for all of a group (BatchNorm, InstanceNorm), or none at all
  per_piece,    ///< one per piece of a run (GroupNorm)
  per_element,  ///< one per element of a run (LayerNorm)
  per_row,      ///< one per row, while every column is a group (LayerNorm over channels)
};

/// How a unit is walked, after who has numbers of its own (kernels.hpp).
enum class Way {
  pieces,    ///< with one parameter each
  elements,  ///< runs, or parts of them, with a parameter per element
  grid,      ///< row by row: a register takes the same place of neighbouring groups
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
  Way way;
  std::int64_t piece;   ///< elements of a run with the same parameter, on the way of pieces
  std::int64_t block;   ///< groups of a unit
  std::int64_t blocks;  ///< units of a slice
  std::int64_t units, grain;

  Unit unit(std::int64_t index) const;
  std::int64_t row_size() const { return view.groups * view.inner; }
  std::int64_t period() const { return affine.params * affine.inner; }
  /// Index of the parameter of element i.
  std::int64_t parameter(std::int64_t i) const { return affine.params > 1 ? i / affine.inner % affine.params : 0; }
  /// All of a unit's groups, a piece each.
  Pieces groups(std::int64_t count) const { return {count, view.inner, view.outer, row_size(), view.inner}; }
  /// The unit's part of every row, a piece each.
  Pieces rows(const Unit& u) const { return {view.outer, row_size(), 1, 0, u.groups * view.inner}; }
};

/// f(unit), or f(part) for each group of a unit with long runs, so that all passes find it cached.
template <class F>
void each_part(const Plan& plan, const Unit& u, const F& f) {
  if (plan.way == Way::grid || u.groups == 1 || plan.view.count() < 4 * kUnitWidth) {
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
        inner_(params_ > 1 ? plan.affine.inner : std::numeric_limits<std::int64_t>::max()),
        parameter_(plan.parameter(element)),
        place_(element % inner_) {}

  std::int64_t parameter() const { return parameter_; }
  /// By no more than the elements that share a parameter.
  void advance(std::int64_t elements) {
    place_ += elements;
    if (place_ >= inner_) {
      place_ -= inner_;
      parameter_ = parameter_ + 1 == params_ ? 0 : parameter_ + 1;
    }
  }

 private:
  std::int64_t params_;
  std::int64_t inner_;  // elements that share a parameter
  std::int64_t parameter_;
  std::int64_t place_;  // among them
};

/// The pieces of a unit with one parameter each, at most kUnitWidth at a time: groups, or parts of one run (of all
/// runs, where one follows the other).
class PieceWalk {
 public:
  PieceWalk(const Plan& plan, const Unit& u);
  /// Sets the members for the next pieces; behind the last it gives false, and begins again.
  bool next();

  std::int64_t begin = 0;  ///< first element
  Pieces pieces;
  std::int64_t group[kUnitWidth], parameter[kUnitWidth];  ///< of each piece; groups count from the unit's first
  bool changed = true;  ///< by the last next(); all pieces of a unit are found once, if they are not too many

 private:
  const Plan& plan_;
  const Unit& unit_;
  std::int64_t runs_;  // of a group, walked one by one
  std::int64_t group_ = 0, run_ = 0, place_ = 0;
  bool has_all_ = false, at_start_ = true;
};

/// The runs of a unit with a parameter per element, cut where the parameters begin anew. Neighbouring groups are taken
/// at once if each is one period of the parameters, or several fill one.
class ElementWalk {
 public:
  ElementWalk(const Plan& plan, const Unit& u);
  /// As in PieceWalk; `together` > 0: so many groups of one period each, if there are so many, else one.
  bool next(std::int64_t together = 0);

  std::int64_t group = 0;  ///< the first group, counted from the unit's first
  std::int64_t begin = 0;  ///< first element
  std::int64_t place = 0;  ///< of that in the parameters' period
  std::int64_t step;       ///< parameters from one group to the next; negative where groups are taken one by one
  Pieces pieces;

 private:
  const Plan& plan_;
  const Unit& unit_;
  std::int64_t next_ = 0, run_ = 0, done_ = 0;  // group; of its runs; elements of that
};

}  // namespace evenkeel::kernels::detail
