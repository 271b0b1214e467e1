#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/loss.hpp"
#include "evenkeel/autograd/ops/loss_elementwise.hpp"
#include "evenkeel/autograd/ops/loss_embedding.hpp"
#include "tests/support/cases.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;
using Doubles = std::span<const DoubleArray>;
using Values = std::span<const double>;

const std::vector<std::pair<std::string, Reduction>> kReductions = {
    {"mean", Reduction::mean}, {"sum", Reduction::sum}, {"none", Reduction::none}, {"batchmean", Reduction::batchmean}};
/// Of losses of one number per sample, where batchmean is mean.
const std::span<const std::pair<std::string, Reduction>> kOfSamples(kReductions.data(), 3);

Shape without_last(Shape shape) {
  shape.erase(shape.rank() - 1);
  return shape;
}

/// What `losses` gives, reduced.
Reference reduce(Reference losses, Reduction reduction) {
  return [=](Doubles in) {
    const DoubleArray all = losses(in);
    if (reduction == Reduction::none) {
      return all;
    }
    DoubleArray y(Shape{});
    for (const double loss : all.values) {
      y.values[0] += loss;
    }
    const bool batch = reduction == Reduction::batchmean && all.shape.rank() > 0;
    const double count = batch ? static_cast<double>(all.shape[0]) : static_cast<double>(all.values.size());
    y.values[0] /= reduction == Reduction::mean || batch ? count : 1;
    return y;
  };
}

/// A loss of input and target with its definition.
struct Elementwise {
  std::string name, variant;
  Sample input, target;
  std::function<Tensor(Inputs, Reduction)> op;
  double (*f)(Values);
};

double bounded_log(double x) { return std::max(std::log(x), -100.0); }
double stirling(double t) { return t > 1 ? t * std::log(t) - t + std::log(2 * std::numbers::pi * t) / 2 : 0; }

const std::vector<Elementwise> kElementwise = {
    {"huber_loss", "", Sample::uniform(), Sample::uniform(),
     [](Inputs x, Reduction r) { return huber_loss(x[0], x[1], r); },
     [](Values v) {
       const double d = std::abs(v[0] - v[1]);
       return d < 1 ? d * d / 2 : d - 0.5;
     }},
    {"huber_loss", "delta 0.4", Sample::uniform(), Sample::uniform(),
     [](Inputs x, Reduction r) { return huber_loss(x[0], x[1], r, 0.4); },
     [](Values v) {
       const double d = std::abs(v[0] - v[1]);
       return d < 0.4 ? d * d / 2 : 0.4 * (d - 0.2);
     }},
    {"binary_cross_entropy", "", Sample::uniform(0.05, 0.95), Sample::uniform(0, 1),
     [](Inputs x, Reduction r) { return binary_cross_entropy(x[0], x[1], {.reduction = r}); },
     [](Values v) { return -v[1] * bounded_log(v[0]) - (1 - v[1]) * bounded_log(1 - v[0]); }},
    {"kl_div", "", Sample::uniform(-3, 0), Sample::uniform(0.1, 1),
     [](Inputs x, Reduction r) { return kl_div(x[0], x[1], {.reduction = r}); },
     [](Values v) { return v[1] * (std::log(v[1]) - v[0]); }},
    {"kl_div", "log_target", Sample::uniform(-3, 0), Sample::uniform(-3, 0),
     [](Inputs x, Reduction r) { return kl_div(x[0], x[1], {.log_target = true, .reduction = r}); },
     [](Values v) { return std::exp(v[1]) * (v[1] - v[0]); }},
    {"soft_margin_loss", "", Sample::uniform(), Sample::uniform(-1, 1),
     [](Inputs x, Reduction r) { return soft_margin_loss(x[0], x[1], r); },
     [](Values v) { return std::log1p(std::exp(-v[0] * v[1])); }},
    {"poisson_nll_loss", "", Sample::uniform(), Sample::avoiding({1}, 0, 4),
     [](Inputs x, Reduction r) { return poisson_nll_loss(x[0], x[1], {.reduction = r}); },
     [](Values v) { return std::exp(v[0]) - v[1] * v[0]; }},
    {"poisson_nll_loss", "rates, full", Sample::positive(), Sample::avoiding({1}, 0, 4),
     [](Inputs x, Reduction r) {
       return poisson_nll_loss(x[0], x[1], {.log_input = false, .full = true, .eps = 0.1, .reduction = r});
     },
     [](Values v) { return v[0] - v[1] * std::log(v[0] + 0.1) + stirling(v[1]); }},
};

