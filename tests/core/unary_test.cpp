// Every unary functor against the definition in long double, on every instruction set of the machine.

#include "evenkeel/core/elementwise.hpp"
#include "tests/support/isa_guard.hpp"
#include "tests/support/unary_functions.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace evenkeel {
namespace {

using test::logistic;
using test::Real;
using test::times;

struct Row {
  std::string name;
  std::size_t op;
  bool of_output;
  std::function<Array(const Array&, Scalars)> map;
  std::function<void(Array&, Scalars)> map_in_place;
  std::function<Array(const Array&, const Array&, Scalars)> gradient;
  std::function<Real(Real x, Real a, Real b)> definition;
  Scalars s;
  double ulp;                 // allowed error of the value
  std::vector<double> kinks;  // no derivative there
  bool product = false;       // of x and another function
};

template <class F>
Row row(std::function<Real(Real, Real, Real)> definition, double ulp, std::vector<double> kinks = {}, Scalars s = {},
        bool product = false) {
  return {std::string(F::kName),
          kernels::UnaryOps::index_of<F>(),
          F::kDerivativeOfOutput,
          [](const Array& x, Scalars n) { return map<F>(x, n); },
          [](Array& x, Scalars n) { map_<F>(x, n); },
          [](const Array& dy, const Array& v, Scalars n) { return map_gradient<F>(dy, v, n); },
          std::move(definition),
          s,
          ulp,
          std::move(kinks),
          product};
}

Real sign(Real x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }
Real clamped(Real x, Real a, Real b) { return x < a ? a : x > b ? b : x; }

std::vector<Row> make_rows() {
  using namespace kernels;
  const Real gelu_scale = std::sqrt(2 / std::acos(Real(-1)));
  std::vector<Row> all = {
      row<Neg>([](Real x, Real, Real) { return -x; }, 0),
      row<Sign>([](Real x, Real, Real) { return sign(x); }, 0, {0}),
      row<GeluTanh>(
          [=](Real x, Real, Real) { return times(x, logistic(2 * gelu_scale * (x + Real(0.044715L) * x * x * x))); },
          1200, {}, {}, true),  // a rounding of 2u is multiplied by 2u, which reaches 700 before the value is 0
      row<LeakyRelu>([](Real x, Real a, Real) { return x > 0 ? x : a * x; }, 0.51, {0}, {.a = 0.01}),
      row<Elu>([](Real x, Real a, Real) { return x > 0 ? x : a * std::expm1(x); }, 3, {0}, {.a = 1.3, .b = 1}),
      row<Elu>([](Real x, Real a, Real b) { return x > 0 ? x : a * std::expm1(b * x); }, 3, {0}, {.a = 2, .b = 0.5}),
      row<Softshrink>([](Real x, Real a, Real) { return x > a           ? x - a
                                                        : x < -a        ? x + a
                                                        : std::isnan(x) ? x
                                                                        : 0; }, 0.51,
                      {-0.75, 0.75}, {.a = 0.75}),
      row<Hardshrink>([](Real x, Real a, Real) { return std::abs(x) <= a ? 0 : x; }, 0, {-0.75, 0.75}, {.a = 0.75}),
      row<Hardtanh>([](Real x, Real a, Real b) { return clamped(x, a, b); }, 0, {-0.5, 2}, {.a = -0.5, .b = 2}),
      row<Softplus>([](Real x, Real a, Real b) { return a * x > b ? x : std::log1p(std::exp(a * x)) / a; }, 3, {6},
                    {.a = 0.5, .b = 3}),
      row<Clamp>([](Real x, Real a, Real b) { return clamped(x, a, b); }, 0, {-0.5, 2}, {.a = -0.5, .b = 2}),
      row<Pow>([](Real x, Real a, Real) { return std::pow(x, a); }, 1, {}, {.a = 3}),
      row<Pow>([](Real x, Real a, Real) { return std::pow(x, a); }, 1, {0}, {.a = -2}),
      row<Pow>([](Real x, Real a, Real) { return std::pow(x, a); }, 1, {}, {.a = 2.25}),
      row<Pow>([](Real x, Real a, Real) { return std::pow(x, a); }, 0.51, {}, {.a = 2}),
      row<Pow>([](Real x, Real a, Real) { return std::pow(x, a); }, 0.51, {0}, {.a = 0.5}),
      row<Pow>([](Real x, Real a, Real) { return std::pow(x, a); }, 0.51, {0}, {.a = -1}),
      row<Pow>([](Real x, Real a, Real) { return std::pow(x, a); }, 3, {0}, {.a = 0.25}),
      row<Pow>([](Real x, Real a, Real) { return std::pow(x, a); }, 3, {0}, {.a = 0.75}),
      row<Pow>([](Real x, Real a, Real) { return std::pow(x, a); }, 3, {}, {.a = 1.5}),
      row<Pow>([](Real x, Real a, Real) { return std::pow(x, a); }, 3, {0}, {.a = -0.25}),
      row<Pow>([](Real x, Real a, Real) { return std::pow(x, a); }, 3, {0}, {.a = -0.75}),
      row<Pow>([](Real x, Real a, Real) { return std::pow(x, a); }, 4, {0}, {.a = -1.75}),
      row<Pow>([](Real x, Real a, Real) { return std::pow(x, a); }, 0, {}, {.a = 1}),
      row<Pow>([](Real x, Real a, Real) { return std::pow(x, a); }, 0, {}, {.a = 0}),
      row<AddScalar>([](Real x, Real a, Real) { return x + a; }, 0.51, {}, {.a = 0.3}),
      row<MulScalar>([](Real x, Real a, Real) { return x * a; }, 0.51, {}, {.a = -0.3}),
      row<DivScalar>([](Real x, Real a, Real) { return x / a; }, 0.51, {}, {.a = -0.3}),
      row<RsubScalar>([](Real x, Real a, Real) { return a - x; }, 0.51, {}, {.a = 0.3}),
      row<RdivScalar>([](Real x, Real a, Real) { return a / x; }, 0.51, {0}, {.a = 0.3}),
  };
  test::for_each_unary_function([&]<class F, class Op>(const test::UnaryFunction<F, Op>& function) {
    all.push_back(row<F>([f = function.definition](Real x, Real, Real) { return f(x); }, function.ulp, function.kinks,
                         {}, function.product));
  });
  return all;
}

const std::vector<Row>& rows() {
  static const std::vector<Row> all = make_rows();
  return all;
}

template <class T>
std::vector<T> sample() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> values = {
      0, Limits::denorm_min(), Limits::min() / 3, Limits::min(), Limits::max(), Limits::infinity()};
  for (const double v :
       {1e-30, 1e-8,  0.1,  0.5,   0.9999, 1.0,   2.0,   3.0,   5.5,   9.0,   20.0,  27.0, 37.5, 87.4, 88.5,
        88.72, 88.73, 89.0, 103.5, 104.0,  105.0, 709.5, 709.8, 710.0, 745.0, 746.0, 1e4,  1e8,  1e30}) {
    values.push_back(static_cast<T>(v));
  }
  // Magnitudes 1e-6 to 1e2, spread by a low-discrepancy sequence.
  for (int i = 1; i <= 4000; ++i) {
    const double u = std::fmod(0.6180339887498949 * i, 1.0);
    values.push_back(static_cast<T>(std::pow(10.0, -6 + 8 * u)));
  }
  const std::size_t n = values.size();
  for (std::size_t i = 0; i < n; ++i) {
    values.push_back(-values[i]);
  }
  values.push_back(Limits::quiet_NaN());
  return values;
}

