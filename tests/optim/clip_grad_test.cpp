#include "optim/clip_grad.hpp"

#include <doctest/doctest.h>

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
  for (const auto& [p, norm] :
       std::vector<std::pair<double, double>>{{1, 19}, {2, 13}, {kInf, 12}, {3, std::cbrt(1728 + 64 + 27)}}) {
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

TEST_CASE("bad arguments are refused") {
  CHECK_THROWS_WITH(clip_grad_norm_({}, -1), "clip_grad_norm_: max_norm is -1, expected a number of at least 0");
  CHECK_THROWS_WITH(clip_grad_norm_({}, 1, 0),
                    "clip_grad_norm_: norm_type is 0, expected a positive number or infinity");
  CHECK_THROWS_WITH(clip_grad_value_({}, -1), "clip_grad_value_: clip_value is -1, expected a number of at least 0");
}
