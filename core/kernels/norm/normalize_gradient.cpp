#include "evenkeel/core/kernels/norm/normalize.hpp"
#include "evenkeel/core/kernels/norm/parameters.hpp"
#include "evenkeel/core/kernels/norm/plan.hpp"
#include "evenkeel/core/kernels/norm/scale.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <cmath>

namespace evenkeel::kernels {
namespace {

using detail::AffineKind;
using detail::center_of;
using detail::kUnitWidth;
using detail::Plan;
using detail::PositionSums;
using detail::scale_of;
using detail::Unit;
using std::int64_t;

template <class T>
struct BackwardArgs {
  const Plan& plan;
  const NormalizeSpec& spec;
  const T* x;
  const T* dy;
  const T* dz;      // dy, or what gate makes of it: the gradient of the activation's input
  const T* weight;  // or null
  const T* laid_out_weight;
  const double* mean;
  const double* var;
  const detail::ScaleArgs<T>& gate;
  T* first_out;  // or null: what the pass over a piece that takes its sums writes
  bool wants_parameters;
  SumPair* cells;
  T* dx;                  // or null
  const double* given_b;  // or null: to be found, or 0 where the statistics are given
  const double* given_k;
  double per_element = 1 / static_cast<double>(plan.view.count());
  double per_freedom = 1 / static_cast<double>(plan.view.count() - spec.how.correction);

  bool activated() const { return gate.activation.f != NormActivation::none; }
  /// dx = dz s weight
  bool only_scales() const { return spec.fixed && !given_b; }
  bool scales_at_once() const { return only_scales() && plan.kind != AffineKind::per_position; }
  bool needs_sums() const { return wants_parameters || (dx && !spec.fixed); }
  double weight_of(int64_t parameter) const { return weight ? static_cast<double>(weight[parameter]) : 1; }
};

/// Of one group: dx = s (q - b - x_hat k), as in autograd/ops/normalize_groups.hpp.
template <class T>
struct GroupGradient {
  Center<T> m;
  double s, b, k;

