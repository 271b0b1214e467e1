#include "evenkeel/autograd/ops/reduce.hpp"
#include "tests/support/cases.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;
using Group = std::vector<double>;

/// f over each group of values that dims (none: all) put together, straight from the definition.
Reference group_reference(std::vector<int> dims, bool keepdim, std::function<double(const Group&)> f) {
  return [=](std::span<const DoubleArray> x) {
    const Shape& shape = x[0].shape;
    const auto reduces = [&](int d) {
      return dims.empty() || std::any_of(dims.begin(), dims.end(), [&](int i) { return i == d; });
    };
    Shape kept = shape, result;
    for (int d = 0; d < shape.rank(); ++d) {
      kept[d] = reduces(d) ? 1 : shape[d];
      if (keepdim || !reduces(d)) {
        result.push_back(kept[d]);
      }
    }
    std::vector<Group> groups(static_cast<std::size_t>(numel(kept)));
    const DoubleArray places(kept);
    for_each_index(shape, [&](const Shape& i) { groups[places.position(i)].push_back(x[0].at(i)); });
    DoubleArray y(result);
    std::transform(groups.begin(), groups.end(), y.values.begin(), f);
    return y;
  };
}

double total(const Group& x) {
  double sum = 0;
  for (const double value : x) {
    sum += value;
  }
  return sum;
}

double variance(const Group& x, double correction) {
  const double n = static_cast<double>(x.size()), mean = total(x) / n;
  double sum = 0;
  for (const double value : x) {
    sum += (value - mean) * (value - mean);
  }
  return n > correction ? sum / (n - correction) : std::numeric_limits<double>::quiet_NaN();
}

double product(const Group& x) {
  double result = 1;
  for (const double value : x) {
    result *= value;
  }
  return result;
}

double log_sum_exp(const Group& x) {
  double sum = 0;
  for (const double value : x) {
    sum += std::exp(value);
  }
  return std::log(sum);
}

double p_norm(const Group& x, double p) {
  double sum = 0;
  for (const double value : x) {
    sum = std::isinf(p) ? std::max(sum, std::fabs(value)) : sum + std::pow(std::fabs(value), p);
  }
  return std::isinf(p) ? sum : std::pow(sum, 1 / p);
}

struct Reduction {
  std::string name, variant;
  std::function<Tensor(const Tensor&, const Dims&, bool)> op;
  std::function<double(const Group&)> f;
  std::string keeps;
  Sample sample = {};
  bool empty = true;  ///< defined over no elements
};

/// Every reduction over the same choices of dims.
const CaseFile rows{[]() -> OpCases {
  const double infinity = std::numeric_limits<double>::infinity();
  const Sample nonzero = Sample::avoiding({0}), distinct = Sample::distinct();
  const std::vector<Reduction> reductions = {
      {"sum", "", [](const Tensor& x, const Dims& d, bool k) { return sum(x, d, k); }, total, ""},
      {"mean", "", [](const Tensor& x, const Dims& d, bool k) { return mean(x, d, k); },
       [](const Group& x) { return total(x) / static_cast<double>(x.size()); }, ""},
      {"var", "", [](const Tensor& x, const Dims& d, bool k) { return var(x, d, 1, k); },
       [](const Group& x) { return variance(x, 1); }, "0"},
      {"var", "correction 0", [](const Tensor& x, const Dims& d, bool k) { return var(x, d, 0, k); },
       [](const Group& x) { return variance(x, 0); }, "0"},
      {"std", "", [](const Tensor& x, const Dims& d, bool k) { return evenkeel::std(x, d, 1, k); },
       [](const Group& x) { return std::sqrt(variance(x, 1)); }, "0y"},
      {"std", "correction 0", [](const Tensor& x, const Dims& d, bool k) { return evenkeel::std(x, d, 0, k); },
       [](const Group& x) { return std::sqrt(variance(x, 0)); }, "0y"},
      {"standard_deviation", "", [](const Tensor& x, const Dims& d, bool k) { return standard_deviation(x, d, 1, k); },
       [](const Group& x) { return std::sqrt(variance(x, 1)); }, "0y"},
      {"norm", "2", [](const Tensor& x, const Dims& d, bool k) { return norm(x, 2, d, k); },
       [](const Group& x) { return p_norm(x, 2); }, "0y", nonzero},
      {"norm", "1", [](const Tensor& x, const Dims& d, bool k) { return norm(x, 1, d, k); },
       [](const Group& x) { return p_norm(x, 1); }, "0y", nonzero},
      {"norm", "3.5", [](const Tensor& x, const Dims& d, bool k) { return norm(x, 3.5, d, k); },
       [](const Group& x) { return p_norm(x, 3.5); }, "0y", nonzero},
      {"norm", "infinity", [=](const Tensor& x, const Dims& d, bool k) { return norm(x, infinity, d, k); },
       [=](const Group& x) { return p_norm(x, infinity); }, "0y", distinct},
      {"prod", "", [](const Tensor& x, const Dims& d, bool k) { return prod(x, d, k); },
       [](const Group& x) { return product(x); }, "0"},
      {"logsumexp", "", [](const Tensor& x, const Dims& d, bool k) { return logsumexp(x, d, k); },
       [](const Group& x) { return log_sum_exp(x); }, "0y"},
      {"amax", "", [](const Tensor& x, const Dims& d, bool k) { return amax(x, d, k); },
       [](const Group& x) { return *std::max_element(x.begin(), x.end()); }, "0y", distinct, false},
      {"amin", "", [](const Tensor& x, const Dims& d, bool k) { return amin(x, d, k); },
       [](const Group& x) { return *std::min_element(x.begin(), x.end()); }, "0y", distinct, false},
  };
  struct Choice {
    std::string text;
    Dims dims;
    std::vector<int> reduced;  ///< the same, without negative dims
    bool keepdim;
  };
  const std::vector<Choice> choices = {{"all", {}, {}, false},           {"all, kept", {}, {}, true},
                                       {"first", {0}, {0}, false},       {"middle, kept", {1}, {1}, true},
                                       {"last", {-1}, {2}, false},       {"outer, kept", {0, 2}, {0, 2}, true},
                                       {"inner", {-1, 1}, {1, 2}, false}};
  OpCases result;
  for (const Reduction& r : reductions) {
    for (const Choice& c : choices) {
      OpCase row{.name = r.name,
                 .variant = r.variant + (r.variant.empty() ? "" : ", ") + c.text,
                 .shapes = {{4, 3, 5}},
                 .samples = {r.sample},
                 .fn = [r, c](Inputs x) { return r.op(x[0], c.dims, c.keepdim); },
                 .reference = group_reference(c.reduced, c.keepdim, r.f),
                 .keeps = r.keeps};
      if (r.name == "sum" || r.name == "mean" || r.name == "amax" || r.name == "amin" || r.name == "norm" ||
          r.name == "prod" || r.name == "logsumexp") {
        row.more_shapes.push_back({{1, 1, 1}});
      }
      if (r.empty) {
        row.more_shapes.push_back({{0, 3, 2}});
      }
      result.push_back(row);
    }
  }
  return result;
}};

