// The losses of two arrays against their definitions in long double, on every instruction set of the machine.

#include "evenkeel/core/loss.hpp"

#include "evenkeel/core/parallel.hpp"
#include "tests/support/isa_guard.hpp"
#include "tests/support/reference.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace evenkeel {
namespace {

using reference::Values;
using Real = long double;
constexpr double kInf = std::numeric_limits<double>::infinity();

struct Row {
  std::string name;
  std::function<double(const Array& x, const Array& t, double a)> sum;
  std::function<Array(const Array& x, const Array& t, double a)> values;
  std::function<Array(const Array& dy, const Array& x, const Array& t, double a)> gradient;
  Real (*f)(Real x, Real t, Real a);
  Real (*df)(Real x, Real t, Real a);
  double a = 0;
  Real (*domain)(Real x) = nullptr;  ///< maps any number to one that x may be
};

template <class F>
Row row(Real (*f)(Real, Real, Real), Real (*df)(Real, Real, Real), double a = 0, Real (*domain)(Real) = nullptr) {
  return {std::string(F::kName), loss_sum<F>, loss_values<F>, loss_gradient<F>, f, df, a, domain};
}

Real sign(Real d) { return d > 0 ? 1 : d < 0 ? -1 : 0; }
Real softplus(Real x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
Real logistic(Real x) { return 1 / (1 + std::exp(-x)); }

const std::vector<Row> kRows = {
    row<kernels::SquaredError>([](Real x, Real t, Real) { return (x - t) * (x - t); },
                               [](Real x, Real t, Real) { return 2 * (x - t); }),
    row<kernels::AbsoluteError>([](Real x, Real t, Real) { return std::abs(x - t); },
                                [](Real x, Real t, Real) { return sign(x - t); }),
    row<kernels::SmoothAbsoluteError>(
        [](Real x, Real t, Real a) {
          return std::abs(x - t) < a ? (x - t) * (x - t) / (2 * a) : std::abs(x - t) - a / 2;
        },
        [](Real x, Real t, Real a) { return std::abs(x - t) < a ? (x - t) / a : sign(x - t); }, 0.5),
    row<kernels::LogisticCrossEntropy>([](Real x, Real t, Real) { return t * softplus(-x) + (1 - t) * softplus(x); },
                                       [](Real x, Real t, Real) { return (1 - t) * logistic(x) - t * logistic(-x); }),
    row<kernels::HuberError>(
        [](Real x, Real t, Real a) {
          return std::abs(x - t) < a ? (x - t) * (x - t) / 2 : a * (std::abs(x - t) - a / 2);
        },
        [](Real x, Real t, Real a) { return std::abs(x - t) < a ? x - t : a * sign(x - t); }, 0.5),
    row<kernels::BinaryCrossEntropy>(
        [](Real x, Real t, Real) {
          return -t * std::max<Real>(std::log(x), -100) - (1 - t) * std::max<Real>(std::log1p(-x), -100);
        },
        [](Real x, Real t, Real) { return (x - t) / std::max<Real>(x * (1 - x), 1e-12f); }, 0, logistic),
    row<kernels::KlDivergence>([](Real x, Real t, Real) { return t == 0 ? 0 : t * (std::log(t) - x); },
                               [](Real, Real t, Real) { return -t; }),
    row<kernels::LogKlDivergence>([](Real x, Real t, Real) { return std::exp(t) * (t - x); },
                                  [](Real, Real t, Real) { return -std::exp(t); }),
    row<kernels::SoftMargin>([](Real x, Real t, Real) { return softplus(-t * x); },
                             [](Real x, Real t, Real) { return -t * logistic(-t * x); }),
    row<kernels::LogPoisson>([](Real x, Real t, Real) { return std::exp(x) - t * x; },
                             [](Real x, Real t, Real) { return std::exp(x) - t; }),
    row<kernels::Poisson>([](Real x, Real t, Real a) { return x - t * std::log(x + a); },
                          [](Real x, Real t, Real a) { return 1 - t / (x + a); }, 0.25,
                          [](Real x) { return std::abs(x); }),
};

Values doubles(const Array& x) { return x.to(DType::float64).to_vector<double>(); }

Array numbers(const Values& values, DType dtype) {
  return Array::from<double>(values, {static_cast<std::int64_t>(values.size())}).to(dtype);
}

void check_row(const Row& row, std::int64_t n, DType dtype) {
  CAPTURE(row.name);
  CAPTURE(n);
  CAPTURE(dtype);
  const double tolerance = dtype == DType::float32 ? 1e-6 : 1e-14;
  Values x = reference::random_values(n, 11), t = reference::random_values(n, 12);
  const Values dy = reference::random_values(n, 13);
  Values values, gradients, same_gradients;
  Real sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] *= i % 5 == 0 ? 20 : 2;
    if (row.domain != nullptr) {
      x[i] = static_cast<double>(static_cast<float>(row.domain(x[i])));
    }
    t[i] = std::abs(t[i]);
    const Real value = row.f(x[i], t[i], row.a);
    sum += value;
    values.push_back(static_cast<double>(value));
    gradients.push_back(dy[i] * static_cast<double>(row.df(x[i], t[i], row.a)));
    same_gradients.push_back(-1.5 * static_cast<double>(row.df(x[i], t[i], row.a)));
  }
  const Array ax = numbers(x, dtype), at = numbers(t, dtype), one = Array::full({}, -1.5, dtype);
  CHECK(row.sum(ax, at, row.a) == doctest::Approx(static_cast<double>(sum)).epsilon(tolerance));
  CHECK(reference::worst_error(doubles(row.values(ax, at, row.a)), values) < tolerance);
  CHECK(reference::worst_error(doubles(row.gradient(numbers(dy, dtype), ax, at, row.a)), gradients) < tolerance);
  CHECK(reference::worst_error(doubles(row.gradient(one, ax, at, row.a)), same_gradients) < tolerance);
}

