#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "tests/support/cases.hpp"

#include <algorithm>
#include <cmath>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;
using Row = std::span<const double>;

/// Shapes of two operands that show a wrong adjoint of broadcasting: equal, stretched on either side, of lower rank,
/// rank 0, empty, one element.
const std::vector<std::vector<Shape>> kPairs = {
    {{3, 5}, {3, 5}},  {{3, 1}, {1, 5}},   {{5}, {2, 3, 5}}, {Shape{}, {2, 3}},
    {{2, 3}, Shape{}}, {Shape{}, Shape{}}, {{0, 3}, {1, 3}}, {{1}, {0}},
};

OpCase binary(std::string name, std::vector<Sample> samples, Tensor (*op)(const Tensor&, const Tensor&),
              double (*f)(double, double), std::string keeps) {
  return {.name = std::move(name),
          .shapes = {{2, 3, 5}, {3, 1}},
          .samples = std::move(samples),
          .fn = [op](Inputs x) { return op(x[0], x[1]); },
          .reference = broadcast_reference([f](Row x) { return f(x[0], x[1]); }),
          .more_shapes = kPairs,
          .keeps = std::move(keeps)};
}

const CaseFile binaries{[]() -> OpCases {
  const Sample any, nonzero = Sample::avoiding({0}), positive = Sample::positive();
  OpCases rows = {
      binary(
          "add", {any}, add, [](double a, double b) { return a + b; }, ""),
      binary(
          "sub", {any}, sub, [](double a, double b) { return a - b; }, ""),
      binary(
          "mul", {any}, mul, [](double a, double b) { return a * b; }, "01"),
      binary(
          "div", {any, nonzero}, div, [](double a, double b) { return a / b; }, "01"),
      binary(
          "pow", {positive, any}, pow, [](double a, double b) { return std::pow(a, b); }, "01y"),
      binary(
          "maximum", {any}, maximum, [](double a, double b) { return std::max(a, b); }, "01"),
      binary(
          "minimum", {any}, minimum, [](double a, double b) { return std::min(a, b); }, "01"),
      binary(
          "operator+", {any}, operator+, [](double a, double b) { return a + b; }, ""),
      binary(
          "operator-", {any}, operator-, [](double a, double b) { return a - b; }, ""),
      binary(
          "operator*", {any}, operator*, [](double a, double b) { return a * b; }, "01"),
      binary(
          "operator/", {any, nonzero}, operator/, [](double a, double b) { return a / b; }, "01"),
  };
  rows.push_back({.name = "mul",
                  .variant = "with itself",
                  .shapes = {{3, 5}},
                  .fn = [](Inputs x) { return mul(x[0], x[0]); },
                  .scalar_reference = [](double x) { return x * x; }});
  return rows;
}};

const CaseFile numbers{[]() -> OpCases {
  const Sample nonzero = Sample::avoiding({0}), positive = Sample::positive();
  const auto row = [](std::string name, std::string variant, Sample sample, Tensor (*fn)(Inputs), double (*f)(double),
                      std::string keeps = "") -> OpCase {
    return {.name = std::move(name),
            .variant = std::move(variant),
            .shapes = {{2, 3, 5}},
            .samples = {std::move(sample)},
            .fn = fn,
            .scalar_reference = f,
            .keeps = std::move(keeps)};
  };
  return {
      row(
          "neg", "", {}, [](Inputs x) { return neg(x[0]); }, [](double x) { return -x; }),
      row(
          "operator-", "sign", {}, [](Inputs x) { return -x[0]; }, [](double x) { return -x; }),
      row(
          "operator+", "x + c", {}, [](Inputs x) { return x[0] + 1.5; }, [](double x) { return x + 1.5; }),
      row(
          "operator+", "c + x", {}, [](Inputs x) { return 2.5 + x[0]; }, [](double x) { return 2.5 + x; }),
      row(
          "operator-", "x - c", {}, [](Inputs x) { return x[0] - 1.5; }, [](double x) { return x - 1.5; }),
      row(
          "operator-", "c - x", {}, [](Inputs x) { return 1.5 - x[0]; }, [](double x) { return 1.5 - x; }),
      row(
          "operator*", "x c", {}, [](Inputs x) { return x[0] * -1.7; }, [](double x) { return x * -1.7; }),
      row(
          "operator*", "c x", {}, [](Inputs x) { return 0.3 * x[0]; }, [](double x) { return 0.3 * x; }),
      row(
          "operator/", "x / c", {}, [](Inputs x) { return x[0] / 3; }, [](double x) { return x / 3; }),
      row(
          "operator/", "c / x", nonzero, [](Inputs x) { return 3 / x[0]; }, [](double x) { return 3 / x; }, "0"),
      row(
          "pow", "2.3", positive, [](Inputs x) { return pow(x[0], 2.3); }, [](double x) { return std::pow(x, 2.3); },
          "0"),
      row(
          "pow", "3", {}, [](Inputs x) { return pow(x[0], 3); }, [](double x) { return x * x * x; }, "0"),
      row(
          "pow", "1", {}, [](Inputs x) { return pow(x[0], 1); }, [](double x) { return x; }, "0"),
      row(
          "pow", "0", {}, [](Inputs x) { return pow(x[0], 0); }, [](double) { return 1.0; }, "0"),
      row(
          "pow", "-2", nonzero, [](Inputs x) { return pow(x[0], -2); }, [](double x) { return 1 / (x * x); }, "0"),
  };
}};

