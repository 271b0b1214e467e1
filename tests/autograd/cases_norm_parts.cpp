#include "evenkeel/autograd/ops/gram.hpp"
#include "evenkeel/autograd/ops/group_moments.hpp"
#include "evenkeel/autograd/ops/local_response.hpp"
#include "evenkeel/autograd/ops/row_function.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "tests/support/cases.hpp"

#include <algorithm>
#include <cmath>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;
using References = std::span<const DoubleArray>;

/// Elements of a plane of (N, C, *).
std::int64_t plane(const Shape& x) {
  std::int64_t size = 1;
  for (int d = 2; d < x.rank(); ++d) {
    size *= x[d];
  }
  return size;
}

/// y = f(x, p), where plane r takes element r % n of a parameter of n elements.
Reference by_row(std::function<double(double, std::span<const double>)> f) {
  return [f = std::move(f)](References in) {
    DoubleArray y(in[0].shape);
    std::vector<double> p(in.size() - 1);
    for (std::size_t i = 0; i < y.values.size(); ++i) {
      const std::size_t row = i / static_cast<std::size_t>(plane(y.shape));
      for (std::size_t k = 0; k < p.size(); ++k) {
        p[k] = in[1 + k].values[row % in[1 + k].values.size()];
      }
      y.values[i] = f(in[0].values[i], p);
    }
    return y;
  };
}

/// The same parameters with further inputs: short rows, long ones, none.
std::vector<std::vector<Shape>> more(const std::vector<Shape>& parameters) {
  std::vector<std::vector<Shape>> shapes{{{2, 3}}, {{2, 3, 67}}, {{2, 3, 16}}, {{2, 3, 1, 131}}, {{0, 3, 5}}};
  for (std::vector<Shape>& all : shapes) {
    all.insert(all.end(), parameters.begin(), parameters.end());
  }
  shapes.pop_back();
  std::vector<Shape> empty{{0, 3, 5}};  // no plane has numbers of its own
  for (const Shape& p : parameters) {
    empty.push_back(numel(p) == 6 ? Shape{3} : p);
  }
  shapes.push_back(std::move(empty));
  return shapes;
}

double sigmoid_of(double z) { return 1 / (1 + std::exp(-z)); }

OpCases function_rows() {
  return {
      {.name = "affine_rows",
       .shapes = {{2, 3, 7}, {6}, {3}, {1}},
       .fn = [](Inputs x) { return affine_rows(x[0], plane(x[0].shape()), x[1], x[2], x[3]); },
       .reference = by_row([](double x, std::span<const double> p) { return (x - p[0]) * p[1] + p[2]; }),
       .more_shapes = more({{2, 3}, {3}, {3}}),
       .keeps = "0123"},
      {.name = "affine_rows",
       .variant = "weight only",
       .shapes = {{2, 3, 5}, {2, 3}},
       .fn = [](Inputs x) { return affine_rows(x[0], plane(x[0].shape()), {}, x[1], {}); },
       .reference = by_row([](double x, std::span<const double> p) { return x * p[0]; }),
       .keeps = "01"},
      {.name = "tanh_rows",
       .shapes = {{2, 3, 7}, {1}, {3}, {6}},
       .fn = [](Inputs x) { return tanh_rows(x[0], plane(x[0].shape()), x[1], x[2], x[3]); },
       .reference = by_row([](double x, std::span<const double> p) { return std::tanh(p[0] * x) * p[1] + p[2]; }),
       .more_shapes = more({{1}, {3}, {2, 3}}),
       .keeps = "0123"},
      {.name = "erf_rows",
       .shapes = {{2, 3, 7}, {6}, {1}, {3}, {3}},
       .fn = [](Inputs x) { return erf_rows(x[0], plane(x[0].shape()), x[1], x[2], x[3], x[4]); },
       .reference = by_row([](double x, std::span<const double> p) { return std::erf(p[0] * x + p[1]) * p[2] + p[3]; }),
       .more_shapes = more({{1}, {1}, {3}, {3}}),
       .keeps = "01234"},
      {.name = "threshold_rows",
       .shapes = {{2, 3, 7}, {6}, {3}, {1}},
       .samples = {Sample::distinct(), Sample::positive(), Sample::avoiding({0}), Sample::uniform()},
       .fn = [](Inputs x) { return threshold_rows(x[0], plane(x[0].shape()), x[1], x[2], x[3]); },
       .reference = by_row([](double x, std::span<const double> p) { return std::max(x * p[0] + p[1], p[2]); }),
       .more_shapes = more({{2, 3}, {3}, {3}}),
       .keeps = "0123"},
      {.name = "swish_rows",
       .shapes = {{2, 3, 7}, {3}, {6}, {1}},
       .fn = [](Inputs x) { return swish_rows(x[0], plane(x[0].shape()), x[1], x[2], x[3]); },
       .reference = by_row([](double x, std::span<const double> p) { return x * sigmoid_of(p[0] * x) * p[1] + p[2]; }),
       .more_shapes = more({{3}, {2, 3}, {3}}),
       .keeps = "0123"},
      {.name = "divide_rows_by_larger",
       .shapes = {{2, 3, 7}, {3}, {3}, {6}, {1}, {3}},
       .samples = {Sample::distinct(), Sample::positive(), Sample::uniform(), Sample::uniform()},
       .fn = [](Inputs x) { return divide_rows_by_larger(x[0], plane(x[0].shape()), x[1], x[2], x[3], x[4], x[5]); },
       .reference = by_row(
           [](double x, std::span<const double> p) { return x / std::max(p[0], p[1] * x + p[2]) * p[3] + p[4]; }),
       .more_shapes = more({{3}, {3}, {2, 3}, {3}, {3}}),
       .keeps = "012345"},
  };
}