const CaseFile elementwise{[]() -> OpCases {
  OpCases rows;
  for (const Elementwise& each : kElementwise) {
    for (const auto& [text, r] : kReductions) {
      const Reduction reduction = r;
      rows.push_back({.name = each.name,
                      .variant = each.variant + (each.variant.empty() ? "" : ", ") + text,
                      .shapes = {{2, 3, 5}, {2, 3, 5}},
                      .samples = {each.input, each.target},
                      .fn = [op = each.op, reduction](Inputs x) { return op(x, reduction); },
                      .reference = reduce(broadcast_reference(each.f), reduction),
                      .more_shapes = {{{1}, {1}}, {Shape{}, Shape{}}, {{0, 3}, {0, 3}}, {{7, 41}, {7, 41}}},
                      .keeps = "01"});
      if (each.variant.ends_with("full")) {
        rows.back().keeps.reset();
      }
    }
  }
  rows.push_back({.name = "binary_cross_entropy",
                  .variant = "weight",
                  .shapes = {{3, 5}, {3, 5}, {5}},
                  .samples = {Sample::uniform(0.05, 0.95), Sample::uniform(0, 1), Sample::positive()},
                  .fn = [](Inputs x) { return binary_cross_entropy(x[0], x[1], {.weight = x[2]}); },
                  .reference = reduce(broadcast_reference([](Values v) {
                                        return -v[2] * (v[1] * std::log(v[0]) + (1 - v[1]) * std::log(1 - v[0]));
                                      }),
                                      Reduction::mean)});
  return rows;
}};

const CaseFile weighted_errors{[]() -> OpCases {
  const std::vector<Sample> samples = {Sample::uniform(), Sample::uniform(), Sample::positive()};
  const std::vector<Shape> shapes = {{3, 5}, {3, 5}, {3, 5}};
  const auto absolute = broadcast_reference([](Values v) { return v[2] * std::abs(v[0] - v[1]); });
  return {{.name = "mse_loss",
           .variant = "weight",
           .shapes = shapes,
           .samples = samples,
           .fn = [](Inputs x) { return mse_loss(x[0], x[1], Reduction::mean, x[2]); },
           .reference =
               [](Doubles x) {
                 DoubleArray y(Shape{});
                 double total = 0;
                 for (std::size_t i = 0; i < x[0].values.size(); ++i) {
                   const double d = x[0].values[i] - x[1].values[i];
                   y.values[0] += x[2].values[i] * d * d;
                   total += x[2].values[i];
                 }
                 y.values[0] /= total;
                 return y;
               }},
          {.name = "l1_loss",
           .variant = "weight, batchmean",
           .shapes = shapes,
           .samples = samples,
           .fn = [](Inputs x) { return l1_loss(x[0], x[1], Reduction::batchmean, x[2]); },
           .reference = reduce(absolute, Reduction::batchmean)},
          {.name = "huber_loss",
           .variant = "weight, delta 0.001",
           .shapes = shapes,
           .samples = samples,
           .fn = [](Inputs x) { return huber_loss(x[0], x[1], Reduction::mean, 1e-3, x[2]) * 1e3; },
           .reference = reduce(broadcast_reference([](Values v) { return v[2] * (std::abs(v[0] - v[1]) - 5e-4); }),
                               Reduction::mean)}};
}};