/// a op= b on a copy of the first input, so that it is no leaf.
OpCase in_place(std::string name, Sample b, Tensor& (*op)(Tensor&, const Tensor&), double (*f)(double, double),
                std::string keeps) {
  return {.name = std::move(name),
          .shapes = {{2, 3, 5}, {3, 1}},
          .samples = {{}, std::move(b)},
          .fn =
              [op](Inputs x) {
                Tensor y = clone(x[0]);
                return op(y, x[1]);
              },
          .reference = broadcast_reference([f](Row x) { return f(x[0], x[1]); }),
          .more_shapes = {{{3, 5}, {3, 5}}, {{2, 3}, Shape{}}, {{0, 3}, {1, 3}}, {{1}, {1}}, {Shape{}, Shape{}}},
          .keeps = std::move(keeps)};
}

const CaseFile in_place_ops{[]() -> OpCases {
  return {
      in_place(
          "add_", {}, add_, [](double a, double b) { return a + b; }, ""),
      in_place(
          "sub_", {}, sub_, [](double a, double b) { return a - b; }, ""),
      in_place(
          "mul_", {}, mul_, [](double a, double b) { return a * b; }, "1"),
      in_place(
          "div_", Sample::avoiding({0}), div_, [](double a, double b) { return a / b; }, "1y"),
      {.name = "mul_",
       .variant = "by itself",
       .shapes = {{3, 5}},
       .fn =
           [](Inputs x) {
             Tensor y = clone(x[0]);
             return mul_(y, y);
           },
       .scalar_reference = [](double x) { return x * x; }},
      {.name = "add_",
       .variant = "of a view of itself",
       .shapes = {{3, 5}},
       .fn =
           [](Inputs x) {
             Tensor y = clone(x[0]);
             return add_(y, slice(y, 0, 1, 2));
           },
       .reference =
           [](std::span<const DoubleArray> x) {
             DoubleArray y = x[0];
             for_each_index(y.shape, [&](const Shape& i) { y.at(i) += x[0].at({1, i[1]}); });
             return y;
           }},
  };
}};

OpCase comparison(std::string name, Tensor (*op)(const Tensor&, const Tensor&), bool (*f)(double, double)) {
  return {.name = std::move(name),
          .shapes = {{4, 5}, {5}},
          .samples = {Sample::index(0, 3)},
          .fn = [op](Inputs x) { return op(x[0], x[1]); },
          .reference = broadcast_reference([f](Row x) { return f(x[0], x[1]) ? 1.0 : 0.0; }),
          .more_shapes = kPairs,
          .differentiable = false};
}

const CaseFile selections{[]() -> OpCases {
  return {
      comparison("eq", eq, [](double a, double b) { return a == b; }),
      comparison("ne", ne, [](double a, double b) { return a != b; }),
      comparison("lt", lt, [](double a, double b) { return a < b; }),
      comparison("le", le, [](double a, double b) { return a <= b; }),
      comparison("gt", gt, [](double a, double b) { return a > b; }),
      comparison("ge", ge, [](double a, double b) { return a >= b; }),
      {.name = "where",
       .shapes = {{3, 1}, {2, 1, 5}, {3, 5}},
       .samples = {Sample::mask(), {}},
       .fn = [](Inputs x) { return where(x[0], x[1], x[2]); },
       .reference = broadcast_reference([](Row x) { return x[0] != 0 ? x[1] : x[2]; }),
       .more_shapes = {{{0, 3}, {1, 3}, {3}}, {{1}, {1}, {1}}, {{4}, Shape{}, Shape{}}, {Shape{}, {2, 3}, {3}}},
       .keeps = "0"},
      {.name = "to",
       .shapes = {{3, 5}},
       .fn = [](Inputs x) { return to(to(x[0] * 1.0, DType::float64), x[0].dtype()); },
       .scalar_reference = [](double x) { return x; },
       .keeps = ""},
      {.name = "to",
       .variant = "int64",
       .shapes = {{3, 5}},
       .fn = [](Inputs x) { return to(x[0], DType::int64); },
       .scalar_reference = [](double x) { return std::trunc(x); },
       .differentiable = false},
  };
}};

}  // namespace
}  // namespace evenkeel::test
