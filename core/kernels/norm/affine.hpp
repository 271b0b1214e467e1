#pragma once

// The numbers of the affine step of normalization, for the parts of a unit that the loops take at once. One class per
// way, all alike: `while (parts.next())` goes through `parts.at` with the numbers of its elements, any number of times.

#include "evenkeel/core/kernels/norm/plan.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace evenkeel::kernels::detail {

/// A parameter laid out for the loops: on the way of elements one per element of a period, on that of the grid one per
/// row. `otherwise` stands for a parameter that is not given, or not per row.
template <class T>
class LaidOut {
 public:
  LaidOut(std::span<const T> parameter, const Plan& plan, T otherwise)
      : given_(plan.way == Way::elements && plan.affine.inner == 1 ? parameter.data() : nullptr),
        values_(given_ ? 0 : size(plan)) {
    if (given_) {
      return;  // LayerNorm
    }
    T* values = values_.data();
    std::fill_n(values, size(plan), otherwise);
    if (parameter.empty() || plan.kind == AffineKind::per_group) {
      return;
    }
    ParameterWalk walk(plan, 0);
    for (std::int64_t i = 0; i < size(plan); ++i) {
      values[i] = parameter[static_cast<std::size_t>(walk.parameter())];
      walk.advance(plan.way == Way::grid ? plan.row_size() : 1);
    }
  }

  const T* data() const { return given_ ? given_ : values_.data(); }

 private:
  static std::int64_t size(const Plan& plan) {
    return plan.way == Way::elements ? plan.period() : plan.way == Way::grid ? plan.view.slices * plan.view.outer : 0;
  }
  const T* given_;  // or null
  Workspace<T> values_;
};

/// Whether a group's deviation is beyond the limits; not if it is 0 or NaN, nor if one is infinite: no range helps.
inline bool is_beyond(const NormalizeSpec& spec, std::span<const double> var, double least, double most) {
  const double eps = spec.how.eps;
  const auto var_of = [&](double deviation) {  // negative if eps alone is more
    return spec.how.eps_in_root ? deviation * deviation - eps : (deviation - eps) * std::abs(deviation - eps);
  };
  double largest = 0;  // few instructions: there may be as many groups as numbers
  for (const double v : var) {
    largest = v > largest ? v : largest;
  }
  if (largest > var_of(most)) {
    return std::isfinite(largest);
  }
  const double low = var_of(least), zero = eps > 0 ? -1 : 0;
  return low > 0 && std::any_of(var.begin(), var.end(), [&](double v) { return v > zero && v < low; });
}

template <class T>
std::vector<double> as_doubles(std::span<const T> values) {
  return {values.begin(), values.end()};
}
/// An empty result is not wanted.
template <class T>
void narrow(const std::vector<double>& values, std::span<T> out) {
  std::transform(values.begin(), values.end(), out.begin(), [](double value) { return static_cast<T>(value); });
}

/// A group's mean hi + lo, and its scale.
template <class T>
struct Standard {
  T hi, lo;
  double s;
};

template <class T>
struct AffineStep {
  const Plan& plan;
  const NormalizeSpec& spec;
  const T* x;
  std::span<const T> weight, bias;  // or empty
  const double *mean, *var;
  LaidOut<T> laid_out_weight{weight, plan, T(1)}, laid_out_bias{bias, plan, T(0)};

  double weight_of(std::int64_t parameter) const {
    return weight.empty() ? 1 : static_cast<double>(weight[static_cast<std::size_t>(parameter)]);
  }
  /// s = 1 / sqrt(v + eps) or 1 / (sqrt(v) + eps); 0 for a constant group with eps = 0, so that y is the bias.
  Standard<T> standard(std::int64_t statistic) const {
    const T hi = static_cast<T>(mean[statistic]);
    const double v = var[statistic];
    const double root = spec.how.eps_in_root ? std::sqrt(v + spec.how.eps) : std::sqrt(v) + spec.how.eps;
    return {hi, static_cast<T>(mean[statistic] - static_cast<double>(hi)), root == 0 ? 0 : 1 / root};
  }
  Piece<T> piece(const Standard<T>& of, std::int64_t parameter) const {
    return {of.hi, of.lo, static_cast<T>(of.s * weight_of(parameter)),
            bias.empty() ? T(0) : bias[static_cast<std::size_t>(parameter)], T(1)};
  }
  /// Without weight and bias.
  Piece<T> piece(const Standard<T>& of) const { return {of.hi, of.lo, static_cast<T>(of.s), T(0), T(1)}; }
};

/// What the parts of all ways have: the statistics of the unit's groups.
template <class T>
struct Parts {
  Parts(const AffineStep<T>& affine_step, const Unit& u) : step(affine_step), plan(step.plan), unit(u) {
    for (std::int64_t g = 0; g < u.groups; ++g) {
      standards[g] = step.standard(u.statistic + g);
    }
  }
  const AffineStep<T>& step;
  const Plan& plan;
  const Unit& unit;
  Standard<T> standards[kUnitWidth];
};

template <class T>
class PieceParts : public Parts<T> {
 public:
  PieceParts(const AffineStep<T>& step, const Unit& u) : Parts<T>(step, u), walk(step.plan, u) {}