/// y = x v + m with the variance v and the mean m of the plane or channel.
Reference statistics_reference(bool by_channel, bool center) {
  return [=](References in) {
    const DoubleArray& x = in[0];
    const std::int64_t groups = by_channel ? x.shape[1] : x.shape[0] * x.shape[1];
    const auto group = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<std::int64_t>(i) / plane(x.shape) % groups);
    };
    const std::int64_t count = numel(x.shape) / groups;
    const auto n = static_cast<double>(count);
    std::vector<double> mean(static_cast<std::size_t>(groups)), var(mean);
    for (std::size_t i = 0; i < x.values.size() && center; ++i) {
      mean[group(i)] += x.values[i] / n;
    }
    for (std::size_t i = 0; i < x.values.size(); ++i) {
      var[group(i)] += std::pow(x.values[i] - mean[group(i)], 2) / n;
    }
    DoubleArray y(x.shape);
    for (std::size_t i = 0; i < x.values.size(); ++i) {
      y.values[i] = x.values[i] * var[group(i)] + mean[group(i)];
    }
    return y;
  };
}

OpCase statistics_row(std::string variant, const Shape& shape, bool by_channel, bool center) {
  return {.name = "group_moments",
          .variant = std::move(variant),
          .shapes = {shape},
          .fn =
              [=](Inputs in) {
                const Shape& x = in[0].shape();
                const GroupView view =
                    by_channel ? GroupView{1, x[0], x[1], plane(x)} : GroupView{1, 1, x[0] * x[1], plane(x)};
                const GroupMoments s = group_moments(in[0], view, center);
                return affine_rows(s.x, plane(x), {}, s.var, s.mean);
              },
          .reference = statistics_reference(by_channel, center),
          .more_shapes = {{{4, 3}}, {{2, 3, 67}}, {{1, 2, 16}}},
          .keeps = "0"};
}

/// Sum over n and l of x[n, i, l] x[n, j, l], i and j of the same of the groups.
DoubleArray gram_reference(const DoubleArray& x, std::int64_t groups) {
  const std::int64_t depth = x.shape[1] / groups;
  DoubleArray y({groups, depth, depth});
  for_each_index(x.shape, [&](const Shape& index) {
    const std::int64_t group = index[1] / depth;
    for (std::int64_t j = 0; j < depth; ++j) {
      y.at({group, index[1] % depth, j}) += x.at(index) * x.at({index[0], group * depth + j, index[2]});
    }
  });
  return y;
}

OpCase gram_row(std::string variant, const Shape& shape, std::int64_t groups) {
  return {.name = "gram",
          .variant = std::move(variant),
          .shapes = {shape},
          .fn = [=](Inputs in) { return gram(in[0], groups); },
          .reference = [=](References in) { return gram_reference(in[0], groups); },
          .more_shapes = {{{1, 6, 1}}, {{3, 6, 37}}, {{0, 6, 2}}, {{2, 6, 0}}},
          .keeps = "0"};
}

DoubleArray local_response_reference(const DoubleArray& x, std::int64_t size, double beta) {
  DoubleArray y(x.shape);
  for_each_index(x.shape, [&](const Shape& index) {
    double sum = 0;
    for (std::int64_t c = index[1] - size / 2; c <= index[1] + (size - 1) / 2; ++c) {
      Shape other = index;
      other[1] = c;
      sum += c >= 0 && c < x.shape[1] ? std::pow(x.at(other), 2) : 0;
    }
    y.at(index) = x.at(index) / std::pow(1.5 + 0.3 / static_cast<double>(size) * sum, beta);
  });
  return y;
}

OpCase local_response_row(std::string variant, const Shape& shape, std::int64_t size, double beta) {
  return {.name = "local_response",
          .variant = std::move(variant),
          .shapes = {shape},
          .fn = [=](Inputs in) { return local_response(in[0], size, 0.3, beta, 1.5); },
          .reference = [=](References in) { return local_response_reference(in[0], size, beta); },
          .more_shapes = {{{1, 6, 1}}, {{2, 3, 37}}, {{1, 7, 13, 41}}, {{0, 6, 2}}, {{2, 6, 0}}, {{2, 0, 3}}},
          .keeps = "0"};
}

const CaseFile norm_part_rows{[]() -> OpCases {
  OpCases rows = function_rows();
  rows.push_back(statistics_row("planes", {2, 3, 5}, false, true));
  rows.push_back(statistics_row("channels", {3, 2, 5}, true, true));
  rows.push_back(statistics_row("uncentred", {2, 3, 7}, false, false));
  rows.push_back(local_response_row("", {2, 7, 3}, 5, 0.75));
  rows.push_back(local_response_row("even window", {2, 5, 3}, 4, 2));
  rows.push_back(local_response_row("window of one", {3, 2, 5}, 1, 1));
  rows.push_back(local_response_row("wider than the channels", {2, 3, 4}, 8, 0.6));
  rows.push_back(gram_row("", {2, 3, 5}, 1));
  rows.push_back(gram_row("groups of two", {2, 6, 5}, 3));
  return rows;
}};

}  // namespace
}  // namespace evenkeel::test