  GradientCoefficients<T> coefficients(double w) const {
    return {static_cast<T>(s), static_cast<T>(s * w), static_cast<T>(-s * k), static_cast<T>(-s * b)};
  }
};

template <class T>
GroupGradient<T> with_statistics(const BackwardArgs<T>& in, int64_t statistic) {
  return {center_of<T>(in.mean[statistic]), scale_of(in.var[statistic], in.spec.how),
          in.given_b ? in.given_b[statistic] : 0, in.given_k ? in.given_k[statistic] : 0};
}

/// Sets b and k from q_sums = (sum(q), sum(q x_hat)); they stay as they are where the statistics are given.
template <class T>
void take_sums(const BackwardArgs<T>& in, int64_t statistic, SumPair q_sums, GroupGradient<T>& group) {
  if (in.spec.fixed) {
    return;
  }
  const Normalization& how = in.spec.how;
  group.b = how.center ? q_sums.first * in.per_element : 0;
  group.k = q_sums.second * in.per_freedom;
  if (!how.eps_in_root) {
    const double deviation = std::sqrt(in.var[statistic]);
    group.k = deviation > 0 ? group.k * (deviation + how.eps) / deviation : 0;
  }
}

/// Takes dy of one group back through the activation.
template <class K, class T>
void pass_gate(const BackwardArgs<T>& in, int64_t begin, const GroupGradient<T>& group) {
  if (in.activated()) {
    detail::scale_group<K>(in.gate, begin, group.m, group.s);
  }
}

/// (sum(q), sum(q x_hat)) of a group, with one parameter per group without it; writes the cells of segments.
template <class K, class T>
SumPair sum_group(const BackwardArgs<T>& in, int64_t begin, const GroupGradient<T>& group, PositionSums<T>* positions) {
  SumPair q_sums{0, 0};
  if (in.plan.kind == AffineKind::per_position) {
    pass_gate<K>(in, begin, group);
    detail::each_stretch(in.plan, begin, [&](int64_t i, int64_t length, int64_t place) {
      K::run_gradient_sums(in.x + i, in.dz + i, length, group.m, static_cast<T>(group.s), in.laid_out_weight + place,
                           positions->dw() + place, positions->db() + place, q_sums);
      positions->count_runs(1);
    });
    q_sums.second *= group.s;
    return q_sums;
  }
  detail::each_piece(in.plan, begin, [&](int64_t i, RowBlock run, int64_t p) {
    SumPair sums{0, 0};
    const double w = in.weight_of(p);
    T* out = in.first_out ? in.first_out + i : nullptr;
    K::run_gradient_sums(in.x + i, in.dy + i, out, run, group.m, in.gate.gate(group.s, p),
                         in.scales_at_once() ? group.coefficients(w).c1 : T(1), sums);
    sums.second *= group.s;
    if (in.plan.kind == AffineKind::per_segment) {
      in.cells[i / in.plan.segment] = sums;
      q_sums.first += sums.first * w;
      q_sums.second += sums.second * w;
    } else {
      q_sums = sums;
    }
  });
  return q_sums;
}

/// sum_group of all the unit's groups, where each is one period of the parameters: four at a time.
template <class K, class T>
void sum_periods(const BackwardArgs<T>& in, const Unit& u, const GroupGradient<T>* groups, PositionSums<T>* positions,
                 SumPair* q_sums) {
  const int64_t inner = in.plan.view.inner;
  int64_t g = 0;
  for (; g + 4 <= u.groups; g += 4) {
    const int64_t begin = u.offset + g * inner;
    Center<T> m[4];
    T s[4];
    for (int64_t r = 0; r < 4; ++r) {
      pass_gate<K>(in, begin + r * inner, groups[g + r]);
      m[r] = groups[g + r].m;
      s[r] = static_cast<T>(groups[g + r].s);
      q_sums[g + r] = {0, 0};
    }
    K::four_run_gradient_sums(in.x + begin, in.dz + begin, inner, m, s, in.laid_out_weight, positions->dw(),
                              positions->db(), q_sums + g);
    positions->count_runs(4);
    for (int64_t r = g; r < g + 4; ++r) {
      q_sums[r].second *= groups[r].s;
    }
  }
  for (; g < u.groups; ++g) {
    q_sums[g] = sum_group<K>(in, u.offset + g * inner, groups[g], positions);
  }
}

/// dx of one group; its sums have been taken, if needed.
template <class K, class T>
void gradient_group(const BackwardArgs<T>& in, int64_t begin, const GroupGradient<T>& group) {
  if (in.plan.kind == AffineKind::per_position) {
    if (!in.needs_sums()) {
      pass_gate<K>(in, begin, group);
    }
    return detail::each_stretch(in.plan, begin, [&](int64_t i, int64_t length, int64_t place) {
      K::run_gradient(in.x + i, in.dz + i, in.dx + i, length, group.m, group.coefficients(1),
                      in.laid_out_weight + place);
    });
  }
  detail::each_piece(in.plan, begin, [&](int64_t i, RowBlock run, int64_t p) {
    const GradientCoefficients<T> c = group.coefficients(in.weight_of(p));
    if (!in.only_scales()) {
      Gate<T> gate = in.gate.gate(group.s, p);
      gate.f = in.first_out ? FusedActivation() : gate.f;
      K::run_gradient(in.x + i, in.first_out ? in.first_out + i : in.dy + i, in.dx + i, run, group.m, c, gate);
    } else if (in.activated()) {
      K::run_scale(in.x + i, in.dy + i, in.dx + i, run, group.m, in.gate.gate(group.s, p), c.c1);
    } else {
      K::run_scale(in.dy + i, nullptr, in.dx + i, run, Center<T>{0, 0}, {c.c1, T(0), {}}, T(1));
    }
  });
}

/// Stores the sums of a group with one parameter as its cell, and turns them into sums of q.
template <class T>
void take_group_cell(const BackwardArgs<T>& in, int64_t statistic, double w, SumPair& sums) {
  in.cells[statistic] = sums;
  sums.first *= w;
  sums.second *= w;
}

/// A unit whose groups follow one another, in pieces with one parameter each.
template <class K, class T>
void unit_by_pieces(const BackwardArgs<T>& in, const Unit& u) {
  const int64_t length = in.plan.piece();
  GroupGradient<T> groups[kUnitWidth];
  SumPair q_sums[kUnitWidth];
  for (int64_t g = 0; g < u.groups; ++g) {
    groups[g] = with_statistics(in, u.statistic + g);
    q_sums[g] = {0, 0};
  }
  Piece<T> pieces[kUnitWidth];
  GradientCoefficients<T> coefficients[kUnitWidth];
  double weights[kUnitWidth];
  int64_t group_of[kUnitWidth];
  const bool activated = in.activated();
  const auto set_piece = [&](int64_t k, int64_t g, int64_t p) {
    const Gate<T> gate = activated ? in.gate.gate(groups[g].s, p) : Gate<T>{};
    pieces[k] = {groups[g].m.hi, groups[g].m.lo, gate.a, gate.b};
  };
  const auto set_weight = [&](int64_t k, int64_t g, int64_t p) {
    set_piece(k, g, p);
    weights[k] = in.weight_of(p);
    group_of[k] = g;
  };
  const auto set_coefficients = [&](int64_t k, int64_t g, int64_t p) {
    set_piece(k, g, p);
    coefficients[k] = groups[g].coefficients(in.weight_of(p));
  };
  if (in.needs_sums()) {
    detail::each_batch(in.plan, u, set_weight, [&](int64_t i, int64_t count) {
      SumPair* cells = in.cells + i / length;
      T* out = in.first_out ? in.first_out + i : nullptr;
      K::piece_gradient_sums(in.x + i, in.dy + i, out, count, length, pieces, in.gate.activation, cells);
      for (int64_t k = 0; k < count; ++k) {
        cells[k].second *= groups[group_of[k]].s;
        q_sums[group_of[k]].first += cells[k].first * weights[k];
        q_sums[group_of[k]].second += cells[k].second * weights[k];
      }
    });
    for (int64_t g = 0; g < u.groups; ++g) {
      take_sums(in, u.statistic + g, q_sums[g], groups[g]);
    }
  }
  if (in.dx) {
    const T* dy = in.first_out ? in.first_out : in.dy;
    const FusedActivation f = in.first_out ? FusedActivation() : in.gate.activation;
    detail::each_batch(in.plan, u, set_coefficients, [&](int64_t i, int64_t count) {
      K::piece_gradient(in.x + i, dy + i, in.dx + i, count, length, pieces, coefficients, f);
    });
  }
}

/// dx of a unit whose groups are one period of the parameters each.
template <class K, class T>
void gradient_periods(const BackwardArgs<T>& in, const Unit& u, const GroupGradient<T>* groups) {
  Piece<T> pieces[kUnitWidth];
  GradientCoefficients<T> coefficients[kUnitWidth];
  for (int64_t g = 0; g < u.groups; ++g) {
    if (!in.needs_sums()) {
      pass_gate<K>(in, u.offset + g * in.plan.view.inner, groups[g]);
    }
    pieces[g] = {groups[g].m.hi, groups[g].m.lo, T(0), T(0)};
    coefficients[g] = groups[g].coefficients(1);
  }
  K::piece_gradient(in.x + u.offset, in.dz + u.offset, in.dx + u.offset, u.groups, in.plan.view.inner, pieces,
                    coefficients, in.laid_out_weight);
}

/// A unit of LayerNorm's kind.
template <class K, class T>
void unit_by_periods(const BackwardArgs<T>& in, const Unit& u, PositionSums<T>* positions) {
  GroupGradient<T> groups[kUnitWidth];
  SumPair sums[kUnitWidth];
  for (int64_t g = 0; g < u.groups; ++g) {
    groups[g] = with_statistics(in, u.statistic + g);
  }
  if (in.needs_sums()) {
    sum_periods<K>(in, u, groups, positions, sums);
    for (int64_t g = 0; g < u.groups; ++g) {
      take_sums(in, u.statistic + g, sums[g], groups[g]);
    }
  }
  if (in.dx) {
    gradient_periods<K>(in, u, groups);
  }
}

template <class K, class T>
void unit_by_runs(const BackwardArgs<T>& in, const Unit& u, PositionSums<T>* positions) {
  const int64_t inner = in.plan.view.inner;
  detail::ParameterWalk walk(in.plan, u.offset);
  for (int64_t g = 0; g < u.groups; ++g) {  // both passes over a group while it is cached
    const int64_t begin = u.offset + g * inner;
    GroupGradient<T> group = with_statistics(in, u.statistic + g);
    if (in.needs_sums()) {
      SumPair sums = sum_group<K>(in, begin, group, positions);
      if (in.plan.kind == AffineKind::per_group) {
        take_group_cell(in, u.statistic + g, in.weight_of(walk.parameter()), sums);
        walk.advance(inner);
      }
      take_sums(in, u.statistic + g, sums, group);
    }
    if (in.dx && !(in.needs_sums() && in.scales_at_once())) {
      gradient_group<K>(in, begin, group);
    }
  }
}

/// Numbers per column of a unit that is walked by rows.
template <class T>
struct Columns {
  T hi[kUnitWidth], lo[kUnitWidth], s[kUnitWidth], a[kUnitWidth], b[kUnitWidth], c1[kUnitWidth], c2[kUnitWidth],
      c3[kUnitWidth];
  SumPair sums[kUnitWidth];
  GroupGradient<T> groups[kUnitWidth];
};

/// Joins the sums of each group's columns and sets the columns' coefficients.
template <class T>
void finish_columns(const BackwardArgs<T>& in, const Unit& u, Columns<T>& columns) {
  const bool per_row = in.plan.kind == AffineKind::per_row;
  const int64_t inner = in.plan.view.inner;
  detail::ParameterWalk walk(in.plan, u.offset);
  for (int64_t g = 0; g < u.groups; ++g) {
    const double w = per_row ? 1 : in.weight_of(walk.parameter());
    GroupGradient<T>& group = columns.groups[g];
    if (in.needs_sums()) {
      SumPair sums = detail::joined(columns.sums + g * inner, inner);
      sums.second *= group.s;
      if (!per_row) {
        take_group_cell(in, u.statistic + g, w, sums);
      }
      take_sums(in, u.statistic + g, sums, group);
    }
    const GradientCoefficients<T> c = group.coefficients(w);
    std::fill_n(columns.c1 + g * inner, inner, c.c1);
    std::fill_n(columns.c2 + g * inner, inner, c.c2);
    std::fill_n(columns.c3 + g * inner, inner, c.c3);
    walk.advance(inner);
  }
}

template <class K, class T>
void unit_by_rows(const BackwardArgs<T>& in, const Unit& u) {
  const bool per_row = in.plan.kind == AffineKind::per_row;
  const int64_t inner = in.plan.view.inner;
  const RowBlock block = in.plan.row_block(u);
  const T* x = in.x + u.offset;
  const T* dz = in.dz + u.offset;
  const T* row_w = per_row ? in.laid_out_weight + u.row : nullptr;
  Columns<T> c;
  detail::ParameterWalk walk(in.plan, u.offset);
  for (int64_t g = 0; g < u.groups; ++g) {
    const GroupGradient<T> group = c.groups[g] = with_statistics(in, u.statistic + g);
    std::fill_n(c.hi + g * inner, inner, group.m.hi);
    std::fill_n(c.lo + g * inner, inner, group.m.lo);
    std::fill_n(c.s + g * inner, inner, static_cast<T>(group.s));
    const Gate<T> gate = in.gate.gate(group.s, per_row ? 0 : walk.parameter());
    std::fill_n(c.a + g * inner, inner, gate.a);
    std::fill_n(c.b + g * inner, inner, gate.b);
    walk.advance(inner);
  }
  const bool gates_first = in.activated() && (per_row || in.only_scales());
  if (gates_first) {
    detail::scale_rows<K>(in.gate, u);
  }
  if (in.needs_sums()) {
    K::row_gradient_sums(x, gates_first ? dz : in.dy + u.offset, gates_first ? nullptr : in.gate.y + u.offset, block,
                         c.hi, c.lo, c.a, c.b, gates_first ? FusedActivation() : in.gate.activation, row_w, c.sums);
  }
  if (per_row && in.wants_parameters) {
    SumPair* cells = in.cells + u.row * in.plan.blocks + u.block;
    K::row_parameter_sums(x, dz, block, c.hi, c.lo, c.s, cells, in.plan.blocks);
  }
  finish_columns(in, u, c);
  if (in.dx && in.only_scales()) {  // without x; c3 is 0
    K::row_scale(dz, nullptr, in.dx + u.offset, block, c.c3, c.c3, c.c1, c.c3, row_w, nullptr, {});
  } else if (in.dx) {
    K::row_gradient(x, dz, in.dx + u.offset, block, c.hi, c.lo, c.s, c.c1, c.c2, c.c3, row_w);
  }
}

template <class K, class T>
void run_chunk(const BackwardArgs<T>& in, int64_t first, int64_t last, double* totals) {
  const bool per_position = in.plan.kind == AffineKind::per_position;
  PositionSums<T> positions(per_position ? in.plan.period() : 0, totals);
  for (int64_t i = first; i < last; ++i) {
    const Unit unit = in.plan.unit(i);
    if (in.plan.rows) {
      unit_by_rows<K>(in, unit);
    } else if (in.plan.by_pieces() && !in.spec.fixed) {
      unit_by_pieces<K>(in, unit);
    } else if (in.plan.by_periods()) {
      unit_by_periods<K>(in, unit, &positions);
    } else {
      unit_by_runs<K>(in, unit, &positions);
    }
  }
  if (per_position) {
    positions.flush();
  }
}

/// Statistics that a backward starts from: of the forward, and for normalize_input_gradient b and k.
struct Given {
  std::span<const double> mean, var;
  const double* b = nullptr;
  const double* k = nullptr;
};

/// normalize_gradient; P: the type of the parameters' gradients.
template <class T, class P>
void run_gradient(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> dy, std::span<const T> weight,
                  std::span<const T> bias, const Given& given, std::span<T> dx, std::span<P> dweight,
                  std::span<P> dbias) {
  const Plan plan(spec);
  const bool gated = spec.activation.f != NormActivation::none;
  const bool wants_parameters = !dweight.empty() || !dbias.empty();
  const detail::LaidOut<T> laid_out_weight(weight, plan, T(1));
  const detail::LaidOut<T> laid_out_bias(bias, plan, T(0));
  const bool by_pieces = !plan.rows && plan.kind != AffineKind::per_position;
  const bool writes_first = !dx.empty() && ((spec.fixed && !given.b) || !is_cheap(spec.activation));
  Workspace<T> scratch(gated && dx.empty() && !by_pieces ? static_cast<int64_t>(x.size()) : 0);
  const detail::ScaleArgs<T> gate{plan,
                                  spec.how,
                                  x.data(),
                                  detail::data_or_null(weight),
                                  detail::data_or_null(bias),
                                  laid_out_weight.data(),
                                  laid_out_bias.data(),
                                  given.mean.data(),
                                  given.var.data(),
                                  dx.empty() ? scratch.data() : dx.data(),
                                  spec.activation,
                                  dy.data()};
  const std::size_t cell_count = detail::cell_count(plan);
  Workspace<SumPair> cells(static_cast<int64_t>(cell_count));
  const int64_t chunks = (plan.units + plan.grain - 1) / plan.grain;
  const bool per_position = plan.kind == AffineKind::per_position;
  const int64_t total_count = per_position ? chunks * 2 * plan.period() : 0;
  Workspace<double> totals(total_count);
  const BackwardArgs<T> args{plan,
                             spec,
                             x.data(),
                             dy.data(),
                             gated ? gate.y : dy.data(),
                             gate.weight,
                             gate.laid_out_weight,
                             gate.mean,
                             gate.var,
                             gate,
                             writes_first ? gate.y : nullptr,
                             wants_parameters,
                             cells.data(),
                             dx.empty() ? nullptr : dx.data(),
                             given.b,
                             given.k};
  dispatch_isa([&]<class Arch>() {
    parallel_for(0, plan.units, plan.grain, [&](int64_t first, int64_t last) {
      double* chunk_totals = totals.data() + (per_position ? first / plan.grain * 2 * plan.period() : 0);
      run_chunk<NormalizeKernels<Arch, T>>(args, first, last, chunk_totals);
    });
  });
  if (wants_parameters) {
    detail::write_parameters<P>(plan, {cells.data(), cell_count},
                                {totals.data(), static_cast<std::size_t>(total_count)}, dweight, dbias);
  }
}

}  // namespace

template <class T>
void normalize_gradient(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> dy,
                        std::span<const T> weight, std::span<const T> bias, std::span<const double> mean,
                        std::span<const double> var, std::span<T> dx, std::span<T> dweight, std::span<T> dbias) {
  run_gradient<T, T>(spec, x, dy, weight, bias, {mean, var}, dx, dweight, dbias);
}

template <class T>
void gradient_sums(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> dy, std::span<const double> mean,
                   std::span<const double> var, std::span<double> dy_sums, std::span<double> dy_x_hat_sums) {
  run_gradient<T, double>(spec, x, dy, {}, {}, {mean, var}, {}, dy_x_hat_sums, dy_sums);
}

template <class T>
void normalize_input_gradient(const NormalizeSpec& spec, std::span<const T> x, std::span<const T> dy,
                              std::span<const T> weight, std::span<const double> mean, std::span<const double> var,
                              std::span<const double> b, std::span<const double> k, std::span<T> dx) {
  run_gradient<T, T>(spec, x, dy, weight, {}, {mean, var, b.data(), k.data()}, dx, {}, {});
}

template void normalize_gradient(const NormalizeSpec&, std::span<const float>, std::span<const float>,
                                 std::span<const float>, std::span<const float>, std::span<const double>,
                                 std::span<const double>, std::span<float>, std::span<float>, std::span<float>);
template void normalize_gradient(const NormalizeSpec&, std::span<const double>, std::span<const double>,
                                 std::span<const double>, std::span<const double>, std::span<const double>,
                                 std::span<const double>, std::span<double>, std::span<double>, std::span<double>);
template void gradient_sums(const NormalizeSpec&, std::span<const float>, std::span<const float>,
                            std::span<const double>, std::span<const double>, std::span<double>, std::span<double>);
template void gradient_sums(const NormalizeSpec&, std::span<const double>, std::span<const double>,
                            std::span<const double>, std::span<const double>, std::span<double>, std::span<double>);
template void normalize_input_gradient(const NormalizeSpec&, std::span<const float>, std::span<const float>,
                                       std::span<const float>, std::span<const double>, std::span<const double>,
                                       std::span<const double>, std::span<const double>, std::span<float>);
template void normalize_input_gradient(const NormalizeSpec&, std::span<const double>, std::span<const double>,
                                       std::span<const double>, std::span<const double>, std::span<const double>,
                                       std::span<const double>, std::span<const double>, std::span<double>);

}  // namespace evenkeel::kernels
