// Elementwise ops of two tensors or with numbers, logic, scans, similarities.

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/cases.hpp"

#include <algorithm>
#include <cmath>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;
using Row = std::span<const double>;

/// f of the input, elementwise.
OpCase of_one(std::string name, std::string variant, std::vector<double> kinks, Tensor (*fn)(Inputs),
              double (*f)(double), std::optional<std::string> keeps = {}) {
  return {.name = std::move(name),
          .variant = std::move(variant),
          .shapes = {{2, 3, 5}},
          .samples = {Sample::avoiding(std::move(kinks), -4, 4)},
          .fn = fn,
          .scalar_reference = f,
          .keeps = std::move(keeps)};
}

double exponential_unit(double x, double a, double b) { return x > 0 ? x : a * std::expm1(b * x); }
double shrunk(double x, double by) { return x > by ? x - by : x < -by ? x + by : 0; }

const CaseFile activations{[]() -> OpCases {
  return {
      of_one(
          "sign", "", {0}, [](Inputs x) { return sign(x[0]); }, [](double x) { return x > 0   ? 1.0
                                                                                      : x < 0 ? -1.0
                                                                                              : 0; },
          ""),
      of_one(
          "celu", "", {0}, [](Inputs x) { return celu(x[0]); }, [](double x) { return exponential_unit(x, 1, 1); },
          "0"),
      of_one(
          "celu", "1.5", {0}, [](Inputs x) { return celu(x[0], 1.5); },
          [](double x) { return exponential_unit(x, 1.5, 1 / 1.5); }),
      of_one(
          "selu", "", {0}, [](Inputs x) { return selu(x[0]); },
          [](double x) { return 1.0507009873554805 * exponential_unit(x, 1.6732632423543772, 1); }, "0"),
      of_one(
          "hardtanh", "", {-1, 1}, [](Inputs x) { return hardtanh(x[0]); },
          [](double x) { return std::clamp(x, -1.0, 1.0); }, "0"),
      of_one(
          "hardtanh", "-2 to 0.5", {-2, 0.5}, [](Inputs x) { return hardtanh(x[0], -2, 0.5); },
          [](double x) { return std::clamp(x, -2.0, 0.5); }),
      of_one(
          "relu6", "", {0, 6}, [](Inputs x) { return relu6(x[0] * 2); },
          [](double x) { return std::clamp(2 * x, 0.0, 6.0); }),
      of_one(
          "softshrink", "", {-0.5, 0.5}, [](Inputs x) { return softshrink(x[0]); },
          [](double x) { return shrunk(x, 0.5); }, "0"),
      of_one(
          "softshrink", "1.5", {-1.5, 1.5}, [](Inputs x) { return softshrink(x[0], 1.5); },
          [](double x) { return shrunk(x, 1.5); }),
      of_one(
          "hardshrink", "", {-0.5, 0.5}, [](Inputs x) { return hardshrink(x[0]); },
          [](double x) { return std::abs(x) <= 0.5 ? 0 : x; }, "0"),
      of_one(
          "hardshrink", "1.5", {-1.5, 1.5}, [](Inputs x) { return hardshrink(x[0], 1.5); },
          [](double x) { return std::abs(x) <= 1.5 ? 0 : x; }),
      of_one(
          "tanhshrink", "", {}, [](Inputs x) { return tanhshrink(x[0]); }, [](double x) { return x - std::tanh(x); },
          ""),
      of_one(
          "threshold", "", {0.75}, [](Inputs x) { return threshold(x[0], 0.75, -2); },
          [](double x) { return x > 0.75 ? x : -2; }, ""),
      {.name = "prelu",
       .shapes = {{2, 3, 5}, {1}},
       .samples = {Sample::avoiding({0})},
       .fn = [](Inputs x) { return prelu(x[0], x[1]); },
       .reference = broadcast_reference([](Row x) { return x[0] > 0 ? x[0] : x[1] * x[0]; }),
       .more_shapes = {{{0, 3}, {1}}, {Shape{}, Shape{}}, {{7}, {1}}},
       .keeps = "01"},
      {.name = "prelu",
       .variant = "per channel",
       .shapes = {{2, 3, 5}, {3}},
       .samples = {Sample::avoiding({0})},
       .fn = [](Inputs x) { return prelu(x[0], x[1]); },
       .reference =
           [](std::span<const DoubleArray> x) {
             DoubleArray y = x[0];
             for_each_index(y.shape, [&](const Shape& i) { y.at(i) *= y.at(i) > 0 ? 1 : x[1].at({i[1]}); });
             return y;
           },
       .more_shapes = {{{4, 2}, {2}}, {{0, 3, 2}, {3}}},
       .keeps = "01"},
      {.name = "glu",
       .shapes = {{2, 4, 3}},
       .fn = [](Inputs x) { return glu(x[0], 1); },
       .reference =
           [](std::span<const DoubleArray> x) {
             const Shape& shape = x[0].shape;
             DoubleArray y(Shape{shape[0], shape[1] / 2, shape[2]});
             for_each_index(y.shape, [&](const Shape& i) {
               Shape gate = i;
               gate[1] += shape[1] / 2;
               y.at(i) = x[0].at(i) / (1 + std::exp(-x[0].at(gate)));
             });
             return y;
           },
       .more_shapes = {{{0, 2, 3}}, {{2, 0, 3}}, {{1, 2, 1}}}},
  };
}};