/// |actual - expected| in units of expected's last place, as T, but no smaller units than least_unit; infinite if only
/// one of them is NaN or infinite.
template <class T>
double error_in_ulp(T actual, Real expected, Real least_unit) {
  const T rounded = static_cast<T>(expected);
  if (std::isnan(rounded) || std::isnan(actual)) {
    return std::isnan(rounded) && std::isnan(actual) ? 0 : HUGE_VAL;
  }
  if (std::isinf(rounded) || std::isinf(actual)) {
    // The largest finite number and infinity may be one step apart.
    return rounded == actual || std::abs(std::isinf(actual) ? rounded : actual) == std::numeric_limits<T>::max()
               ? (rounded == actual ? 0 : 1)
               : HUGE_VAL;
  }
  const T magnitude = std::abs(rounded);
  const Real unit = magnitude == std::numeric_limits<T>::max()
                        ? std::numeric_limits<T>::max() * std::numeric_limits<T>::epsilon() / 2
                        : std::nextafter(magnitude, std::numeric_limits<T>::infinity()) - magnitude;
  return static_cast<double>(std::abs(actual - expected) / std::max(unit, least_unit));
}

template <class T>
void check_values(const Row& row) {
  const std::vector<T> x = sample<T>();
  const Real a = static_cast<T>(row.s.a);
  const Real b = static_cast<T>(row.s.b);
  const std::vector<T> y =
      row.map(Array::from<T>(x, {static_cast<std::int64_t>(x.size())}), row.s).template to_vector<T>();
  double worst = 0;
  T worst_x = 0;
  T worst_y = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    // x times a subnormal factor carries x times the factor's error.
    const Real least =
        std::numeric_limits<T>::denorm_min() * (row.product ? std::max(Real(1), std::abs(Real(x[i]))) : 1);
    const double error = error_in_ulp(y[i], row.definition(x[i], a, b), least);
    if (error > worst) {
      worst = error;
      worst_x = x[i];
      worst_y = y[i];
    }
  }
  CAPTURE(worst_x);
  CAPTURE(worst_y);
  CHECK(worst <= row.ulp);
}

