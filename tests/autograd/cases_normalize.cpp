#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/normalize_groups.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/kernels/norm/kernels.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/unary_functions.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <type_traits>

namespace evenkeel::test {
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

constexpr FusedActivation kNone{};
constexpr FusedActivation kRelu{NormActivation::relu};
constexpr FusedActivation kLeakyRelu{NormActivation::leaky_relu, 0.3};
constexpr FusedActivation kSilu{NormActivation::silu};
constexpr FusedActivation kHardswish{NormActivation::hardswish};

/// All that a norm can run.
std::vector<FusedActivation> fusible() {
  std::vector<FusedActivation> all;
  for (std::size_t i = 1; i < kernels::FusibleOps::size; ++i) {
    all.push_back({static_cast<NormActivation>(i), 0.3});
  }
  return all;
}
std::string number(const FusedActivation& f) { return concat("activation ", static_cast<int>(f.f)); }

/// By the definitions of unary_functions.hpp; leaky_relu, which has a parameter, is not among them.
double activated(const FusedActivation& f, double z) {
  if (f.f == NormActivation::none || f.f == NormActivation::leaky_relu) {
    return z > 0 || f.f == NormActivation::none ? z : f.slope * z;
  }
  std::optional<Real> y;
  for_each_unary_function([&]<class Row>(const Row& row) {
    [&]<class... F>(kernels::OpList<F...>) {
      if (((std::is_same_v<F, typename Row::Functor> && kernels::kActivationOf<F> == f.f) || ...)) {
        y = row.definition(z);
      }
    }(kernels::FusibleOps());
  });
  return static_cast<double>(y.value());
}

/// y[i] = f((x[i] - m) / deviation weight[p] + bias[p]), m and deviation over the elements that share i's group.
DoubleArray reference(const Views& views, const Normalization& how, const DoubleArray& x, const DoubleArray* weight,
                      const DoubleArray* bias, const FusedActivation& f = {}) {
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
    const double z = (value(i) - mean) / deviation * (weight ? weight->values[p] : 1) + (bias ? bias->values[p] : 0);
    y.values[static_cast<std::size_t>(i)] = activated(f, z);
  }
  return y;
}

