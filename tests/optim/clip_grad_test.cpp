#include "evenkeel/optim/clip_grad.hpp"

#include "tests/support/reference.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace evenkeel;
using namespace evenkeel::optim;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

template <class T>
Tensor with_grad(const std::vector<T>& grad) {
  const Shape shape{static_cast<std::int64_t>(grad.size())};
  Tensor p(Array::zeros(shape, dtype_of<T>), true);
  p.set_grad(tensor(grad, shape));
  return p;
}

}  // namespace

TEST_CASE("one norm over all parameters together") {
  const std::vector<std::pair<double, double>> norms = {{1, 19}, {2, 13}, {kInf, 12}, {3, std::cbrt(1728 + 64 + 27)}};
  for (const auto& row : norms) {
    const double p = row.first, norm = row.second;
    CAPTURE(p);
    Tensor a = with_grad<double>({3, -4}), b = with_grad<double>({12}), none(Array::zeros({5}), true);
    CHECK(clip_grad_norm_({a, none, b}, 2.0, p) == doctest::Approx(norm));
    const double factor = 2 / (norm + 1e-6);
    CHECK(a.grad().to_vector<double>()[1] == doctest::Approx(-4 * factor).epsilon(1e-12));
    CHECK(b.grad().to_vector<double>()[0] == doctest::Approx(12 * factor).epsilon(1e-12));
    CHECK(!none.grad().defined());
  }
}

TEST_CASE("a norm below the limit changes nothing") {
  Tensor a = with_grad<float>({3, 4});
  CHECK(clip_grad_norm_({a}, 5.1) == doctest::Approx(5));
  CHECK(a.grad().to_vector<float>() == std::vector<float>{3, 4});
}

TEST_CASE("squares beyond float32 and double do not matter") {
  CHECK(clip_grad_norm_({with_grad<float>({1e20F, 1e20F, 1e20F, 1e20F})}, 1) == doctest::Approx(2e20));
  CHECK(clip_grad_norm_({with_grad<float>({1e-25F, 1e-25F, 1e-25F, 1e-25F})}, 1) ==
        doctest::Approx(2e-25).epsilon(1e-6));
  CHECK(clip_grad_norm_({with_grad<double>({3e200, 4e200})}, 1) == doctest::Approx(5e200));
  CHECK(clip_grad_norm_({with_grad<double>({3e-200, 4e-200})}, 1) == doctest::Approx(5e-200));
  CHECK(clip_grad_norm_({with_grad<double>({3e150, 4e150})}, 1, 3) == doctest::Approx(std::cbrt(91.0) * 1e150));
  Tensor large = with_grad<float>({1e20F, 1e20F});
  clip_grad_norm_({large}, 1);
  CHECK(large.grad().to_vector<float>()[0] == doctest::Approx(std::sqrt(0.5)));
}

TEST_CASE("NaN and infinity are reported, with error_if_nonfinite as an error that leaves the gradients") {
  const float inf = std::numeric_limits<float>::infinity();
  for (const double p : {1.0, 2.0, kInf}) {
    CAPTURE(p);
    Tensor a = with_grad<float>({1, 2}), bad = with_grad<float>({1, std::nanf("")});
    CHECK_THROWS_WITH(clip_grad_norm_({a, bad}, 0.1, p, true), doctest::Contains("is non-finite (nan)"));
    CHECK(a.grad().to_vector<float>() == std::vector<float>{1, 2});
    CHECK(std::isnan(clip_grad_norm_({a, bad}, 0.1, p)));
    CHECK(std::isnan(a.grad().to_vector<float>()[0]));
    Tensor b = with_grad<float>({1, 2}), infinite = with_grad<float>({-inf, 1});
    CHECK(clip_grad_norm_({b, infinite}, 0.1, p) == kInf);
    CHECK(b.grad().to_vector<float>() == std::vector<float>{0, 0});
    CHECK(std::isnan(infinite.grad().to_vector<float>()[0]));
  }
}

TEST_CASE("missing and empty gradients have norm 0") {
  for (const double p : {1.0, 2.0, kInf}) {
    CHECK(clip_grad_norm_({}, 1, p) == 0);
    CHECK(clip_grad_norm_({Tensor(Array::zeros({2}), true)}, 1, p) == 0);
    CHECK(clip_grad_norm_({with_grad<float>({})}, 1, p) == 0);
    CHECK(clip_grad_norm_({with_grad<float>({0, 0})}, 1, p) == 0);
  }
}

TEST_CASE("gradients that share memory are scaled once each") {
  const Tensor shared(Array::from(std::vector<float>{3, 4}, {2}));
  Tensor a(Array::zeros({2}), true), b(Array::zeros({2}), true), c(Array::zeros({3, 2}), true);
  a.set_grad(shared);
  b.set_grad(shared);
  c.set_grad(Tensor(Array::from(std::vector<float>{3, 4}, {1, 2}).expand({3, 2})));
  const double norm = clip_grad_norm_({a, b, c}, 1);
  CHECK(norm == doctest::Approx(std::sqrt(125.0)));
  CHECK(a.grad().to_vector<float>()[0] == doctest::Approx(3 / norm));
  CHECK(b.grad().to_vector<float>()[1] == doctest::Approx(4 / norm));
  CHECK(c.grad().to_vector<float>()[5] == doctest::Approx(4 / norm));
}

