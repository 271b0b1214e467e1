// Initializations by a pattern, and the tails of the truncated normal distribution.

#include "evenkeel/core/matmul.hpp"
#include "evenkeel/nn/init.hpp"
#include "tests/support/values.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Approx;
using Values = std::vector<double>;

TEST_CASE("eye_ is the identity as far as it goes") {
  Tensor wide = ones({2, 3}), tall = ones({3, 2}, {.dtype = DType::float64}), none = ones({0, 3});
  CHECK(test::doubles(init::eye_(wide)) == Values{1, 0, 0, 0, 1, 0});
  CHECK(test::doubles(init::eye_(tall)) == Values{1, 0, 0, 1, 0, 0});
  CHECK(init::eye_(none).numel() == 0);
  Tensor cube = ones({2, 2, 2});
  CHECK_THROWS_WITH_AS(init::eye_(cube), "eye_: Only tensors with 2 dimensions are supported, got shape [2, 2, 2]",
                       ShapeError);
}

TEST_CASE("dirac_ hands the channels of each group on") {
  // PyTorch: tensor[g * out + d, d, middle...] = 1 for the groups g and d < min(out per group, in).
  const auto check = [](const Shape& shape, std::int64_t groups) {
    CAPTURE(concat(shape, groups));
    Tensor w = full(shape, 7, {.dtype = DType::float64});
    init::dirac_(w, groups);
    const std::int64_t out = shape[0] / groups;
    Array expected = Array::zeros(shape, DType::float64);
    for (std::int64_t g = 0; g < groups && w.numel() > 0; ++g) {
      for (std::int64_t d = 0; d < std::min(out, shape[1]); ++d) {
        Array at = expected.select(0, g * out + d).select(0, d);
        for (int dim = 2; dim < shape.rank(); ++dim) {
          at = at.select(0, shape[dim] / 2);
        }
        at.fill_(1);
      }
    }
    CHECK(test::doubles(w) == test::doubles(expected));
  };
  check({3, 2, 5}, 1);
  check({2, 3, 4, 3}, 1);
  check({6, 2, 3, 2}, 3);
  check({4, 3, 1, 2, 3}, 2);
  check({4, 2, 0, 3}, 1);
  check({4, 0, 3}, 2);
  Tensor flat = ones({3, 2}), odd = ones({3, 2, 1});
  CHECK_THROWS_WITH_AS(init::dirac_(flat),
                       "dirac_: Only tensors with 3, 4, or 5 dimensions are supported, got shape [3, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(init::dirac_(odd, 2), "dirac_: dim 0 must be divisible by groups, got 3 and 2", ValueError);
  CHECK_THROWS_WITH_AS(init::dirac_(odd, 0), "dirac_: dim 0 must be divisible by groups, got 3 and 0", ValueError);
}

TEST_CASE("orthogonal_ of more rows than one block, wide and tall") {
  for (const Shape& shape : {Shape{70, 45}, Shape{40, 9, 10}, Shape{65, 65}}) {
    CAPTURE(concat(shape));
    Generator g(24);
    Tensor w = zeros(shape, {.dtype = DType::float64});
    Array m = init::orthogonal_(w, g).array().reshape({shape[0], -1});
    m = m.size(0) > m.size(1) ? m.transpose(0, 1) : m;
    Tensor identity = zeros({m.size(0), m.size(0)}, {.dtype = DType::float64});
    test::check_close(matmul(m, m.transpose(0, 1)), init::eye_(identity).array(), 1e-14, "product");
  }
}

TEST_CASE("sparse_ has its zeros in every column, at places of their own") {
  Generator g(4);
  Tensor w = ones({7, 50});
  init::sparse_(w, g, 0.3, 2);
  std::set<Values> patterns;
  double squares = 0;
  for (std::int64_t column = 0; column < 50; ++column) {
    Values values = test::doubles(w.array().select(1, column));
    CHECK(std::count(values.begin(), values.end(), 0) == 3);  // ceil(0.3 * 7)
    for (double& value : values) {
      squares += value * value;
      value = value == 0 ? 0 : 1;
    }
    patterns.insert(values);
  }
  CHECK(patterns.size() > 20);
  CHECK(std::sqrt(squares / 200) == Approx(2).epsilon(0.15));
  Tensor again = ones({7, 50});
  Generator same(4);
  CHECK(test::doubles(init::sparse_(again, same, 0.3, 2)) == test::doubles(w));
  Tensor cube = ones({2, 2, 2});
  CHECK_THROWS_WITH_AS(init::sparse_(cube, g, 0.5),
                       "sparse_: Only tensors with 2 dimensions are supported, got shape [2, 2, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(init::sparse_(w, g, 1.5), "sparse_: sparsity must lie in [0, 1], got 1.5", ValueError);
}

TEST_CASE("trunc_normal_ is right far from the mean, on both sides, and without an end") {
  const double inf = std::numeric_limits<double>::infinity();
  const auto mean_of = [](double mean, double std, double low, double high) {
    Generator g(25);
    Tensor w = zeros({20000}, {.dtype = DType::float64});
    const Values values = test::doubles(init::trunc_normal_(w, g, mean, std, low, high));
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    CHECK(*least >= low);
    CHECK(*most <= high);
    double sum = 0;
    for (const double value : values) {
      sum += value;
    }
    return sum / 20000;
  };
  // E[Z | Z > a] = phi(a) / Q(a), the inverse of Mills' ratio: 10.0980932 at 10, 30.0332598 at 30.
  CHECK(mean_of(0, 1, 10, inf) == Approx(10.0980932).epsilon(3e-4));
  CHECK(mean_of(0, 1, -inf, -10) == Approx(-10.0980932).epsilon(3e-4));
  CHECK(mean_of(0, 1, 30, 100) == Approx(30.0332598).epsilon(1e-4));
  CHECK(mean_of(3, 2, -inf, inf) == Approx(3).epsilon(0.02));
  CHECK(mean_of(5, 1, 5, 5 + 1e-12) == Approx(5).epsilon(1e-12));
  CHECK(mean_of(0, 1, -inf, 0.5) == Approx(-0.5091604).epsilon(0.02));  // -phi(0.5) / Phi(0.5)
  Generator g(1);
  Tensor w = zeros({3});
  CHECK_THROWS_WITH_AS(init::trunc_normal_(w, g, 0, 1, 40, 50), doctest::Contains("beyond 37 std from the mean"),
                       ValueError);
}