/// Central differences of fourth order, in long double.
Real derivative(const Row& row, Real x, Real a, Real b) {
  const Real h = 2e-4L;
  const auto f = [&](Real t) { return row.definition(t, a, b); };
  return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h);
}

template <class T>
void check_derivatives(const Row& row, double tolerance) {
  std::vector<T> x;
  std::vector<T> dy;
  for (int i = 0; i < 400; ++i) {
    const double v = -7.98 + 0.0401 * i;
    bool smooth = !std::isnan(row.definition(v - 0.1, row.s.a, row.s.b));
    for (const double kink : row.kinks) {
      smooth = smooth && std::abs(v - kink) > 0.3;
    }
    if (smooth) {
      x.push_back(static_cast<T>(v));
      dy.push_back(static_cast<T>(0.5 + i % 7 - 3));
    }
  }
  REQUIRE(x.size() > 50);
  const Shape shape{static_cast<std::int64_t>(x.size())};
  const Array input = Array::from<T>(x, shape);
  const Array v = row.of_output ? row.map(input, row.s) : input;
  const std::vector<T> dx = row.gradient(Array::from<T>(dy, shape), v, row.s).template to_vector<T>();
  double worst = 0;
  T worst_x = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Real d = derivative(row, x[i], static_cast<T>(row.s.a), static_cast<T>(row.s.b)) * dy[i];
    const double error = static_cast<double>(std::abs(dx[i] - d) / (1 + std::abs(d)));
    if (!(error <= worst)) {
      worst = error;
      worst_x = x[i];
    }
  }
  CAPTURE(worst_x);
  CHECK(worst <= tolerance);
}

template <class T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0 || (std::isnan(a) && std::isnan(b));
}

/// A value must not depend on its place: arrays of every length, offset by one element, against single elements.
template <class T>
void check_positions(const Row& row) {
  std::vector<T> values;
  for (int i = 0; i < 40; ++i) {
    values.push_back(static_cast<T>(-4.1 + 0.37 * i));
  }
  const Array all = Array::from<T>(values, {40});
  std::vector<T> singles;
  for (std::int64_t i = 0; i < 40; ++i) {
    singles.push_back(row.map(all.slice(0, i, i + 1), row.s).template to_vector<T>()[0]);
  }
  for (std::int64_t n = 0; n <= 33; ++n) {
    CAPTURE(n);
    const std::vector<T> y = row.map(all.slice(0, 1, n + 1), row.s).template to_vector<T>();
    Array copy = all.clone();
    Array part = copy.slice(0, 1, n + 1);
    row.map_in_place(part, row.s);
    const std::vector<T> in_place = copy.to_vector<T>();
    bool equal = static_cast<std::int64_t>(y.size()) == n;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const bool inside = i >= 1 && i <= static_cast<std::size_t>(n);
      equal = equal && (!inside || same_bits(y[i - 1], singles[i]));
      equal = equal && same_bits(in_place[i], inside ? singles[i] : values[i]);
    }
    CHECK(equal);
  }
}

TEST_CASE("every functor has a row") {
  std::set<std::size_t> seen;
  for (const Row& row : rows()) {
    seen.insert(row.op);
  }
  CHECK(seen.size() == kernels::UnaryOps::size);
}

TEST_CASE("values are right to a few units in the last place, special values included") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    for (const Row& row : rows()) {
      CAPTURE(name(isa));
      CAPTURE(row.name);
      CAPTURE(row.s.a);
      check_values<float>(row);
      check_values<double>(row);
    }
  }
}

TEST_CASE("derivatives agree with differences") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    for (const Row& row : rows()) {
      CAPTURE(name(isa));
      CAPTURE(row.name);
      CAPTURE(row.s.a);
      check_derivatives<float>(row, 3e-6);
      check_derivatives<double>(row, 1e-10);
    }
  }
}

TEST_CASE("values do not depend on position") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    for (const Row& row : rows()) {
      CAPTURE(name(isa));
      CAPTURE(row.name);
      check_positions<float>(row);
      check_positions<double>(row);
    }
  }
}