const CaseFile gaussian{[]() -> OpCases {
  const auto losses = [](bool full) {
    return broadcast_reference([=](Values v) {
      const double d = v[0] - v[1];
      return (std::log(v[2]) + d * d / v[2]) / 2 + (full ? std::log(2 * std::numbers::pi) / 2 : 0);
    });
  };
  const std::vector<Sample> samples = {Sample::uniform(), Sample::uniform(), Sample::positive()};
  OpCases rows;
  for (const auto& [text, r] : kReductions) {
    const Reduction reduction = r;
    rows.push_back({.name = "gaussian_nll_loss",
                    .variant = text,
                    .shapes = {{2, 3, 5}, {2, 3, 5}, {2, 3, 5}},
                    .samples = samples,
                    .fn = [=](Inputs x) { return gaussian_nll_loss(x[0], x[1], x[2], {.reduction = reduction}); },
                    .reference = reduce(losses(false), reduction),
                    .more_shapes = {{{1}, {1}, {1}}, {{0, 3}, {0, 3}, {0, 3}}, {Shape{}, Shape{}, Shape{}}}});
  }
  rows.push_back({.name = "gaussian_nll_loss",
                  .variant = "one variance per row, full",
                  .shapes = {{2, 3, 5}, {2, 3, 5}, {2, 1, 5}},
                  .samples = samples,
                  .fn = [](Inputs x) { return gaussian_nll_loss(x[0], x[1], x[2], {.full = true}); },
                  .reference = reduce(losses(true), Reduction::mean)});
  rows.push_back({.name = "gaussian_nll_loss",
                  .variant = "without the last dim",
                  .shapes = {{2, 3, 5}, {2, 3, 5}, {2, 3}},
                  .samples = samples,
                  .fn = [](Inputs x) { return gaussian_nll_loss(x[0], x[1], x[2]); },
                  .reference =
                      [=](Doubles in) {
                        std::vector<DoubleArray> v(in.begin(), in.end());
                        v[2].shape = {2, 3, 1};
                        return reduce(losses(false), Reduction::mean)(v);
                      }});
  rows.push_back({.name = "gaussian_nll_loss",
                  .variant = "a number",
                  .shapes = {{3, 5}, {3, 5}},
                  .fn = [](Inputs x) { return gaussian_nll_loss(x[0], x[1], 0.5); },
                  .reference = reduce(
                      broadcast_reference([](Values v) { return std::log(0.5) / 2 + (v[0] - v[1]) * (v[0] - v[1]); }),
                      Reduction::mean)});
  return rows;
}};

// ---- several classes

/// sum_{c != t} max(0, margin - x_t + x_c)^p w_t / C of each row.
Reference multi_margin(int p, double margin, bool weighted) {
  return [=](Doubles in) {
    DoubleArray y(in[1].shape);
    const std::int64_t classes = in[0].shape[in[0].shape.rank() - 1];
    for_each_index(y.shape, [&](const Shape& i) {
      const auto t = static_cast<std::int64_t>(in[1].at(i));
      const auto at = [&](std::int64_t c) {
        Shape index = i;
        index.insert(i.rank(), c);
        return in[0].at(index);
      };
      for (std::int64_t c = 0; c < classes; ++c) {
        const double near = std::max(margin - at(t) + at(c), 0.0);
        y.at(i) += c == t ? 0 : std::pow(near, p) / static_cast<double>(classes);
      }
      y.at(i) *= weighted ? in[2].values[static_cast<std::size_t>(t)] : 1;
    });
    return y;
  };
}

/// sum_j sum_i max(0, 1 - x_j + x_i) / C over the listed classes j and the others i of each row.
DoubleArray multilabel_margin(Doubles in) {
  const Shape& shape = in[0].shape;
  DoubleArray y(without_last(shape));
  const auto classes = static_cast<std::size_t>(shape[shape.rank() - 1]);
  for (std::size_t row = 0; row < y.values.size(); ++row) {
    const double* x = &in[0].values[row * classes];
    const double* list = &in[1].values[row * classes];
    const double* end = std::find(list, list + classes, -1);
    for (const double* j = list; j != end; ++j) {
      for (std::size_t i = 0; i < classes; ++i) {
        const bool other = std::find(list, end, static_cast<double>(i)) == end;
        const double near = 1 - x[static_cast<std::size_t>(*j)] + x[i];
        y.values[row] += other ? std::max(near, 0.0) / static_cast<double>(classes) : 0;
      }
    }
  }
  return y;
}

