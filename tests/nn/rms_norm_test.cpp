#include "evenkeel/nn/norm/rms_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/layer_formula.hpp"

#include <limits>

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("RMSNorm against x (mean x^2 + eps)^-1/2 weight") {
  const auto rms = [](const Tensor& x, const Dims& dims, double eps) {
    const Tensor squares = sum(x * x, dims, true);
    const double count = static_cast<double>(x.numel()) / static_cast<double>(squares.numel());
    return x * pow(squares / count + eps, -0.5);
  };
  check_formula(RMSNorm(7), {3, 7}, [&](const Tensor& x, const std::vector<Tensor>& p) {
    return rms(x, {1}, std::numeric_limits<double>::epsilon()) * p[0];
  });
  check_formula(RMSNorm(Shape{5, 2}, {.eps = 0.1}), {2, 3, 5, 2}, [&](const Tensor& x, const std::vector<Tensor>& p) {
    return rms(x, {2, 3}, 0.1) * p[0];
  });
  check_formula(RMSNorm(4, {.eps = 1e-6, .elementwise_affine = false}), {1, 2, 1, 3, 4},
                [&](const Tensor& x, const std::vector<Tensor>&) { return rms(x, {4}, 1e-6); });
  check_formula(RMSNorm2d(3), {2, 3, 5, 4},
                [&](const Tensor& x, const std::vector<Tensor>& p) { return rms(x, {1}, 1e-6) * by_channel(p[0]); });
}

TEST_CASE("constant rows: a mean stays in RMSNorm") {
  RMSNorm rms(4, {.eps = 1e-6});
  for (const double value : doubles(rms(full({1, 4}, -5)))) {
    CHECK(value == doctest::Approx(-1).epsilon(1e-6));
  }
  Tensor zero = zeros({1, 4}, {.requires_grad = true});
  const Tensor z = rms(zero);
  CHECK(doubles(z) == std::vector<double>(4, 0));
  z.backward(ones({1, 4}));
  for (const double dx : doubles(zero.grad())) {
    CHECK(dx == doctest::Approx(1e3).epsilon(1e-6));  // weight / sqrt(eps)
  }
}

TEST_CASE("RMSNorm names both shapes") {
  CHECK_THROWS_WITH(
      RMSNorm(5)(ones({2, 4})),
      "RMSNorm: Given normalized_shape=[5], expected input with shape [*, 5], but got input of size [2, 4]");
  CHECK_THROWS_WITH(RMSNorm(3, {.eps = -1}), Contains("RMSNorm: eps must be at least 0, got -1"));
  CHECK_THROWS_WITH(RMSNorm(Shape{}), Contains("RMSNorm: normalized_shape must have at least one size"));
}

}  // namespace
}  // namespace evenkeel::test