TEST_CASE("clip_grad_value_ limits each element") {
  Tensor a = with_grad<float>({-3, 0.5F, 7, std::nanf("")});
  clip_grad_value_({a, Tensor(Array::zeros({2}), true)}, 1.5);
  const auto grad = a.grad().to_vector<float>();
  CHECK(grad[0] == -1.5F);
  CHECK(grad[1] == 0.5F);
  CHECK(grad[2] == 1.5F);
  CHECK(std::isnan(grad[3]));
}

TEST_CASE("adaptive_clip_grad_ limits each filter's gradient by its weight, as plain loops do") {
  const auto check = []<class T>(const Shape& shape, std::int64_t units, T, double tolerance) {
    CAPTURE(shape);
    const std::vector<double> w = reference::random_values(numel(shape), 1);
    std::vector<double> g = reference::random_values(numel(shape), 2);
    const std::size_t size = g.size() / static_cast<std::size_t>(units);
    for (std::size_t i = 0; i < g.size(); ++i) {
      g[i] *= i / size % 2 == 0 ? 1 : 0x1p-10;  // every other unit's gradient is small enough
    }
    Tensor p(Array::from(reference::cast<T>(w), shape), true);
    p.set_grad(Tensor(Array::from(reference::cast<T>(g), shape)));
    for (std::size_t first = 0; first < g.size(); first += size) {
      double weights = 0, gradients = 0;
      for (std::size_t i = first; i < first + size; ++i) {
        weights += w[i] * w[i];
        gradients += g[i] * g[i];
      }
      const double factor = std::min(1.0, 0.02 * std::sqrt(weights / gradients));
      for (std::size_t i = first; i < first + size; ++i) {
        g[i] *= factor;
      }
    }
    CHECK(adaptive_clip_grad_({p}, 0.02) == (units + 1) / 2);
    CHECK(reference::worst_error(p.grad().to_vector<T>(), g) < tolerance);
  };
  check({5, 3, 2, 4}, 5, 0.0, 1e-14);
  check({4, 7}, 4, 0.0, 1e-14);
  check({3, 40000}, 3, 0.0, 1e-13);
  check({9}, 1, 0.0, 1e-14);
  check({5, 3, 2, 4}, 5, 0.0F, 1e-7);
}

TEST_CASE("adaptive_clip_grad_ with its defaults: 0.01 of the weight's norm, or of 1e-3") {
  // Norms of weight and gradient: 5 and 0.5, 0 and 5e-6, 0 and 5e-4; so limits of 0.05, 1e-5 and 1e-5.
  Tensor p(Array::from(std::vector<double>{3, 4, 0, 0, 0, 0}, {3, 2}), true);
  p.set_grad(tensor(std::vector<double>{0.3, 0.4, 3e-6, 4e-6, 3e-4, 4e-4}, {3, 2}));
  CHECK(adaptive_clip_grad_({p, Tensor(Array::zeros({2}), true)}) == 2);
  const std::vector<double> expected = {0.03, 0.04, 3e-6, 4e-6, 6e-6, 8e-6};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(p.grad().to_vector<double>()[i] == doctest::Approx(expected[i]).epsilon(1e-12));
  }
}

TEST_CASE("adaptive_clip_grad_ knows shared gradients, zeros, NaN, scalars and squares beyond the range") {
  const Tensor shared(Array::from(std::vector<float>{3, 4}, {2}));
  Tensor a(Array::ones({2}), true), b(Array::ones({2}), true);
  a.set_grad(shared);
  b.set_grad(shared);
  CHECK(adaptive_clip_grad_({a, b}, 0.1) == 2);
  CHECK(a.grad().to_vector<float>() == b.grad().to_vector<float>());
  CHECK(shared.to_vector<float>() == std::vector<float>{3, 4});

  Tensor zero(Array::zeros({2, 3}), true);
  zero.set_grad(zeros({2, 3}));
  CHECK(adaptive_clip_grad_({zero}) == 0);
  CHECK(zero.grad().to_vector<float>() == std::vector<float>(6, 0.0F));

  Tensor rows(Array::ones({2, 2}, DType::float64), true);
  rows.set_grad(tensor(std::vector<double>{std::nan(""), 1, 3e200, 4e200}, {2, 2}));
  CHECK(adaptive_clip_grad_({rows}, 1) == 2);
  const std::vector<double> grad = rows.grad().to_vector<double>();
  CHECK(std::isnan(grad[1]));
  CHECK(grad[3] == doctest::Approx(0.8 * std::sqrt(2.0)));

  Tensor scalar(Array::full({}, -2), true);
  scalar.set_grad(Tensor(Array::full({}, 5)));
  CHECK(adaptive_clip_grad_({scalar}) == 1);
  CHECK(scalar.grad().item() == doctest::Approx(0.02));
  CHECK(adaptive_clip_grad_({Tensor(Array::zeros({0, 3}), true)}) == 0);
}

TEST_CASE("bad arguments are refused") {
  CHECK_THROWS_WITH(adaptive_clip_grad_({}, -1), "adaptive_clip_grad_: clip_factor must be at least 0, got -1");
  CHECK_THROWS_WITH(adaptive_clip_grad_({}, 1, -2), "adaptive_clip_grad_: eps must be at least 0, got -2");
  CHECK_THROWS_WITH(clip_grad_norm_({}, -1), "clip_grad_norm_: max_norm must be at least 0, got -1");
  CHECK_THROWS_WITH(clip_grad_norm_({}, 1, 0), "clip_grad_norm_: norm_type must be positive or infinity, got 0");
  CHECK_THROWS_WITH(clip_grad_value_({}, -1), "clip_grad_value_: clip_value must be at least 0, got -1");
}
