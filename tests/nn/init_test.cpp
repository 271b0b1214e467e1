#include "evenkeel/nn/init.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Approx;
using doctest::Contains;

namespace {

struct SampleMoments {
  double mean = 0, std = 0, min = 0, max = 0;
};

SampleMoments moments(const Tensor& tensor) {
  const std::vector<double> values = tensor.array().to(DType::float64).to_vector<double>();
  const auto [min, max] = std::minmax_element(values.begin(), values.end());
  double sum = 0;
  double squares = 0;
  for (const double value : values) {
    sum += value;
    squares += value * value;
  }
  const auto n = static_cast<double>(values.size());
  return {sum / n, std::sqrt(squares / n - sum * sum / n / n), *min, *max};
}

Tensor weight() { return zeros({100, 40, 5, 2}); }  // fan_in = 400, fan_out = 1000

}  // namespace

TEST_CASE("fans and gains") {
  const init::Fans conv = init::fan_in_and_fan_out({6, 4, 3, 5});
  CHECK(conv.in == 60);
  CHECK(conv.out == 90);
  CHECK(init::fan_in_and_fan_out({7, 2}).in == 2);
  CHECK_THROWS_WITH(init::fan_in_and_fan_out({3}), Contains("the tensor must have at least 2 dims, got shape"));
  using init::Nonlinearity;
  CHECK(init::calculate_gain(Nonlinearity::linear) == 1);
  CHECK(init::calculate_gain(Nonlinearity::sigmoid) == 1);
  CHECK(init::calculate_gain(Nonlinearity::tanh) == Approx(5.0 / 3));
  CHECK(init::calculate_gain(Nonlinearity::relu) == Approx(1.41421356));
  CHECK(init::calculate_gain(Nonlinearity::leaky_relu) == Approx(1.41414286));
  CHECK(init::calculate_gain(Nonlinearity::leaky_relu, 1) == Approx(1));
  CHECK(init::calculate_gain(Nonlinearity::selu) == 0.75);
}

TEST_CASE("uniform initializations fill their range evenly") {
  Generator g(21);
  Tensor w = weight();
  // bound, for a uniform distribution std = bound / sqrt(3)
  const auto check = [&](double bound) {
    const SampleMoments m = moments(w);
    CHECK(m.min >= -bound);
    CHECK(m.max < bound);
    CHECK(m.min < -0.999 * bound);
    CHECK(m.max > 0.999 * bound);
    CHECK(std::abs(m.mean) < 0.02 * bound);
    CHECK(m.std == Approx(bound / std::sqrt(3)).epsilon(0.01));
  };
  init::uniform_(w, g, -0.3, 0.3);
  check(0.3);
  init::kaiming_uniform_(w, g, {.a = std::sqrt(5.0)});
  check(1.0 / 20);  // sqrt(2 / 6) sqrt(3 / 400)
  init::kaiming_uniform_(w, g);
  check(std::sqrt(6.0 / 400));
  init::kaiming_uniform_(w, g, {.mode = init::FanMode::fan_out, .nonlinearity = init::Nonlinearity::relu});
  check(std::sqrt(6.0 / 1000));
  init::xavier_uniform_(w, g, 2);
  check(2 * std::sqrt(6.0 / 1400));
}

TEST_CASE("normal initializations have their mean and standard deviation") {
  Generator g(22);
  Tensor w = weight();
  const auto check = [&](double mean, double std) {
    const SampleMoments m = moments(w);
    CHECK(std::abs(m.mean - mean) < 0.02 * std);
    CHECK(m.std == Approx(std).epsilon(0.015));
    CHECK(m.max > mean + 3.5 * std);  // a normal distribution, not a uniform one
  };
  init::normal_(w, g, 3, 0.5);
  check(3, 0.5);
  init::kaiming_normal_(w, g);
  check(0, std::sqrt(2.0 / 400));
  init::kaiming_normal_(w, g, {.mode = init::FanMode::fan_out, .nonlinearity = init::Nonlinearity::linear});
  check(0, std::sqrt(1.0 / 1000));
  init::xavier_normal_(w, g);
  check(0, std::sqrt(2.0 / 1400));
}

