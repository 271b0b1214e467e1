#include "evenkeel/autograd/ops/loss.hpp"
#include "tests/support/cases.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;
using Doubles = std::span<const DoubleArray>;

const std::vector<std::pair<std::string, Reduction>> kReductions = {
    {"mean", Reduction::mean}, {"sum", Reduction::sum}, {"none", Reduction::none}};

/// `losses` divided by `divisor` in all for the mean.
DoubleArray reduced(const DoubleArray& losses, Reduction reduction, double divisor) {
  if (reduction == Reduction::none) {
    return losses;
  }
  DoubleArray y(Shape{});
  for (const double loss : losses.values) {
    y.values[0] += loss;
  }
  y.values[0] /= reduction == Reduction::mean ? divisor : 1;
  return y;
}

struct ClassCase {
  std::string text;
  bool probabilities = false;  ///< targets are probabilities, else indices
  bool weighted = false;
  double smoothing = 0;
  std::int64_t ignore_index = -100;
  bool log_probabilities = false;  ///< nll_loss
};

/// -sum_c q_c w_c log softmax(x)_c from the definition; inputs: x, target, and the weights if weighted.
Reference class_reference(const ClassCase& k, Reduction reduction) {
  return [=](Doubles in) {
    const DoubleArray &x = in[0], &target = in[1];
    const int dim = x.shape.rank() == 1 ? 0 : 1;
    const std::int64_t classes = x.shape[dim];
    Shape samples = x.shape;
    samples.erase(dim);
    DoubleArray losses(samples);
    double divisor = 0;
    for_each_index(samples, [&](const Shape& sample) {
      const auto at = [&](std::int64_t c) {
        Shape index = sample;
        index.insert(dim, c);
        return index;
      };
      double total = 0, loss = 0;
      for (std::int64_t c = 0; c < classes; ++c) {
        total += std::exp(x.at(at(c)));
      }
      const std::int64_t t = k.probabilities ? 0 : static_cast<std::int64_t>(target.at(sample));
      if (!k.probabilities && t == k.ignore_index) {
        return;
      }
      for (std::int64_t c = 0; c < classes; ++c) {
        const double hot = k.probabilities ? target.at(at(c)) : (c == t ? 1 : 0);
        const double q = hot * (1 - k.smoothing) + k.smoothing / static_cast<double>(classes);
        const double weight = k.weighted ? in[2].values[static_cast<std::size_t>(c)] : 1;
        loss -= q * weight * (x.at(at(c)) - (k.log_probabilities ? 0 : std::log(total)));
      }
      losses.at(sample) = loss;
      divisor += k.probabilities || !k.weighted ? 1 : in[2].values[static_cast<std::size_t>(t)];
    });
    return reduced(losses, reduction, divisor);
  };
}

OpCase class_row(const ClassCase& k, const std::string& text, Reduction reduction, Shape x, Shape target) {
  const std::int64_t classes = x[x.rank() == 1 ? 0 : 1];
  OpCase row{.name = k.log_probabilities ? "nll_loss" : "cross_entropy",
             .variant = k.text + ", " + text + ", " + concat(x),
             .shapes = {std::move(x), std::move(target)},
             .samples = {Sample::uniform(-3, 3), k.probabilities ? Sample::uniform(0.1, 1) : Sample::index(0, classes)},
             .reference = class_reference(k, reduction)};
  row.fn = [k, reduction](Inputs in) {
    const Tensor weight = k.weighted ? in[2] : Tensor();
    if (k.log_probabilities) {
      return nll_loss(in[0], in[1], {.weight = weight, .ignore_index = k.ignore_index, .reduction = reduction});
    }
    return cross_entropy(
        in[0], in[1],
        {.weight = weight, .ignore_index = k.ignore_index, .label_smoothing = k.smoothing, .reduction = reduction});
  };
  if (k.weighted) {
    row.shapes.push_back({classes});
    row.samples.push_back(Sample::positive());
    row.no_gradient = {2};
  }
  if (!k.probabilities) {
    row.keeps = k.log_probabilities ? "1" : "01";
  }
  return row;
}

const CaseFile classes{[]() -> OpCases {
  const std::vector<ClassCase> kinds = {
      {.text = "plain"},
      {.text = "weights", .weighted = true},
      {.text = "smoothing", .smoothing = 0.2},
      {.text = "only smoothing", .smoothing = 1},
      {.text = "ignored class", .ignore_index = 1},
      {.text = "all options", .weighted = true, .smoothing = 0.3, .ignore_index = 2},
      {.text = "probabilities", .probabilities = true},
      {.text = "probabilities, all options", .probabilities = true, .weighted = true, .smoothing = 0.3},
      {.text = "plain", .log_probabilities = true},
      {.text = "all options", .weighted = true, .ignore_index = 2, .log_probabilities = true},
  };
  OpCases rows;
  for (const ClassCase& k : kinds) {
    for (const auto& [text, reduction] : kReductions) {
      rows.push_back(class_row(k, text, reduction, {7, 4}, k.probabilities ? Shape{7, 4} : Shape{7}));
      if (reduction != Reduction::mean) {  // an empty batch has no mean
        rows.back().more_shapes = {{{0, 4}, k.probabilities ? Shape{0, 4} : Shape{0}}};
        rows.back().more_shapes.push_back({{5, 37}, k.probabilities ? Shape{5, 37} : Shape{5}});
        rows.back().more_shapes.push_back({{2, 9, 3, 23}, k.probabilities ? Shape{2, 9, 3, 23} : Shape{2, 3, 23}});
        for (std::vector<Shape>& shapes : rows.back().more_shapes) {
          if (k.weighted) {
            shapes.push_back({shapes[0][1]});
          }
        }
      }
      const Shape images = k.probabilities ? Shape{3, 4, 2, 5} : Shape{3, 2, 5};
      rows.push_back(class_row(k, text, reduction, {3, 4, 2, 5}, images));
    }
    if (k.text == "plain" || k.probabilities) {
      rows.push_back(class_row(k, "mean", Reduction::mean, {5}, k.probabilities ? Shape{5} : Shape{}));
    }
  }
  return rows;
}};