/// A row with x, weight and bias as inputs.
OpCase affine_row(std::string variant, const Shape& x, ViewsOf views_of, Normalization how = {},
                  const std::vector<Shape>& more = {}, const FusedActivation& f = {}) {
  const auto with_parameters = [&](const Shape& shape) {
    const Shape params{views_of(shape).affine.params};
    return std::vector<Shape>{shape, params, params};
  };
  OpCase row{.name = "normalize_groups", .variant = std::move(variant), .shapes = with_parameters(x)};
  for (const Shape& shape : more) {
    row.more_shapes.push_back(with_parameters(shape));
  }
  row.fn = [=](Inputs in) {
    const Views views = views_of(in[0].shape());
    return normalize_groups(in[0], in[1], in[2], views.group, views.affine, how, f).y;
  };
  row.reference = [=](References in) { return reference(views_of(in[0].shape), how, in[0], &in[1], &in[2], f); };
  row.keeps = f.f == NormActivation::none ? "01" : "012";
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

OpCases activated_rows() {
  OpCases rows = {
      affine_row("batch norm, relu", {4, 3, 2, 5}, batch_norm, {}, {{0, 3, 2, 5}, {5, 1}, {1, 3, 7}, {2, 3, 1, 67}},
                 kRelu),
      affine_row("batch norm, hardswish", {3, 4, 5}, batch_norm, {}, {{2, 3, 67}}, kHardswish),
      affine_row("batch norm 1d, silu", {7, 5}, batch_norm, {.eps = 0.1}, {{9, 67}}, kSilu),
      affine_row("batch norm 1d, leaky relu", {6, 4}, batch_norm, {.eps = 0.1}, {{9, 67}}, kLeakyRelu),
      affine_row("group norm, silu", {2, 4, 3}, two_groups, {.eps = 1e-3}, {{0, 4, 3}, {1, 2, 5}, {3, 2}}, kSilu),
      affine_row("group norm, long runs, relu", {2, 4, 17}, two_groups, {}, {{1, 2, 67}}, kRelu),
      affine_row("layer norm, leaky relu", {3, 7}, last_axis, {.eps = 1e-2}, {{0, 7}, {5, 1}, {9, 67}}, kLeakyRelu),
      affine_row("layer norm, silu", {6, 5}, last_axis, {.eps = 1e-2}, {{9, 67}}, kSilu),
      affine_row("layer norm over channels, relu", {2, 3, 5}, channels, {}, {{3, 5, 67}}, kRelu),
      affine_row("layer norm over channels, hardswish", {3, 2, 7}, channels, {}, {{3, 5, 67}}, kHardswish),
      affine_row("rms norm, silu", {5, 7}, last_axis, {.eps = 1e-3, .center = false}, {}, kSilu),
      affine_row("eps outside the root, relu", {6, 7}, last_axis, {.eps = 0.3, .eps_in_root = false}, {}, kRelu),
  };
  for (const FusedActivation& f : fusible()) {
    rows.push_back(affine_row("group norm, " + number(f), {2, 4, 5}, two_groups, {}, {{1, 2, 67}}, f));
  }
  return rows;
}

/// A batch norm of which not every input is there, or wants a gradient.
OpCase partial_activated_row(std::string variant, const std::vector<Shape>& shapes, bool weight, bool bias,
                             const FusedActivation& f) {
  const std::size_t bias_at = weight ? 2 : 1;
  return {.name = "normalize_groups",
          .variant = std::move(variant),
          .shapes = shapes,
          .fn =
              [=](Inputs x) {
                const Views views = batch_norm(x[0].shape());
                return normalize_groups(x[0], weight ? x[1] : Tensor(), bias ? x[bias_at] : Tensor(), views.group,
                                        weight || bias ? views.affine : AffineView{}, {}, f)
                    .y;
              },
          .reference =
              [=](References x) {
                return reference(batch_norm(x[0].shape), {}, x[0], weight ? &x[1] : nullptr,
                                 bias ? &x[bias_at] : nullptr, f);
              },
          .keeps = weight || bias ? "01" : "0"};
}

OpCases partial_activated_rows() {
  OpCases rows = {
      partial_activated_row("no weight, no bias, relu", {{3, 4, 5}}, false, false, kRelu),
      partial_activated_row("no weight, no bias, silu", {{3, 2, 5}}, false, false, kSilu),
      partial_activated_row("weight only, silu", {{3, 5, 2}, {5}}, true, false, kSilu),
      partial_activated_row("bias only, leaky relu", {{2, 3, 7}, {3}}, false, true, kLeakyRelu),
  };
  for (const FusedActivation& f : {kRelu, kSilu}) {
    OpCase row = affine_row(f.f == NormActivation::relu ? "x is a constant, relu" : "x is a constant, silu",
                            {5, 3, f.f == NormActivation::relu ? 2 : 4}, batch_norm, {}, {}, f);
    row.fn = [=](Inputs in) {
      const Views views = batch_norm(in[0].shape());
      return normalize_groups(in[0].detach(), in[1], in[2], views.group, views.affine, {}, f).y;
    };
    row.no_gradient = {0};
    rows.push_back(std::move(row));
  }
  return rows;
}

/// The activations on their own, and their gradients as ops.
OpCases activation_rows() {
  OpCases rows;
  for (const FusedActivation& f : fusible()) {
    const bool linear = f.f == NormActivation::relu || f.f == NormActivation::leaky_relu;
    rows.push_back({.name = "activate",
                    .variant = number(f),
                    .shapes = {{4, 5}},
                    .samples = {Sample::avoiding({-3, 0, 3}, -5, 5)},
                    .fn = [=](Inputs x) { return activate(x[0], f); },
                    .scalar_reference = [=](double x) { return activated(f, x); }});
    rows.push_back({.name = "activation_gradient",
                    .variant = number(f),
                    .shapes = {{4, 5}, {4, 5}},
                    .samples = {Sample::avoiding({-3, 0, 3}, -5, 5), Sample::uniform()},
                    .fn = [=](Inputs x) { return activation_gradient(x[0], x[1], f); },
                    .reference = broadcast_reference([=](std::span<const double> v) {
                      const double step = 1e-5;
                      return v[1] * (activated(f, v[0] + step) - activated(f, v[0] - step)) / (2 * step);
                    }),
                    .no_gradient = linear ? std::vector<std::size_t>{0} : std::vector<std::size_t>{},
                    .tolerance64 = 1e-8});
  }
  return rows;
}

OpCases partial_rows() {
  return {
      {.name = "normalize_groups",
       .variant = "no weight, no bias",
       .shapes = {{3, 2, 5}},
       .fn =
           [](Inputs x) {
             const Views views = batch_norm(x[0].shape());
             return normalize_groups(x[0], {}, {}, views.group, {}, {}).y;
           },
       .reference = [](References x) { return reference(batch_norm(x[0].shape), {}, x[0], nullptr, nullptr); },
       .keeps = "0"},
      {.name = "normalize_groups",
       .variant = "weight only",
       .shapes = {{3, 5, 2}, {5}},
       .fn =
           [](Inputs x) {
             const Views views = batch_norm(x[0].shape());
             return normalize_groups(x[0], x[1], {}, views.group, views.affine, {}).y;
           },
       .reference = [](References x) { return reference(batch_norm(x[0].shape), {}, x[0], &x[1], nullptr); },
       .keeps = "01"},
      {.name = "normalize_groups",
       .variant = "bias only",
       .shapes = {{2, 3, 7}, {3}},
       .fn =
           [](Inputs x) {
             const Views views = batch_norm(x[0].shape());
             return normalize_groups(x[0], {}, x[1], views.group, views.affine, {}).y;
           },
       .reference = [](References x) { return reference(batch_norm(x[0].shape), {}, x[0], nullptr, &x[1]); },
       .keeps = "0"},
  };
}

/// Given mean x[1] and variance x[2]; then weight and bias.
DoubleArray with_reference(References x, double eps, const FusedActivation& f) {
  DoubleArray y(x[0].shape);
  for_each_index(y.shape, [&](const Shape& index) {
    const auto c = static_cast<std::size_t>(index[1]);
    const double x_hat = (x[0].at(index) - x[1].values[c]) / std::sqrt(x[2].values[c] + eps);
    y.at(index) = activated(f, x_hat * x[3].values[c] + x[4].values[c]);
  });
  return y;
}

/// The mean and the variance of each channel, one after the other.
DoubleArray moments_reference(References x) {
  const std::int64_t channels = x[0].shape[1];
  const double n = static_cast<double>(numel(x[0].shape)) / static_cast<double>(channels);
  DoubleArray y(Shape{2, channels});
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

OpCase with_row(std::string variant, const FusedActivation& f, std::string keeps) {
  return {
      .name = "normalize_with",
      .variant = std::move(variant),
      .shapes = {{2, 3, 5}, {3}, {3}, {3}, {3}},
      .samples = {Sample::uniform(), Sample::uniform(), Sample::positive(), Sample::uniform()},
      .fn =
          [=](Inputs x) {
            return normalize_with(x[0], x[1], x[2], x[3], x[4], {3, rest(x[0].shape())}, 0.1, f);
          },
      .reference = [=](References x) { return with_reference(x, 0.1, f); },
      .more_shapes = {{{0, 3, 5}, {3}, {3}, {3}, {3}}, {{1, 3}, {3}, {3}, {3}, {3}}, {{2, 3, 67}, {3}, {3}, {3}, {3}}},
      .keeps = std::move(keeps),
      .no_gradient = {1, 2}};
}

OpCases with_rows() {
  OpCases rows = {with_row("", kNone, "03")};
  for (const FusedActivation& f : fusible()) {
    rows.push_back(with_row(number(f), f, "034"));
  }
  OpCase constant_x = with_row("x is a constant, relu", kRelu, "034");
  constant_x.shapes[0] = {4, 3, 2};
  constant_x.fn = [](Inputs x) {
    return normalize_with(x[0].detach(), x[1], x[2], x[3], x[4], {3, rest(x[0].shape())}, 0.1, kRelu);
  };
  constant_x.no_gradient = {0, 1, 2};
  rows.push_back(std::move(constant_x));
  return rows;
}

const CaseFile normalize_rows{[]() -> OpCases {
  OpCases rows;
  for (const auto& make : {statistics_rows, split_rows, partial_rows, activated_rows, partial_activated_rows, with_rows,
                           activation_rows}) {
    for (OpCase& row : make()) {
      rows.push_back(std::move(row));
    }
  }
  return rows;
}};

}  // namespace
}  // namespace evenkeel::test