OpCase of_two(std::string name, std::string variant, Sample sample, Tensor (*fn)(Inputs), double (*f)(Row),
              std::optional<std::string> keeps) {
  return {.name = std::move(name),
          .variant = std::move(variant),
          .shapes = {{2, 3, 5}, {3, 1}},
          .samples = {std::move(sample)},
          .fn = fn,
          .reference = broadcast_reference(f),
          .more_shapes = {{{3, 1}, {1, 5}}, {Shape{}, {2, 3}}, {{0, 3}, {1, 3}}, {{1}, {1}}, {Shape{}, Shape{}}},
          .keeps = std::move(keeps)};
}

const CaseFile pairs{[]() -> OpCases {
  return {
      of_two(
          "atan2", "", Sample::avoiding({0}), [](Inputs x) { return atan2(x[0], x[1]); },
          [](Row x) { return std::atan2(x[0], x[1]); }, "01"),
      of_two(
          "lerp", "0.3", {}, [](Inputs x) { return lerp(x[0], x[1], 0.3); },
          [](Row x) { return x[0] + 0.3 * (x[1] - x[0]); }, ""),
      of_two(
          "lerp", "0.75", {}, [](Inputs x) { return lerp(x[0], x[1], 0.75); },
          [](Row x) { return 0.25 * x[0] + 0.75 * x[1]; }, ""),
      {.name = "lerp",
       .variant = "weights",
       .shapes = {{2, 3, 5}, {3, 1}, {5}},
       .fn = [](Inputs x) { return lerp(x[0], x[1], x[2]); },
       .reference = broadcast_reference([](Row x) { return x[0] + x[2] * (x[1] - x[0]); }),
       .more_shapes = {{{0, 3}, {1, 3}, {3}}, {{1}, {1}, {1}}, {Shape{}, Shape{}, Shape{}}}},
  };
}};

const CaseFile with_numbers{[]() -> OpCases {
  const auto in_place = [](std::string name, std::string variant, Tensor& (*op)(Tensor&, double), double (*f)(double)) {
    OpCase row{.name = std::move(name), .variant = std::move(variant), .shapes = {{2, 3, 5}}};
    row.fn = [op](Inputs x) {
      Tensor y = clone(x[0]);
      return op(y, 1.5);
    };
    row.scalar_reference = f;
    row.keeps = "";
    return row;
  };
  OpCases rows = {
      of_one(
          "maximum", "number", {0.25}, [](Inputs x) { return maximum(x[0], 0.25); },
          [](double x) { return std::max(x, 0.25); }, "0"),
      of_one(
          "minimum", "number", {0.25}, [](Inputs x) { return minimum(x[0], 0.25); },
          [](double x) { return std::min(x, 0.25); }, "0"),
      of_one(
          "where", "or number", {0.5}, [](Inputs x) { return where(gt(x[0], 0.5), x[0], -1); },
          [](double x) { return x > 0.5 ? x : -1; }, ""),
      of_one(
          "where", "number or", {0.5}, [](Inputs x) { return where(lt(x[0], 0.5), 7, x[0]); },
          [](double x) { return x < 0.5 ? 7 : x; }, ""),
      in_place("add_", "number", add_, [](double x) { return x + 1.5; }),
      in_place("sub_", "number", sub_, [](double x) { return x - 1.5; }),
      in_place("mul_", "number", mul_, [](double x) { return x * 1.5; }),
      in_place("div_", "number", div_, [](double x) { return x / 1.5; }),
      in_place("operator+=", "number", operator+=, [](double x) { return x + 1.5; }),
      in_place("operator-=", "number", operator-=, [](double x) { return x - 1.5; }),
      in_place("operator*=", "number", operator*=, [](double x) { return x * 1.5; }),
      in_place("operator/=", "number", operator/=, [](double x) { return x / 1.5; }),
  };
  const auto in_place_tensor = [&](std::string name, Tensor& (*op)(Tensor&, const Tensor&), double (*f)(Row)) {
    rows.push_back(of_two(std::move(name), "", Sample::avoiding({0}), nullptr, f, {}));
    rows.back().more_shapes = {{{3, 5}, {3, 5}}, {{0, 3}, {1, 3}}, {Shape{}, Shape{}}};
    rows.back().fn = [op](Inputs x) {
      Tensor y = clone(x[0]);
      return op(y, x[1]);
    };
  };
  in_place_tensor("operator+=", operator+=, [](Row x) { return x[0] + x[1]; });
  in_place_tensor("operator-=", operator-=, [](Row x) { return x[0] - x[1]; });
  in_place_tensor("operator*=", operator*=, [](Row x) { return x[0] * x[1]; });
  in_place_tensor("operator/=", operator/=, [](Row x) { return x[0] / x[1]; });
  return rows;
}};

