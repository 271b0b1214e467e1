#include "evenkeel/core/softmax.hpp"

#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/reduce.hpp"
#include "tests/support/isa_guard.hpp"
#include "tests/support/reference.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace evenkeel {
namespace {

using reference::Values;

constexpr double kInf = std::numeric_limits<double>::infinity();

/// Rows along the last dim, from the definitions.
struct Expected {
  Values softmax, log_softmax, softmax_dx, log_softmax_dx;
};

Expected expected(const Values& x, const Values& dy, std::int64_t n) {
  Expected e;
  for (std::size_t first = 0; first < x.size(); first += static_cast<std::size_t>(n)) {
    const std::size_t last = first + static_cast<std::size_t>(n);
    double total = 0;
    double dot = 0;
    double sum = 0;
    for (std::size_t i = first; i < last; ++i) {
      total += std::exp(x[i]);
    }
    for (std::size_t i = first; i < last; ++i) {
      dot += dy[i] * std::exp(x[i]) / total;
      sum += dy[i];
    }
    for (std::size_t i = first; i < last; ++i) {
      const double y = std::exp(x[i]) / total;
      e.softmax.push_back(y);
      e.log_softmax.push_back(x[i] - std::log(total));
      e.softmax_dx.push_back(y * (dy[i] - dot));
      e.log_softmax_dx.push_back(dy[i] - y * sum);
    }
  }
  return e;
}

Values doubles(const Array& x) { return x.to(DType::float64).to_vector<double>(); }

void check_rows(std::int64_t n, DType dtype) {
  CAPTURE(n);
  CAPTURE(dtype);
  const double tolerance = dtype == DType::float32 ? 1e-6 : 1e-14;
  Values values = reference::random_values(3 * n, 5);
  for (double& v : values) {
    v *= 4;
  }
  const Values upstream = reference::random_values(3 * n, 6);
  const Expected e = expected(values, upstream, n);
  const Array x = Array::from<double>(values, {3, n}).to(dtype);
  const Array dy = Array::from<double>(upstream, {3, n}).to(dtype);
  const Array y = softmax(x, -1);
  const Array log_y = log_softmax(x, 1);
  CHECK(y.dtype() == dtype);
  CHECK(reference::worst_error(doubles(y), e.softmax) < tolerance);
  CHECK(reference::worst_error(doubles(log_y), e.log_softmax) < tolerance);
  CHECK(reference::worst_error(doubles(softmax_gradient(dy, y, 1)), e.softmax_dx) < tolerance);
  CHECK(reference::worst_error(doubles(log_softmax_gradient(dy, log_y, 1)), e.log_softmax_dx) < tolerance * 4);
  // The same rows as columns.
  const Array turned = softmax(x.transpose(0, 1), 0);
  CHECK(turned.shape() == Shape{n, 3});
  CHECK(doubles(turned.transpose(0, 1)) == doubles(y));
  CHECK(doubles(log_softmax_gradient(dy.transpose(0, 1), log_y.transpose(0, 1), 0).transpose(0, 1)) ==
        doubles(log_softmax_gradient(dy, log_y, 1)));
}

TEST_CASE("softmax and its gradients against the definitions") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    for (const DType dtype : {DType::float32, DType::float64}) {
      for (std::int64_t n = 1; n <= 33; ++n) {
        check_rows(n, dtype);
      }
      check_rows(1000, dtype);
    }
  }
}

/// Along dim 1 of a contiguous (2, n, inner), against the same lines as rows.
void check_columns(std::int64_t n, std::int64_t inner, DType dtype) {
  CAPTURE(n);
  CAPTURE(inner);
  CAPTURE(dtype);
  const double tolerance = dtype == DType::float32 ? 1e-6 : 1e-14;
  const Shape shape{2, n, inner};
  const Array x = Array::from<double>(reference::random_values(2 * n * inner, 7), shape).to(dtype);
  const Array dy = Array::from<double>(reference::random_values(2 * n * inner, 8), shape).to(dtype);
  const auto rows = [](const Array& a) { return a.transpose(1, 2).contiguous(); };
  const auto check = [&](const Array& actual, const Array& expected) {
    REQUIRE(actual.shape() == shape);
    CHECK(reference::worst_error(doubles(rows(actual)), doubles(expected)) < tolerance);
  };
  const Array y = softmax(x, 1), log_y = log_softmax(x, 1);
  check(y, softmax(rows(x), 2));
  check(log_y, log_softmax(rows(x), 2));
  check(softmax_gradient(dy, y, 1), softmax_gradient(rows(dy), rows(y), 2));
  check(log_softmax_gradient(dy, log_y, 1), log_softmax_gradient(rows(dy), rows(log_y), 2));
  const SoftmaxStatistics statistics = softmax_statistics(x, 1);
  REQUIRE(statistics.total.numel() == 2 * inner);
  const Values largest = doubles(statistics.largest), total = doubles(statistics.total);
  Values scale(total.size()), shift(total.size());
  for (std::size_t i = 0; i < total.size(); ++i) {
    scale[i] = 3 / total[i];
    shift[i] = 0.25 * static_cast<double>(i);
  }
  const auto number = [&](const Values& values) { return Array::from<double>(values, {2 * inner}).to(dtype); };
  Values expected = doubles(softmax(rows(x), 2));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    expected[i] = 3 * expected[i] - shift[i / static_cast<std::size_t>(n)];
  }
  const Array scaled = scaled_exponentials(x, 1, statistics.largest, number(scale), number(shift));
  CHECK(reference::worst_error(doubles(rows(scaled)), expected) < 4 * tolerance);
  const Array again = scaled_exponentials(rows(x), 2, statistics.largest, number(scale), number(shift));
  CHECK(reference::worst_error(doubles(again), expected) < 4 * tolerance);
}

