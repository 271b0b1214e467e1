#include "autograd/ops/arithmetic.hpp"
#include "autograd/ops/normalize.hpp"
#include "autograd/ops/shape.hpp"
#include "tests/support/cases.hpp"

#include <cmath>

namespace evenkeel::testing {
namespace {

using Inputs = std::span<const Tensor>;
using References = std::span<const DoubleArray>;

/// How an input shape is grouped.
struct Views {
  GroupView group;
  AffineView affine;
};
using ViewsOf = Views (*)(const Shape& x);

std::int64_t rest(const Shape& x) { return numel(x) == 0 ? 1 : numel(x) / (x[0] * x[1]); }

Views batch_norm(const Shape& x) { return {{1, x[0], x[1], rest(x)}, {x[1], rest(x)}}; }
Views two_groups(const Shape& x) { return {{1, 1, x[0] * 2, x[1] / 2 * rest(x)}, {x[1], rest(x)}}; }
Views last_axis(const Shape& x) { return {{1, 1, x[0], x[1]}, {x[1], 1}}; }
Views channels(const Shape& x) { return {{x[0], x[1], rest(x), 1}, {x[1], rest(x)}}; }

/// y[i] = (x[i] - m) / deviation weight[p] + bias[p], m and deviation over the elements that share i's group.
DoubleArray reference(const Views& views, const Standardization& how, const DoubleArray& x, const DoubleArray* weight,
                      const DoubleArray* bias) {
  const GroupView& v = views.group;
  DoubleArray y(x.shape);
  const auto group = [&](std::int64_t i) {
    return std::pair(i / (v.outer * v.groups * v.inner), i / v.inner % v.groups);
  };
  const auto count = static_cast<std::int64_t>(x.values.size());
  const auto n = static_cast<double>(v.outer * v.inner);
  const auto value = [&](std::int64_t i) { return x.values[static_cast<std::size_t>(i)]; };
  for (std::int64_t i = 0; i < count; ++i) {
    double mean = 0;
    for (std::int64_t j = 0; j < count && how.center; ++j) {
      mean += group(i) == group(j) ? value(j) / n : 0;
    }
    double var = 0;
    for (std::int64_t j = 0; j < count; ++j) {
      var += group(i) == group(j) ? std::pow(value(j) - mean, 2) / (n - how.correction) : 0;
    }
    const double deviation = how.eps_in_root ? std::sqrt(var + how.eps) : std::sqrt(var) + how.eps;
    const auto p = static_cast<std::size_t>(i / views.affine.inner % views.affine.params);
    y.values[static_cast<std::size_t>(i)] =
        (value(i) - mean) / deviation * (weight ? weight->values[p] : 1) + (bias ? bias->values[p] : 0);
  }
  return y;
}

/// A row with x, weight and bias as inputs.
OpCase affine_row(std::string variant, const Shape& x, ViewsOf views_of, Standardization how = {},
                  const std::vector<Shape>& more = {}) {
  const auto with_parameters = [&](const Shape& shape) {
    const Shape params{views_of(shape).affine.params};
    return std::vector<Shape>{shape, params, params};
  };
  OpCase row{.name = "normalize", .variant = std::move(variant), .shapes = with_parameters(x)};
  for (const Shape& shape : more) {
    row.more_shapes.push_back(with_parameters(shape));
  }
  row.fn = [=](Inputs in) {
    const Views views = views_of(in[0].shape());
    return normalize(in[0], in[1], in[2], views.group, views.affine, how).y;
  };
  row.reference = [=](References in) { return reference(views_of(in[0].shape), how, in[0], &in[1], &in[2]); };
  row.keeps = "01";
  return row;
}

OpCases statistics_rows() {
  return {
      affine_row("batch norm", {4, 3, 2, 5}, batch_norm, {}, {{0, 3, 2, 5}, {5, 1}, {1, 3, 7}, {2, 3, 1, 67}}),
      affine_row("batch norm 1d", {7, 5}, batch_norm, {.eps = 0.1}),
      affine_row("group norm", {2, 4, 3}, two_groups, {.eps = 1e-3}, {{0, 4, 3}, {1, 2, 5}, {3, 2}}),
      affine_row("group norm, long runs", {2, 4, 17}, two_groups),
      affine_row("layer norm", {3, 7}, last_axis, {.eps = 1e-2}, {{0, 7}, {5, 1}}),
      affine_row("layer norm over channels", {2, 3, 5}, channels),
      affine_row("rms norm", {5, 7}, last_axis, {.eps = 1e-3, .center = false}),
      affine_row("unbiased", {5, 6}, last_axis, {.eps = 0.2, .correction = 1}),
      affine_row("eps outside the root", {6, 7}, last_axis, {.eps = 0.3, .eps_in_root = false}),
      affine_row("uncentred, unbiased, eps outside the root", {4, 5}, last_axis,
                 {.eps = 0.4, .center = false, .correction = 1, .eps_in_root = false}),
  };
}

OpCases partial_rows() {
  return {
      {.name = "normalize",
       .variant = "no weight, no bias",
       .shapes = {{3, 2, 5}},
       .fn =
           [](Inputs x) {
             const Views views = batch_norm(x[0].shape());
             return normalize(x[0], {}, {}, views.group, {}, {}).y;
           },
       .reference = [](References x) { return reference(batch_norm(x[0].shape), {}, x[0], nullptr, nullptr); },
       .keeps = "0"},
      {.name = "normalize",
       .variant = "weight only",
       .shapes = {{3, 5, 2}, {5}},
       .fn =
           [](Inputs x) {
             const Views views = batch_norm(x[0].shape());
             return normalize(x[0], x[1], {}, views.group, views.affine, {}).y;
           },
       .reference = [](References x) { return reference(batch_norm(x[0].shape), {}, x[0], &x[1], nullptr); },
       .keeps = "01"},
      {.name = "normalize",
       .variant = "bias only",
       .shapes = {{2, 3, 7}, {3}},
       .fn =
           [](Inputs x) {
             const Views views = batch_norm(x[0].shape());
             return normalize(x[0], {}, x[1], views.group, views.affine, {}).y;
           },
       .reference = [](References x) { return reference(batch_norm(x[0].shape), {}, x[0], nullptr, &x[1]); },
       .keeps = "0"},
  };
}

/// Given mean x[1] and variance x[2]; then weight and bias.
DoubleArray with_reference(References x, double eps) {
  DoubleArray y(x[0].shape);
  for_each_index(y.shape, [&](const Shape& index) {
    const auto c = static_cast<std::size_t>(index[1]);
    y.at(index) = (x[0].at(index) - x[1].values[c]) / std::sqrt(x[2].values[c] + eps) * x[3].values[c] + x[4].values[c];
  });
  return y;
}

/// The mean and the variance of each channel, one after the other.
DoubleArray moments_reference(References x) {
  const std::int64_t channels = x[0].shape[1];
  const double n = static_cast<double>(numel(x[0].shape) / channels);
  DoubleArray y({2, channels});
  for (const double power : {1.0, 2.0}) {
    for_each_index(x[0].shape, [&](const Shape& index) {
      const double mean = power == 1 ? 0 : y.at({0, index[1]});
      y.at({power == 1 ? 0 : 1, index[1]}) += std::pow(x[0].at(index) - mean, power) / n;
    });
  }
  return y;
}

OpCases split_rows() {
  return {
      {.name = "moments",
       .shapes = {{4, 3, 5}},
       .fn =
           [](Inputs x) {
             const Moments m = moments(x[0], batch_norm(x[0].shape()).group);
             return to(stack({Tensor(m.mean), Tensor(m.var)}), x[0].dtype());
           },
       .reference = moments_reference,
       .more_shapes = {{{7, 2}}, {{1, 3, 67}}},
       .differentiable = false},
      {.name = "sync_normalize",
       .shapes = {{4, 3, 2, 5}, {3}, {3}},
       .fn =
           [](Inputs x) {
             const AffineView affine = batch_norm(x[0].shape()).affine;
             return sync_normalize(x[0], x[1], x[2], affine, 0.01, local_communicator()).y;
           },
       .reference = [](References x) { return reference(batch_norm(x[0].shape), {.eps = 0.01}, x[0], &x[1], &x[2]); },
       .more_shapes = {{{0, 3, 2, 5}, {3}, {3}}, {{5, 1}, {1}, {1}}, {{2, 3, 67}, {3}, {3}}},
       .keeps = "01",
       .twice_differentiable = false},
  };
}

const CaseFile normalize_rows{[]() -> OpCases {
  OpCases rows = statistics_rows();
  for (OpCase& row : split_rows()) {
    rows.push_back(std::move(row));
  }
  for (OpCase& row : partial_rows()) {
    rows.push_back(std::move(row));
  }
  const auto sample = std::vector<Sample>{Sample::uniform(), Sample::uniform(), Sample::positive(), Sample::uniform()};
  rows.push_back(
      {.name = "normalize_with",
       .shapes = {{2, 3, 5}, {3}, {3}, {3}, {3}},
       .samples = sample,
       .fn =
           [](Inputs x) {
             return normalize_with(x[0], x[1], x[2], x[3], x[4], {3, rest(x[0].shape())}, 0.1);
           },
       .reference = [](References x) { return with_reference(x, 0.1); },
       .more_shapes = {{{0, 3, 5}, {3}, {3}, {3}, {3}}, {{1, 3}, {3}, {3}, {3}, {3}}, {{2, 3, 67}, {3}, {3}, {3}, {3}}},
       .keeps = "03",
       .no_gradient = {1, 2}});
  return rows;
}};

}  // namespace
}  // namespace evenkeel::testing