const CaseFile several_classes{[]() -> OpCases {
  OpCases rows;
  for (const auto& [text, r] : kOfSamples) {
    const Reduction reduction = r;
    const bool weighted = reduction != Reduction::sum;
    const int p = reduction == Reduction::none ? 2 : 1;
    rows.push_back({.name = "multi_margin_loss",
                    .variant = text,
                    .shapes = {{7, 4}, {7}, {4}},
                    .samples = {Sample::uniform(), Sample::index(0, 4), Sample::positive()},
                    .fn =
                        [=](Inputs x) {
                          return multi_margin_loss(
                              x[0], x[1],
                              {.p = p, .margin = 0.75, .weight = weighted ? x[2] : Tensor(), .reduction = reduction});
                        },
                    .reference = reduce(multi_margin(p, 0.75, weighted), reduction),
                    .more_shapes = {{{4}, Shape{}, {4}}, {{0, 4}, {0}, {4}}, {{1, 5}, {1}, {5}}},
                    .no_gradient = {2}});
    rows.push_back({.name = "multilabel_margin_loss",
                    .variant = text,
                    .shapes = {{7, 4}, {7, 4}},
                    .samples = {Sample::uniform(), Sample::index(-1, 4)},
                    .fn = [=](Inputs x) { return multilabel_margin_loss(x[0], x[1], reduction); },
                    .reference = reduce(multilabel_margin, reduction),
                    .more_shapes = {{{4}, {4}}, {{0, 4}, {0, 4}}, {{2, 5}, {2, 5}}}});
    rows.push_back({.name = "multilabel_soft_margin_loss",
                    .variant = text,
                    .shapes = {{7, 4}, {7, 4}, {4}},
                    .samples = {Sample::uniform(), Sample::uniform(0, 1), Sample::positive()},
                    .fn =
                        [=](Inputs x) {
                          return multilabel_soft_margin_loss(x[0], x[1], {.weight = x[2], .reduction = reduction});
                        },
                    .reference = reduce(
                        [](Doubles in) {
                          const DoubleArray all = broadcast_reference([](Values v) {
                            return v[2] *
                                   (v[1] * std::log1p(std::exp(-v[0])) + (1 - v[1]) * std::log1p(std::exp(v[0])));
                          })(in);
                          DoubleArray y(without_last(all.shape));
                          const std::size_t classes = in[2].values.size();
                          for (std::size_t i = 0; i < all.values.size(); ++i) {
                            y.values[i / classes] += all.values[i] / static_cast<double>(classes);
                          }
                          return y;
                        },
                        reduction),
                    .more_shapes = {{{4}, {4}, {4}}, {{0, 4}, {0, 4}, {4}}}});
  }
  return rows;
}};

// ---- embeddings

/// |a - b + eps|_p along the last dim.
double distance(const DoubleArray& a, const DoubleArray& b, const Shape& row, double p, double eps) {
  double total = 0;
  Shape index = row;
  index.insert(row.rank(), 0);
  for (std::int64_t k = 0; k < a.shape[a.shape.rank() - 1]; ++k) {
    index[row.rank()] = k;
    const double d = std::abs(a.at(index) - b.at(index) + eps);
    total = std::isinf(p) ? std::max(total, d) : total + std::pow(d, p);
  }
  return std::isinf(p) ? total : std::pow(total, 1 / p);
}

const CaseFile distances{[]() -> OpCases {
  OpCases rows;
  for (const double p : {1.0, 2.0, 3.0, std::numeric_limits<double>::infinity()}) {
    const bool keepdim = p == 3;
    rows.push_back({.name = "pairwise_distance",
                    .variant = concat("p = ", p),
                    .shapes = {{2, 3, 5}, {5}},
                    .fn = [=](Inputs x) { return pairwise_distance(x[0], x[1], {.p = p, .keepdim = keepdim}); },
                    .reference =
                        [=](Doubles x) {
                          const Shape shape = without_last(x[0].shape);
                          DoubleArray y(shape);
                          for_each_index(shape, [&](const Shape& i) { y.at(i) = distance(x[0], x[1], i, p, 1e-6); });
                          if (keepdim) {
                            y.shape.insert(shape.rank(), 1);
                          }
                          return y;
                        },
                    .more_shapes = {{{4, 1}, {4, 1}}, {{0, 3}, {0, 3}}, {{3}, {3}}}});
  }
  return rows;
}};