/// Of all elements, or, with values and indices, along a dim.
const CaseFile extremes{[]() -> OpCases {
  const auto largest = [](const Group& x) { return *std::max_element(x.begin(), x.end()); };
  const auto smallest = [](const Group& x) { return *std::min_element(x.begin(), x.end()); };
  const auto row = [](std::string name, std::string variant, Tensor (*fn)(Inputs), Reference reference,
                      std::string keeps) -> OpCase {
    return {.name = std::move(name),
            .variant = std::move(variant),
            .shapes = {{4, 3, 5}},
            .samples = {Sample::distinct()},
            .fn = fn,
            .reference = std::move(reference),
            .more_shapes = {{{1, 1, 1}}, {{2, 1, 3}}},
            .keeps = std::move(keeps)};
  };
  return {
      row(
          "max", "all", [](Inputs x) { return max(x[0]); }, group_reference({}, false, largest), "0y"),
      row(
          "min", "all", [](Inputs x) { return min(x[0]); }, group_reference({}, false, smallest), "0y"),
      row(
          "max", "last", [](Inputs x) { return max(x[0], -1).values; }, group_reference({2}, false, largest), ""),
      row(
          "max", "middle, kept", [](Inputs x) { return max(x[0], 1, true).values; },
          group_reference({1}, true, largest), ""),
      row(
          "min", "first", [](Inputs x) { return min(x[0], 0).values; }, group_reference({0}, false, smallest), ""),
  };
}};

OpCase truth(std::string name, Tensor (*fn)(Inputs), std::vector<int> dims, bool keepdim,
             std::function<double(const Group&)> f) {
  return {.name = std::move(name),
          .shapes = {{4, 3, 2}},
          .samples = {Sample::mask()},
          .fn = fn,
          .reference = group_reference(std::move(dims), keepdim, std::move(f)),
          .more_shapes = {{{0, 3, 2}}, {{1, 1, 1}}, {{2, 0, 1}}},
          .differentiable = false};
}

const CaseFile truths{[]() -> OpCases {
  const auto is_true = [](double x) { return x != 0; };
  return {truth(
              "any", [](Inputs x) { return any(x[0], -1); }, {2}, false,
              [=](const Group& x) { return std::any_of(x.begin(), x.end(), is_true) ? 1.0 : 0.0; }),
          truth(
              "all",
              [](Inputs x) {
                return all(x[0], {0, 2}, true);
              },
              {0, 2}, true, [=](const Group& x) { return std::all_of(x.begin(), x.end(), is_true) ? 1.0 : 0.0; })};
}};

/// The first place of the largest (or smallest) value along the last axis.
Reference arg_reference(bool largest, bool keepdim) {
  return [=](std::span<const DoubleArray> x) {
    const Shape& shape = x[0].shape;
    Shape result = shape;
    result[shape.rank() - 1] = 1;
    DoubleArray y(result);
    for_each_index(shape, [&](const Shape& i) {
      Shape best = i;
      best[shape.rank() - 1] = static_cast<std::int64_t>(y.at(i));
      if (largest ? x[0].at(i) > x[0].at(best) : x[0].at(i) < x[0].at(best)) {
        y.at(i) = static_cast<double>(i.back());
      }
    });
    if (!keepdim) {
      y.shape.erase(shape.rank() - 1);
    }
    return y;
  };
}

const CaseFile places{[]() -> OpCases {
  return {
      {.name = "argmax",
       .shapes = {{4, 3, 5}},
       .fn = [](Inputs x) { return argmax(x[0], -1); },
       .reference = arg_reference(true, false),
       .more_shapes = {{{0, 3}}, {{1}}, {{2, 1}}, {{2, 37}}},
       .differentiable = false},
      {.name = "argmin",
       .variant = "kept",
       .shapes = {{4, 3, 5}},
       .fn = [](Inputs x) { return argmin(x[0], 2, true); },
       .reference = arg_reference(false, true),
       .differentiable = false},
  };
}};

}  // namespace
}  // namespace evenkeel::test