TEST_CASE("trunc_normal_ stays inside and has the truncated distribution's moments") {
  Generator g(23);
  Tensor w = zeros({40000}, {.dtype = DType::float64});
  init::trunc_normal_(w, g);
  SampleMoments m = moments(w);
  CHECK(m.min >= -2);
  CHECK(m.max <= 2);
  // Var = 1 - 4 phi(2) / (Phi(2) - Phi(-2)) = 1 - 4 * 0.0539910 / 0.9544997
  CHECK(m.std == Approx(std::sqrt(0.7737413)).epsilon(0.01));
  CHECK(std::abs(m.mean) < 0.02);
  init::trunc_normal_(w, g, 1, 2, 1, 9);
  m = moments(w);
  CHECK(m.min >= 1);
  // Mean of a half normal cut at 4 std: 1 + 2 (phi(0) - phi(4)) / (Phi(4) - 1/2)
  CHECK(m.mean == Approx(1 + 2 * (0.3989423 - 0.0001338) / 0.4999683).epsilon(0.01));
  CHECK_THROWS_WITH(init::trunc_normal_(w, g, 0, 1, 2, -2), Contains("std must be positive and low below high, got"));
}

TEST_CASE("constants, in any dtype, through every handle") {
  Tensor w = zeros({2, 3}, {.dtype = DType::float64, .requires_grad = true});
  const Tensor other = w;
  init::constant_(w, 0.25);
  CHECK(other.to_vector<double>() == std::vector<double>(6, 0.25));
  CHECK(init::ones_(w).to_vector<double>() == std::vector<double>(6, 1));
  CHECK(init::zeros_(w).to_vector<double>() == std::vector<double>(6, 0));
  CHECK(w.requires_grad());
  CHECK(w.is_leaf());
}

TEST_CASE("orthogonal_ makes orthonormal rows or columns, times gain") {
  for (const Shape& shape : {Shape{5, 12}, Shape{12, 5}, Shape{4, 2, 3, 1}, Shape{7, 7}, Shape{1, 3}}) {
    CAPTURE(concat(shape));
    Generator g(24);
    Tensor w = zeros(shape, {.dtype = DType::float64});
    init::orthogonal_(w, g, 3);
    const std::int64_t rows = shape[0];
    const std::int64_t columns = w.numel() / rows;
    const auto v = w.to_vector<double>();
    const bool wide = rows <= columns;
    const std::int64_t count = wide ? rows : columns;
    const std::int64_t length = wide ? columns : rows;
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t j = 0; j < count; ++j) {
        double product = 0;
        for (std::int64_t k = 0; k < length; ++k) {
          const auto at = [&](std::int64_t n) {
            return v[static_cast<std::size_t>(wide ? n * columns + k : k * columns + n)];
          };
          product += at(i) * at(j);
        }
        CHECK(product == Approx(i == j ? 9 : 0).epsilon(1e-12));
      }
    }
  }
  Generator g(1);
  Tensor flat = zeros({3});
  CHECK_THROWS_WITH(init::orthogonal_(flat, g), Contains("the tensor must have at least 2 dims, got shape"));
}

TEST_CASE("an initialization depends on the generator alone, and moves it on") {
  Generator a(7);
  Generator b(7);
  Tensor first = zeros({3, 4});
  Tensor second = zeros({3, 4});
  init::kaiming_uniform_(first, a);
  init::kaiming_uniform_(second, b);
  CHECK(first.to_vector<float>() == second.to_vector<float>());
  init::kaiming_uniform_(second, b);
  CHECK(first.to_vector<float>() != second.to_vector<float>());
  Tensor none = zeros({0, 4});
  CHECK(init::kaiming_uniform_(none, a).numel() == 0);
  CHECK(init::orthogonal_(none, a).numel() == 0);
}