const CaseFile cosines{[]() -> OpCases {
  OpCases rows;
  for (const auto& [text, r] : kOfSamples) {
    const Reduction reduction = r;
    const double margin = reduction == Reduction::mean ? 0 : 0.25;
    const Reference losses = [=](Doubles in) {
      DoubleArray y(in[2].shape);
      for_each_index(y.shape, [&](const Shape& i) {
        double ab = 0, aa = 1e-12, bb = 1e-12;
        Shape index = i;
        index.insert(i.rank(), 0);
        for (std::int64_t k = 0; k < in[0].shape[i.rank()]; ++k) {
          index[i.rank()] = k;
          const double a = in[0].at(index), b = in[1].at(index);
          ab += a * b, aa += a * a, bb += b * b;
        }
        const double cosine = ab / std::sqrt(aa * bb), t = in[2].at(i);
        y.at(i) = t == 1 ? 1 - cosine : t == -1 ? std::max(cosine - margin, 0.0) : 0;
      });
      return y;
    };
    rows.push_back(
        {.name = "cosine_embedding_loss",
         .variant = text,
         .shapes = {{7, 3}, {7, 3}, {7}},
         .samples = {Sample::uniform(), Sample::uniform(), Sample::index(-1, 2)},
         .fn = [=](Inputs x) { return cosine_embedding_loss(x[0], x[1], x[2], margin, reduction); },
         .reference = reduce(losses, reduction),
         .more_shapes = {{{4, 1}, {4, 1}, {4}}, {{0, 3}, {0, 3}, {0}}, {{3}, {3}, Shape{}}, {{1, 5}, {1, 5}, {1}}}});
  }
  return rows;
}};

const CaseFile hinges{[]() -> OpCases {
  OpCases rows;
  for (const auto& [text, r] : kReductions) {
    const Reduction reduction = r;
    const bool mean = reduction == Reduction::mean;
    const double margin = mean ? 1 : 0.5, apart = mean ? 0 : 0.75;
    const Sample sides = Sample::index(-1, 2);
    rows.push_back({.name = "hinge_embedding_loss",
                    .variant = text,
                    .shapes = {{2, 3, 5}, {3, 5}},
                    .samples = {Sample::avoiding({margin}), sides},
                    .fn = [=](Inputs x) { return hinge_embedding_loss(x[0], x[1], margin, reduction); },
                    .reference = reduce(broadcast_reference([=](Values v) {
                                          return (v[1] == -1 ? 0 : v[0]) +
                                                 (v[1] == 1 ? 0 : std::max(margin - v[0], 0.0));
                                        }),
                                        reduction),
                    .more_shapes = {{{1}, {1}}, {Shape{}, Shape{}}, {{0, 3}, {0, 3}}}});
    rows.push_back(
        {.name = "margin_ranking_loss",
         .variant = text,
         .shapes = {{4, 5}, {1, 5}, {4, 1}},
         .samples = {Sample::uniform(), Sample::uniform(), sides},
         .fn = [=](Inputs x) { return margin_ranking_loss(x[0], x[1], x[2], apart, reduction); },
         .reference = reduce(broadcast_reference([=](Values v) { return std::max(apart - v[2] * (v[0] - v[1]), 0.0); }),
                             reduction),
         .more_shapes = {{{1}, {1}, {1}}, {Shape{}, Shape{}, Shape{}}, {{0}, {0}, {0}}}});
  }
  return rows;
}};

const CaseFile triplets{[]() -> OpCases {
  OpCases rows;
  for (const auto& [text, r] : kOfSamples) {
    for (const bool swap : {false, true}) {
      const TripletMarginOptions options{
          .margin = swap ? 2.0 : 1.0, .p = swap ? 3.0 : 2.0, .eps = swap ? 0.1 : 1e-6, .swap = swap, .reduction = r};
      const Reference losses = [=](Doubles x) {
        const Shape shape = without_last(x[0].shape);
        DoubleArray y(shape);
        for_each_index(shape, [&](const Shape& i) {
          const auto between = [&](int a, int b) {
            return distance(x[static_cast<std::size_t>(a)], x[static_cast<std::size_t>(b)], i, options.p, options.eps);
          };
          const double far = swap ? std::min(between(0, 2), between(1, 2)) : between(0, 2);
          y.at(i) = std::max(between(0, 1) - far + options.margin, 0.0);
        });
        return y;
      };
      rows.push_back({.name = "triplet_margin_loss",
                      .variant = text + (swap ? ", swap, p = 3" : ""),
                      .shapes = {{6, 4}, {6, 4}, {6, 4}},
                      .fn = [=](Inputs x) { return triplet_margin_loss(x[0], x[1], x[2], options); },
                      .reference = reduce(losses, r),
                      .more_shapes = {{{4, 1}, {4, 1}, {4, 1}}, {{0, 3}, {0, 3}, {0, 3}}, {{3}, {3}, {3}}}});
    }
  }
  return rows;
}};

}  // namespace
}  // namespace evenkeel::test