const CaseFile logic{[]() -> OpCases {
  const auto test = [](std::string name, std::string variant, Tensor (*fn)(Inputs), double (*f)(double)) {
    OpCase row = of_one(std::move(name), std::move(variant), {}, fn, f);
    row.samples = {Sample::index(-2, 3)};
    row.differentiable = false;
    return row;
  };
  const auto both = [](std::string name, Tensor (*fn)(Inputs), double (*f)(Row)) {
    OpCase row = of_two(std::move(name), "", Sample::index(0, 2), fn, f, {});
    row.differentiable = false;
    return row;
  };
  return {
      test(
          "eq", "number", [](Inputs x) { return eq(x[0], 1); }, [](double x) { return x == 1 ? 1.0 : 0; }),
      test(
          "ne", "number", [](Inputs x) { return ne(x[0], 1); }, [](double x) { return x != 1 ? 1.0 : 0; }),
      test(
          "lt", "number", [](Inputs x) { return lt(x[0], 0.5); }, [](double x) { return x < 0.5 ? 1.0 : 0; }),
      test(
          "le", "number", [](Inputs x) { return le(x[0], 1); }, [](double x) { return x <= 1 ? 1.0 : 0; }),
      test(
          "gt", "number", [](Inputs x) { return gt(x[0], 1); }, [](double x) { return x > 1 ? 1.0 : 0; }),
      test(
          "ge", "number", [](Inputs x) { return ge(x[0], -0.5); }, [](double x) { return x >= -0.5 ? 1.0 : 0; }),
      test(
          "isnan", "", [](Inputs x) { return isnan(log(to(x[0], DType::float32))); },
          [](double x) { return x < 0 ? 1.0 : 0; }),
      test(
          "isinf", "", [](Inputs x) { return isinf(log(to(x[0], DType::float32))); },
          [](double x) { return x == 0 ? 1.0 : 0; }),
      test(
          "isfinite", "", [](Inputs x) { return isfinite(log(to(x[0], DType::float32))); },
          [](double x) { return x > 0 ? 1.0 : 0; }),
      test(
          "isfinite", "of integers", [](Inputs x) { return isfinite(x[0]); }, [](double) { return 1.0; }),
      test(
          "isinf", "of integers", [](Inputs x) { return isinf(x[0]); }, [](double) { return 0.0; }),
      test(
          "logical_not", "", [](Inputs x) { return logical_not(x[0]); }, [](double x) { return x == 0 ? 1.0 : 0; }),
      both(
          "logical_and", [](Inputs x) { return logical_and(x[0], to(x[1], DType::float64)); },
          [](Row x) { return x[0] != 0 && x[1] != 0 ? 1.0 : 0; }),
      both(
          "logical_or", [](Inputs x) { return logical_or(x[0], to(x[1], DType::boolean)); },
          [](Row x) { return x[0] != 0 || x[1] != 0 ? 1.0 : 0; }),
  };
}};

/// s_i = b_i + a_i s_(i-1) along dim (of the back, -1: the last), or from the end.
DoubleArray scanned(const DoubleArray& a, const DoubleArray& b, int dim, bool reverse) {
  DoubleArray s = b;
  const int d = dim < 0 ? dim + b.shape.rank() : dim;
  const std::int64_t size = b.shape.rank() == 0 ? 1 : b.shape[d];
  for (std::int64_t k = 1; k < size; ++k) {
    for_each_index(b.shape, [&](const Shape& i) {
      const std::int64_t place = reverse ? size - 1 - k : k;
      if (i[d] == place) {
        Shape before = i;
        before[d] += reverse ? 1 : -1;
        s.at(i) += a.at(i) * s.at(before);
      }
    });
  }
  return s;
}

