#pragma once

// The affine step of normalization with the activation behind it, as the forward takes it and the backward takes it
// back; private to both.

#include "evenkeel/core/kernels/norm/plan.hpp"

#include <algorithm>
#include <cstdint>
#include <span>

namespace evenkeel::kernels::detail {

template <class T>
const T* data_or_null(std::span<const T> values) {
  return values.empty() ? nullptr : values.data();
}

/// y = f(z), z = (x - mean) s weight + bias; where dy is given, y = dy f'(z) instead.
template <class T>
struct ScaleArgs {
  const Plan& plan;
  const Normalization& how;
  const T* x;
  const T* weight;  // or null
  const T* bias;    // or null
  const T* laid_out_weight;
  const T* laid_out_bias;
  const double* mean;
  const double* var;
  T* y;
  FusedActivation activation;
  const T* dy = nullptr;

  const T* dy_at(std::int64_t i) const { return dy ? dy + i : nullptr; }
  double weight_of(std::int64_t parameter) const { return weight ? static_cast<double>(weight[parameter]) : 1; }
  T bias_of(std::int64_t parameter) const { return bias ? bias[parameter] : T(0); }
  Gate<T> gate(double s, std::int64_t parameter) const {
    return {static_cast<T>(s * weight_of(parameter)), bias_of(parameter), activation};
  }
};

/// One group, from element `begin`, with mean m and scale s.
template <class K, class T>
void scale_group(const ScaleArgs<T>& in, std::int64_t begin, Center<T> m, double s) {
  if (in.plan.kind == AffineKind::per_position) {
    return each_stretch(in.plan, begin, [&](std::int64_t i, std::int64_t length, std::int64_t place) {
      K::run_scale(in.x + i, in.dy_at(i), in.y + i, length, m, static_cast<T>(s), in.laid_out_weight + place,
                   in.laid_out_bias + place, in.activation);
    });
  }
  each_piece(in.plan, begin, [&](std::int64_t i, RowBlock run, std::int64_t p) {
    K::run_scale(in.x + i, in.dy_at(i), in.y + i, run, m, in.gate(s, p), T(1));
  });
}

template <class K, class T>
void scale_rows(const ScaleArgs<T>& in, const Unit& u) {
  const bool per_row = in.plan.kind == AffineKind::per_row;
  const std::int64_t inner = in.plan.view.inner;
  T hi[kUnitWidth], lo[kUnitWidth], a[kUnitWidth], b[kUnitWidth];
  ParameterWalk walk(in.plan, u.offset);
  for (std::int64_t g = 0; g < u.groups; ++g) {
    const Center<T> m = center_of<T>(in.mean[u.statistic + g]);
    const double s = scale_of(in.var[u.statistic + g], in.how);
    std::fill_n(hi + g * inner, inner, m.hi);
    std::fill_n(lo + g * inner, inner, m.lo);
    std::fill_n(a + g * inner, inner, static_cast<T>(per_row ? s : s * in.weight_of(walk.parameter())));
    std::fill_n(b + g * inner, inner, per_row ? T(0) : in.bias_of(walk.parameter()));
    walk.advance(inner);
  }
  K::row_scale(in.x + u.offset, in.dy_at(u.offset), in.y + u.offset, in.plan.row_block(u), hi, lo, a, b,
               per_row ? in.laid_out_weight + u.row : nullptr, per_row ? in.laid_out_bias + u.row : nullptr,
               in.activation);
}

/// A unit whose groups follow one another: y = f(z), by pieces or periods.
template <class K, class T>
void scale_batch(const ScaleArgs<T>& in, const Unit& u) {
  Center<T> m[kUnitWidth];
  double s[kUnitWidth];
  Piece<T> pieces[kUnitWidth];
  for (std::int64_t g = 0; g < u.groups; ++g) {
    m[g] = center_of<T>(in.mean[u.statistic + g]);
    s[g] = scale_of(in.var[u.statistic + g], in.how);
    pieces[g] = {m[g].hi, m[g].lo, static_cast<T>(s[g]), T(0)};
  }
  if (in.plan.by_periods()) {
    return K::piece_scale(in.x + u.offset, in.y + u.offset, u.groups, in.plan.view.inner, pieces, in.laid_out_weight,
                          in.laid_out_bias, in.activation);
  }
  each_batch(
      in.plan, u,
      [&](std::int64_t k, std::int64_t g, std::int64_t p) {
        pieces[k] = {m[g].hi, m[g].lo, static_cast<T>(s[g] * in.weight_of(p)), in.bias_of(p)};
      },
      [&](std::int64_t i, std::int64_t count) {
        K::piece_scale(in.x + i, in.y + i, count, in.plan.piece(), pieces, in.activation);
      });
}

template <class K, class T>
void scale_unit(const ScaleArgs<T>& in, const Unit& u) {
  if (in.plan.rows) {
    return scale_rows<K>(in, u);
  }
  if (in.plan.by_pieces() || in.plan.by_periods()) {
    return scale_batch<K>(in, u);
  }
  for (std::int64_t g = 0; g < u.groups; ++g) {
    scale_group<K>(in, u.offset + g * in.plan.view.inner, center_of<T>(in.mean[u.statistic + g]),
                   scale_of(in.var[u.statistic + g], in.how));
  }
}

}  // namespace evenkeel::kernels::detail