/// Losses of one number per element: f(input, target).
OpCase regression(std::string name, std::string variant, Reduction reduction,
                  std::function<Tensor(const Tensor&, const Tensor&)> op, double (*f)(double, double)) {
  return {.name = std::move(name),
          .variant = std::move(variant),
          .shapes = {{2, 3, 5}, {2, 3, 5}},
          .fn = [op](Inputs x) { return op(x[0], x[1]); },
          .reference =
              [=](Doubles x) {
                DoubleArray losses = x[0];
                std::transform(x[0].values.begin(), x[0].values.end(), x[1].values.begin(), losses.values.begin(), f);
                return reduced(losses, reduction, static_cast<double>(losses.values.size()));
              },
          .more_shapes = {{{1}, {1}}, {Shape{}, Shape{}}, {{0, 3}, {0, 3}}, {{7, 41}, {7, 41}}},
          .keeps = "01"};
}

const CaseFile regressions{[]() -> OpCases {
  OpCases rows;
  for (const auto& [text, r] : kReductions) {
    const Reduction reduction = r;
    rows.push_back(regression(
        "mse_loss", text, reduction, [=](const Tensor& x, const Tensor& t) { return mse_loss(x, t, reduction); },
        [](double x, double t) { return (x - t) * (x - t); }));
    rows.push_back(regression(
        "l1_loss", text, reduction, [=](const Tensor& x, const Tensor& t) { return l1_loss(x, t, reduction); },
        [](double x, double t) { return std::fabs(x - t); }));
    rows.push_back(regression(
        "smooth_l1_loss", text, reduction,
        [=](const Tensor& x, const Tensor& t) { return smooth_l1_loss(x, t, reduction); },
        [](double x, double t) {
          const double d = std::fabs(x - t);
          return d < 1 ? d * d / 2 : d - 0.5;
        }));
    rows.push_back(regression(
        "smooth_l1_loss", "beta 0.4, " + text, reduction,
        [=](const Tensor& x, const Tensor& t) { return smooth_l1_loss(x, t, reduction, 0.4); },
        [](double x, double t) {
          const double d = std::fabs(x - t);
          return d < 0.4 ? d * d / 0.8 : d - 0.2;
        }));
  }
  rows.push_back(regression(
      "smooth_l1_loss", "beta 0", Reduction::sum,
      [](const Tensor& x, const Tensor& t) { return smooth_l1_loss(x, t, Reduction::sum, 0); },
      [](double x, double t) { return std::fabs(x - t); }));
  return rows;
}};

/// -w [p t log s(x) + (1 - t) log(1 - s(x))] in the textbook's form, good enough for the small samples here.
Reference bce_reference(bool weights, Reduction reduction) {
  return [=](Doubles in) {
    DoubleArray losses = in[0];
    for_each_index(losses.shape, [&](const Shape& i) {
      const double s = 1 / (1 + std::exp(-in[0].at(i))), t = in[1].at(i);
      const double pos = weights ? in[2].at(i) : 1, w = weights ? in[3].at(i) : 1;
      losses.at(i) = -w * (pos * t * std::log(s) + (1 - t) * std::log(1 - s));
    });
    return reduced(losses, reduction, static_cast<double>(losses.values.size()));
  };
}

const CaseFile binary{[]() -> OpCases {
  OpCases rows;
  for (const auto& [text, r] : kReductions) {
    const Reduction reduction = r;
    rows.push_back(
        {.name = "binary_cross_entropy_with_logits",
         .variant = text,
         .shapes = {{3, 5}, {3, 5}},
         .samples = {Sample::uniform(-4, 4), Sample::uniform(0, 1)},
         .fn = [=](Inputs x) { return binary_cross_entropy_with_logits(x[0], x[1], {.reduction = reduction}); },
         .reference = bce_reference(false, reduction),
         .more_shapes = {{{1}, {1}}, {Shape{}, Shape{}}, {{0, 3}, {0, 3}}, {{7, 41}, {7, 41}}},
         .keeps = "01"});
    rows.push_back({.name = "binary_cross_entropy_with_logits",
                    .variant = "weights, " + text,
                    .shapes = {{3, 5}, {3, 5}, {5}, {3, 1}},
                    .samples = {Sample::uniform(-4, 4), Sample::uniform(0, 1), Sample::positive()},
                    .fn =
                        [=](Inputs x) {
                          return binary_cross_entropy_with_logits(
                              x[0], x[1], {.weight = x[3], .pos_weight = x[2], .reduction = reduction});
                        },
                    .reference = bce_reference(true, reduction)});
  }
  return rows;
}};

}  // namespace
}  // namespace evenkeel::test