/// The first element along dim, and `rest` elsewhere.
DoubleArray first_along(const DoubleArray& x, int dim, double rest) {
  DoubleArray y(x.shape, rest);
  const int d = dim < 0 ? dim + x.shape.rank() : dim;
  for_each_index(x.shape, [&](const Shape& i) {
    if (i.rank() == 0 || i[d] == 0) {
      y.at(i) = x.at(i);
    }
  });
  return y;
}

const CaseFile scans{[]() -> OpCases {
  OpCases rows;
  for (const int dim : {0, 1, -1}) {
    const std::vector<std::vector<Shape>> more = {{{0, 3, 2}}, {{2, 3, 0}}, {{1, 1, 1}}, {{2, 70, 3}}};
    rows.push_back(
        {.name = "cumsum",
         .variant = concat("dim ", dim),
         .shapes = {{4, 3, 5}},
         .fn = [=](Inputs x) { return cumsum(x[0], dim); },
         .reference =
             [=](std::span<const DoubleArray> x) { return scanned(DoubleArray(x[0].shape, 1), x[0], dim, false); },
         .more_shapes = more,
         .keeps = ""});
    rows.push_back(
        {.name = "cumprod",
         .variant = concat("dim ", dim),
         .shapes = {{4, 3, 5}},
         .samples = {Sample::uniform(-1.5, 1.5)},
         .fn = [=](Inputs x) { return cumprod(x[0], dim); },
         .reference =
             [=](std::span<const DoubleArray> x) { return scanned(x[0], first_along(x[0], dim, 0), dim, false); },
         .more_shapes = more,
         .keeps = "0y"});
    for (const bool reverse : {false, true}) {
      rows.push_back({.name = "linear_scan",
                      .variant = concat("dim ", dim, reverse ? ", reverse" : ""),
                      .shapes = {{4, 3, 5}, {4, 3, 5}},
                      .fn = [=](Inputs x) { return linear_scan(x[0], x[1], dim, reverse); },
                      .reference = [=](std::span<const DoubleArray> x) { return scanned(x[0], x[1], dim, reverse); },
                      .more_shapes = {{{0, 3, 2}, {0, 3, 2}}, {{1, 2, 1}, {1, 2, 1}}},
                      .keeps = "0y"});
      if (dim != 1) {
        rows.back().more_shapes.push_back({Shape{}, Shape{}});
      }
    }
  }
  return rows;
}};

/// x / max(|x|_p, eps) along dim.
Reference normalized(double p, int dim, double eps) {
  return [=](std::span<const DoubleArray> x) {
    Shape kept = x[0].shape;
    kept[dim] = 1;
    DoubleArray sums(kept), y = x[0];
    for_each_index(y.shape, [&](const Shape& i) { sums.at(i) += std::pow(std::abs(y.at(i)), p); });
    for_each_index(y.shape, [&](const Shape& i) { y.at(i) /= std::max(std::pow(sums.at(i), 1 / p), eps); });
    return y;
  };
}

const CaseFile similarities{[]() -> OpCases {
  return {
      {.name = "normalize",
       .shapes = {{4, 3, 5}},
       .samples = {Sample::avoiding({0})},
       .fn = [](Inputs x) { return normalize(x[0]); },
       .reference = normalized(2, 1, 1e-12),
       .more_shapes = {{{0, 3}}, {{1, 1}}, {{2, 0}}}},
      {.name = "normalize",
       .variant = "p 3, last, short",
       .shapes = {{4, 3, 5}},
       .samples = {Sample::avoiding({0})},
       .fn = [](Inputs x) { return normalize(x[0], 3, -1, 2.4); },
       .reference = normalized(3, 2, 2.4)},
      {.name = "cosine_similarity",
       .shapes = {{4, 3, 5}, {3, 1}},
       .fn = [](Inputs x) { return cosine_similarity(x[0], x[1]); },
       .reference =
           [](std::span<const DoubleArray> x) {
             const Shape shape = broadcast_shapes(x[0].shape, x[1].shape, "reference");
             Shape result = shape;
             result[1] = 1;
             DoubleArray y(result), left(result), right(result);
             for_each_index(shape, [&](const Shape& i) {
               y.at(i) += x[0].at(i) * x[1].at(i);
               left.at(i) += x[0].at(i) * x[0].at(i);
               right.at(i) += x[1].at(i) * x[1].at(i);
             });
             for_each_index(result, [&](const Shape& i) { y.at(i) /= std::sqrt(left.at(i) * right.at(i)); });
             y.shape.erase(1);
             return y;
           },
       .more_shapes = {{{0, 3, 2}, {0, 3, 2}}, {{2, 3}, {1, 3}}, {{1, 3, 1}, {2, 3, 2}}}},
  };
}};

}  // namespace
}  // namespace evenkeel::test