  bool next() {
    if (!walk.next()) {
      return false;
    }
    for (std::int64_t k = 0; walk.changed && k < walk.pieces.count; ++k) {
      pieces_[k] = this->step.piece(this->standards[walk.group[k]], walk.parameter[k]);
    }
    return true;
  }
  std::int64_t begin() const { return walk.begin; }
  const Pieces& at() const { return walk.pieces; }

  PieceNumbers<T> numbers() { return {pieces_, nullptr}; }
  /// For dx, with the slopes of the unit's groups.
  PieceNumbers<T> numbers(const Slope<T>* of_groups) {
    for (std::int64_t k = 0; k < walk.pieces.count; ++k) {
      slopes_[k] = of_groups[walk.group[k]];
    }
    return {pieces_, slopes_};
  }
  /// With s weight as the factor for dz.
  PieceNumbers<T> scaled_numbers() {
    for (std::int64_t k = 0; k < walk.pieces.count; ++k) {
      pieces_[k].by = pieces_[k].a;
    }
    return {pieces_, nullptr};
  }
  /// z = x s weight
  PieceNumbers<T> factors() {
    for (std::int64_t k = 0; k < walk.pieces.count; ++k) {
      pieces_[k] = {T(0), T(0), pieces_[k].a, T(0), T(1)};
    }
    return {pieces_, nullptr};
  }

  PieceWalk walk;

 private:
  Piece<T> pieces_[kUnitWidth];
  Slope<T> slopes_[kUnitWidth];
};

template <class T>
class ElementParts : public Parts<T> {
 public:
  ElementParts(const AffineStep<T>& step, const Unit& u) : Parts<T>(step, u), walk(step.plan, u) {
    for (std::int64_t g = 0; g < u.groups; ++g) {
      pieces_[g] = step.piece(this->standards[g]);
    }
  }

  bool next(std::int64_t together = 0) { return walk.next(together); }
  std::int64_t begin() const { return walk.begin; }
  const Pieces& at() const { return walk.pieces; }
  ElementNumbers<T> numbers(const Slope<T>* of_groups = nullptr) const {
    return {pieces_ + walk.group, of_groups ? of_groups + walk.group : nullptr,
            this->step.laid_out_weight.data() + walk.place, this->step.laid_out_bias.data() + walk.place, walk.step};
  }

  ElementWalk walk;

 private:
  Piece<T> pieces_[kUnitWidth];
};

template <class T>
class GridParts : public Parts<T> {
 public:
  GridParts(const AffineStep<T>& step, const Unit& u) : Parts<T>(step, u), rows_(step.plan.rows(u)) {
    ParameterWalk walk(step.plan, u.offset);
    const bool per_row = step.plan.kind == AffineKind::per_row;
    const std::int64_t inner = step.plan.view.inner;
    for (std::int64_t g = 0; g < u.groups; ++g) {
      const Standard<T>& of = this->standards[g];
      const Piece<T> p = per_row ? step.piece(of) : step.piece(of, walk.parameter());
      std::fill_n(columns_.hi + g * inner, inner, p.hi);
      std::fill_n(columns_.lo + g * inner, inner, p.lo);
      std::fill_n(columns_.a + g * inner, inner, p.a);
      std::fill_n(columns_.b + g * inner, inner, p.b);
      walk.advance(inner);
    }
  }

  /// There is one part.
  bool next() {
    at_start_ = !at_start_;
    return !at_start_;
  }
  std::int64_t begin() const { return this->unit.offset; }
  const Pieces& at() const { return rows_; }

  GridNumbers<T> numbers() const {
    const std::int64_t row = this->unit.row;
    return {&columns_, this->step.laid_out_weight.data() + row, this->step.laid_out_bias.data() + row};
  }
  GridNumbers<T> numbers(const Slope<T>* of_groups) {
    const std::int64_t inner = this->plan.view.inner;
    for (std::int64_t g = 0; g < this->unit.groups; ++g) {
      std::fill_n(columns_.s + g * inner, inner, of_groups[g].s);
      std::fill_n(columns_.c2 + g * inner, inner, of_groups[g].c2);
      std::fill_n(columns_.c3 + g * inner, inner, of_groups[g].c3);
    }
    return numbers();
  }
  /// z = x s weight; no_bias: a 0 per row.
  GridNumbers<T> factors(const T* no_bias) {
    std::fill_n(columns_.hi, rows_.width, T(0));
    std::fill_n(columns_.lo, rows_.width, T(0));
    std::fill_n(columns_.b, rows_.width, T(0));
    return {&columns_, numbers().row_w, no_bias};
  }

 private:
  Pieces rows_;
  Columns<T> columns_;
  bool at_start_ = true;
};

/// f.operator()<the parts of the plan's way>()
template <class T, class F>
void with_parts(Way way, const F& f) {
  switch (way) {
    case Way::pieces:
      return f.template operator()<PieceParts<T>>();
    case Way::elements:
      return f.template operator()<ElementParts<T>>();
    case Way::grid:
      return f.template operator()<GridParts<T>>();
  }
}

}  // namespace evenkeel::kernels::detail