TEST_CASE("columns equal rows") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    for (const DType dtype : {DType::float32, DType::float64}) {
      for (const std::int64_t inner : {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 79, 130}) {
        check_columns(inner % 7 + 1, inner, dtype);
      }
      check_columns(300, 67, dtype);
    }
  }
}

TEST_CASE("a NaN or an infinity stays in its column") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    for (const std::int64_t special_row : {0, 2, 4}) {
      Array x = Array::zeros({5, 90});
      x.slice(0, special_row, special_row + 1).slice(1, 3, 4).fill_(std::nan(""));
      x.slice(0, special_row, special_row + 1).slice(1, 70, 71).fill_(-kInf);
      x.slice(1, 80, 81).fill_(-kInf);
      const std::vector<float> y = softmax(x, 0).to_vector<float>();
      const std::size_t other = special_row == 0 ? 90 : 0, special = static_cast<std::size_t>(special_row) * 90;
      CHECK(std::isnan(y[other + 3]));
      CHECK(std::isnan(y[special + 3]));
      CHECK(y[special + 70] == 0);
      CHECK(y[other + 70] == 0.25f);
      CHECK(std::isnan(y[other + 80]));
      CHECK(y[other + 4] == 0.2f);
      CHECK(std::isnan(log_softmax(x, 0).to_vector<float>()[other + 3]));
    }
  }
}

TEST_CASE("extreme logits") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    const Array x = Array::from<float>(std::vector<float>{1e30f, -1e30f, 0, 1e4f, -1e4f, 1e4f}, {2, 3});
    CHECK(softmax(x, 1).to_vector<float>() == std::vector<float>{1, 0, 0, 0.5f, 0, 0.5f});
    const std::vector<float> y = log_softmax(x, 1).to_vector<float>();
    CHECK(y[0] == 0);
    CHECK(y[1] == doctest::Approx(-2e30));
    CHECK(y[4] == doctest::Approx(-20000.693));
    const Array masked = Array::from<double>(std::vector<double>{-kInf, 0, 0}, {3});
    CHECK(softmax(masked, 0).to_vector<double>() == Values{0, 0.5, 0.5});
    CHECK(log_softmax(masked, 0).to_vector<double>()[0] == -kInf);
    CHECK(softmax_gradient(Array::arange(0, 3, 1, DType::float64), softmax(masked, 0), 0).to_vector<double>() ==
          Values{0, -0.25, 0.25});
    CHECK(log_softmax_gradient(Array::ones({3}, DType::float64), log_softmax(masked, 0), 0).to_vector<double>()[0] ==
          1);
    CHECK(std::isnan(softmax(Array::full({5}, -kInf), 0).to_vector<float>()[4]));
    Array with_nan = Array::zeros({21});
    with_nan.slice(0, 20, 21).fill_(std::nan(""));
    CHECK(std::isnan(softmax(with_nan, 0).to_vector<float>()[0]));
  }
}

TEST_CASE("rank, empty arrays, threads, errors") {
  CHECK(softmax(Array::scalar(3.0), 0).item() == 1);
  CHECK(log_softmax(Array::scalar(3.0), -1).shape() == Shape{});
  CHECK(softmax(Array::zeros({0, 4}), 1).shape() == Shape{0, 4});
  CHECK(softmax(Array::zeros({4, 0}), 1).shape() == Shape{4, 0});
  const Array x = Array::from<double>(reference::random_values(300000, 3), {1000, 3, 100}).to(DType::float32);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 5}) {
    const ThreadsGuard guard(threads);
    results.push_back(log_softmax(x, 1).to_vector<float>());
  }
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
  CHECK_THROWS_AS(softmax(x, 3), IndexError);
  CHECK_THROWS_WITH(softmax(Array::zeros({2}, DType::int64), 0),
                    doctest::Contains("softmax: dtype must be float32 or float64, got int64"));
  CHECK_THROWS_WITH(softmax_gradient(Array::zeros({2}), Array::zeros({3}), 0),
                    doctest::Contains("softmax: the gradient is float32 [2], the value float32 [3]"));
}

}  // namespace
}  // namespace evenkeel