template <class F>
double slope(double v, double dy = 1, Scalars s = {}) {
  const double wide = map_gradient<F>(Array::scalar(dy), Array::scalar(v), s).item();
  const double narrow =
      map_gradient<F>(Array::scalar(static_cast<float>(dy)), Array::scalar(static_cast<float>(v)), s).item();
  CHECK((narrow == doctest::Approx(wide) || (std::isnan(narrow) && std::isnan(wide)) || narrow == wide));
  return wide;
}

TEST_CASE("derivatives at kinks and limits") {
  using namespace kernels;
  const double inf = std::numeric_limits<double>::infinity();
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    CHECK(slope<Relu>(0) == 0);
    CHECK(slope<Relu>(-0.0) == 0);
    CHECK(slope<Abs>(0) == 0);
    CHECK(slope<LeakyRelu>(0, 1, {.a = 0.25}) == 0.25);
    CHECK(slope<Clamp>(2, 3, {.a = -1, .b = 2}) == 3);
    CHECK(slope<Clamp>(2.001, 3, {.a = -1, .b = 2}) == 0);
    CHECK(slope<Hardswish>(-3) == -0.5);
    CHECK(slope<Hardswish>(3) == 1.5);
    CHECK(slope<Silu>(0) == 0.5);
    for (const double x : {1e30, 1e4, 710.0, 104.0, inf}) {
      CAPTURE(x);
      CHECK(slope<Silu>(x) == doctest::Approx(1));
      CHECK(slope<Gelu>(x) == 1);
      CHECK(slope<GeluTanh>(x) == 1);
      CHECK(slope<Softplus>(x, 1, {.a = 1, .b = 1e30}) == 1);
      CHECK(std::abs(slope<Silu>(-x)) < 1e-40);
      CHECK(slope<Gelu>(-x) == 0);
      CHECK(slope<GeluTanh>(-x) == 0);
    }
    CHECK(slope<Pow>(0, 1, {.a = 0}) == 0);
    CHECK(slope<Pow>(0, 1, {.a = 1}) == 1);
    CHECK(slope<Sqrt>(0) == inf);
  }
}

TEST_CASE("a gradient that does not pass never turns into NaN") {
  using namespace kernels;
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(slope<Sqrt>(0, 0) == 0);
  CHECK(slope<Log>(0, 0) == 0);
  CHECK(slope<Relu>(0, inf) == 0);
  CHECK(slope<Relu>(0, nan) == 0);
  CHECK(slope<Clamp>(5, nan, {.a = 0, .b = 1}) == 0);
  CHECK(std::isnan(slope<Exp>(1, nan)));
  CHECK(std::isnan(slope<Exp>(nan, 0)));
}

TEST_CASE("shapes, strides and threads") {
  std::vector<float> values(100003);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i % 1013) / 100 - 5;
  }
  const Array x = Array::from<float>(values, {100003});
  const std::vector<float> y = map<kernels::Silu>(x).to_vector<float>();
  CHECK(map<kernels::Silu>(x.slice(0, 70001, 70002)).item() == y[70001]);

  const Array matrix = x.slice(0, 0, 15).reshape({3, 5});
  CHECK(map<kernels::Neg>(matrix.transpose(0, 1)).shape() == Shape{5, 3});
  CHECK(map<kernels::Neg>(matrix.transpose(0, 1)).to_vector<float>() ==
        map<kernels::Neg>(matrix.transpose(0, 1).contiguous()).to_vector<float>());
  CHECK(map<kernels::Neg>(Array::scalar(2.0)).shape() == Shape{});
  CHECK(map<kernels::Neg>(Array::zeros({3, 0, 2})).shape() == Shape{3, 0, 2});

  Array target = matrix.clone();
  Array column = target.select(1, 2);
  map_<kernels::Neg>(column);
  CHECK(target.to_vector<float>()[7] == -values[7]);
  CHECK(target.to_vector<float>()[8] == values[8]);
}

TEST_CASE("errors name the op and what came") {
  CHECK_THROWS_WITH(map<kernels::Silu>(Array::zeros({2}, DType::int64)),
                    doctest::Contains("silu: dtype must be float32 or float64, got int64"));
  CHECK_THROWS_WITH(map_gradient<kernels::Tanh>(Array::zeros({2}), Array::zeros({3})),
                    doctest::Contains("tanh: the gradient has shape [2], the value [3]"));
  CHECK_THROWS_WITH(map_gradient<kernels::Tanh>(Array::zeros({2}), Array::zeros({2}, DType::float64)),
                    doctest::Contains("operands must have one dtype, got float32 and float64"));
}

}  // namespace
}  // namespace evenkeel