TEST_CASE("values, sums and gradients equal the definitions at every length") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    for (const Row& row : kRows) {
      for (const DType dtype : {DType::float32, DType::float64}) {
        for (std::int64_t n = 0; n <= 35; ++n) {
          check_row(row, n, dtype);
        }
        check_row(row, 70001, dtype);
      }
    }
  }
}

TEST_CASE("edges: beta 0, |d| = beta, a zero derivative beside an infinite gradient, extreme logits") {
  using namespace kernels;
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    const Array x = numbers({0, 2, -0.5, 0.5, -kInf}, DType::float32), zero = Array::zeros({5});
    CHECK(doubles(loss_values<SmoothAbsoluteError>(x, zero, 0)) == Values{0, 2, 0.5, 0.5, kInf});
    CHECK(doubles(loss_gradient<SmoothAbsoluteError>(Array::ones({5}), x, zero, 0)) == Values{0, 1, -1, 1, -1});
    CHECK(doubles(loss_gradient<SmoothAbsoluteError>(Array::ones({5}), x, zero, 0.5)) == Values{0, 1, -1, 1, -1});
    CHECK(doubles(loss_gradient<AbsoluteError>(Array::full({}, kInf), x, zero, 0)) ==
          Values{0, kInf, -kInf, kInf, -kInf});
    CHECK(std::isnan(loss_sum<SquaredError>(numbers({1, std::nan("")}, DType::float32), Array::zeros({2}), 0)));
    const Array extreme = numbers({1e4, -1e4, 1e4, -1e4, -30}, DType::float32);
    const Array targets = numbers({1, 0, 0, 1, 0}, DType::float32);
    const Values y = doubles(loss_values<LogisticCrossEntropy>(extreme, targets, 0));
    CHECK(Values(y.begin(), y.begin() + 4) == Values{0, 0, 1e4, 1e4});
    CHECK(y[4] == doctest::Approx(std::exp(-30.0)).epsilon(1e-6));
    const Values dx = doubles(loss_gradient<LogisticCrossEntropy>(Array::ones({5}), extreme, targets, 0));
    CHECK(Values(dx.begin(), dx.begin() + 4) == Values{0, 0, 1, -1});
    CHECK(dx[4] == doctest::Approx(std::exp(-30.0)).epsilon(1e-6));
  }
}

TEST_CASE("edges of probabilities: 0 and 1, -inf beside a factor of 0, margins that overflow") {
  using namespace kernels;
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    for (const DType dtype : {DType::float32, DType::float64}) {
      const Array one = Array::ones({4}, dtype);
      const Array p = numbers({0, 0, 1, 1}, dtype), t = numbers({0, 1, 0, 1}, dtype);
      CHECK(doubles(loss_values<BinaryCrossEntropy>(p, t, 0)) == Values{0, 100, 100, 0});
      const Values dp = doubles(loss_gradient<BinaryCrossEntropy>(one, p, t, 0));
      CHECK(reference::worst_error(dp, {0, -1e12, 1e12, 0}) < 1e-6);
      const Array log_p = numbers({-kInf, -1, -kInf, 0}, dtype), q = numbers({0, 0, 0.5, 1}, dtype);
      CHECK(doubles(loss_values<KlDivergence>(log_p, q, 0)) == Values{0, 0, kInf, 0});
      const Array log_q = numbers({-kInf, -kInf, 0, 0}, dtype);
      CHECK(doubles(loss_values<LogKlDivergence>(log_p, log_q, 0)) == Values{0, 0, kInf, 0});
      const Array far = numbers({1e4, -1e4, 1e4, -1e4}, dtype), side = numbers({1, 1, -1, -1}, dtype);
      CHECK(doubles(loss_values<SoftMargin>(far, side, 0)) == Values{0, 1e4, 1e4, 0});
      CHECK(doubles(loss_gradient<SoftMargin>(one, far, side, 0)) == Values{0, -1, 1, 0});
    }
  }
}

TEST_CASE("strided inputs, thread counts, errors") {
  const Array x = Array::from<double>(reference::random_values(120000, 3), {300, 400}).to(DType::float32);
  const Array t = Array::from<double>(reference::random_values(120000, 4), {400, 300}).to(DType::float32);
  const Array turned = t.transpose(0, 1);
  std::vector<double> sums;
  for (const int threads : {1, 2, 5}) {
    const ThreadsGuard guard(threads);
    sums.push_back(loss_sum<kernels::SquaredError>(x, turned, 0));
  }
  CHECK(sums[0] == sums[1]);
  CHECK(sums[0] == sums[2]);
  CHECK(sums[0] == loss_sum<kernels::SquaredError>(x, turned.clone(), 0));
  CHECK(doubles(loss_gradient<kernels::SquaredError>(turned, x, turned, 0)) ==
        doubles(loss_gradient<kernels::SquaredError>(turned.clone(), x, turned.clone(), 0)));
  CHECK_THROWS_WITH(loss_sum<kernels::SquaredError>(x, t, 0),
                    doctest::Contains("mse_loss: input is float32 [300, 400], target is float32 [400, 300]"));
  CHECK_THROWS_WITH(loss_gradient<kernels::AbsoluteError>(t, x, x, 0), doctest::Contains("l1_loss: the gradient is"));
}

}  // namespace
}  // namespace evenkeel
