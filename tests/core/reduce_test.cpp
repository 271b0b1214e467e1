#include "evenkeel/core/reduce.hpp"

#include "evenkeel/core/parallel.hpp"
#include "tests/support/isa_guard.hpp"
#include "tests/support/reference.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace evenkeel {
namespace {

using reference::Values;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// The elements of x that belong to each result, in row-major order of the results.
std::vector<Values> groups(const Array& x, const Dims& dims) {
  const Values values = x.to(DType::float64).to_vector<double>();
  std::map<std::vector<std::int64_t>, Values> by_index;  // sorted: row-major
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::vector<std::int64_t> index(static_cast<std::size_t>(x.rank()));
    std::int64_t rest = static_cast<std::int64_t>(i);
    for (int d = x.rank() - 1; d >= 0; --d) {
      index[static_cast<std::size_t>(d)] = rest % x.shape()[d];
      rest /= x.shape()[d];
    }
    for (const std::int64_t d : normalize_dims(dims, x.rank(), "test")) {
      index[static_cast<std::size_t>(d)] = 0;
    }
    by_index[index].push_back(values[i]);
  }
  std::vector<Values> result;
  for (const auto& entry : by_index) {
    result.push_back(entry.second);
  }
  return result;
}

double sum_of(const Values& v, const std::function<double(double)>& f) {
  double total = 0;
  for (const double x : v) {
    total += f(x);
  }
  return total;
}
double mean_of(const Values& v) {
  return sum_of(v, [](double x) { return x; }) / static_cast<double>(v.size());
}
double var_of(const Values& v, double correction) {
  const double m = mean_of(v);
  const double n = static_cast<double>(v.size());
  return n - correction > 0 ? sum_of(v, [m](double x) { return (x - m) * (x - m); }) / (n - correction) : kNaN;
}

struct Row {
  std::string name;
  std::function<Array(const Array&, const Dims&, bool)> reduce;
  std::function<double(const Values&)> definition;
};

const std::vector<Row> kRows = {
    {"sum", [](const Array& x, const Dims& d, bool k) { return sum(x, d, k); },
     [](const Values& v) { return sum_of(v, [](double x) { return x; }); }},
    {"mean", [](const Array& x, const Dims& d, bool k) { return mean(x, d, k); }, mean_of},
    {"var", [](const Array& x, const Dims& d, bool k) { return var(x, d, 1, k); },
     [](const Values& v) { return var_of(v, 1); }},
    {"var 0", [](const Array& x, const Dims& d, bool k) { return var(x, d, 0, k); },
     [](const Values& v) { return var_of(v, 0); }},
    {"norm", [](const Array& x, const Dims& d, bool k) { return norm(x, 2, d, k); },
     [](const Values& v) { return std::sqrt(sum_of(v, [](double x) { return x * x; })); }},
    {"norm 1", [](const Array& x, const Dims& d, bool k) { return norm(x, 1, d, k); },
     [](const Values& v) { return sum_of(v, [](double x) { return std::abs(x); }); }},
    {"norm 3.5", [](const Array& x, const Dims& d, bool k) { return norm(x, 3.5, d, k); },
     [](const Values& v) { return std::pow(sum_of(v, [](double x) { return std::pow(std::abs(x), 3.5); }), 1 / 3.5); }},
    {"norm inf", [](const Array& x, const Dims& d, bool k) { return norm(x, kInf, d, k); },
     [](const Values& v) {
       double most = 0;
       for (const double x : v) most = std::max(most, std::abs(x));
       return most;
     }},
    {"prod", [](const Array& x, const Dims& d, bool k) { return prod(x, d, k); },
     [](const Values& v) {
       double product = 1;
       for (const double x : v) product *= x;
       return product;
     }},
    {"amax", [](const Array& x, const Dims& d, bool k) { return amax(x, d, k); },
     [](const Values& v) { return *std::max_element(v.begin(), v.end()); }},
    {"amin", [](const Array& x, const Dims& d, bool k) { return amin(x, d, k); },
     [](const Values& v) { return *std::min_element(v.begin(), v.end()); }},
};

Array random(const Shape& shape, DType dtype, unsigned seed = 1) {
  return Array::from<double>(reference::random_values(numel(shape), seed), shape).to(dtype);
}

void check(const Row& row, const Array& x, const Dims& dims) {
  CAPTURE(row.name);
  CAPTURE(x.shape());
  CAPTURE(dims);
  CAPTURE(x.dtype());
  Values expected;
  for (const Values& group : groups(x, dims)) {
    expected.push_back(row.definition(group));
  }
  const Dims normal = normalize_dims(dims, x.rank(), "test");
  const Array y = row.reduce(x, dims, false);
  CHECK(y.dtype() == x.dtype());
  CHECK(y.shape() == reduced_shape(x.shape(), normal, false));
  CHECK(row.reduce(x, dims, true).shape() == reduced_shape(x.shape(), normal, true));
  CHECK(reference::worst_error(y.to(DType::float64).to_vector<double>(), expected) <
        (x.dtype() == DType::float32 ? 3e-7 : 1e-14));
}

TEST_CASE("every reduction over every set of dims") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    for (const DType dtype : {DType::float32, DType::float64}) {
      const Array x = random({3, 4, 1, 5}, dtype);
      for (const Row& row : kRows) {
        for (const Dims& dims : {Dims{}, Dims{0}, Dims{1}, Dims{2}, Dims{3}, Dims{-1, 0}, Dims{0, 2}, Dims{1, 3},
                                 Dims{0, 2, 3}, Dims{1, 2}, Dims{0, 1, 2, 3}}) {
          check(row, x, dims);
        }
        check(row, x.transpose(1, 3), Dims{1});
        check(row, x.slice(3, 1, 5, 2), Dims{0, 3});
        check(row, random({1}, dtype).expand({6, 1}), Dims{0});
        check(row, random({}, dtype), Dims{});
      }
    }
  }
}

TEST_CASE("rows and columns of every length around the register sizes") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    for (const std::int64_t n : {1, 2, 3, 5, 7, 8, 9, 13, 16, 17, 31, 32, 33, 65}) {
      for (const DType dtype : {DType::float32, DType::float64}) {
        for (const Row& row : {kRows[0], kRows[2], kRows[8]}) {
          check(row, random({9, n}, dtype), {1});
          check(row, random({n, 9}, dtype), {0});
          check(row, random({n, 70}, dtype), {0});
          check(row, random({137, n}, dtype), {0});  // few columns, folded
          check(row, random({5, n, 3}, dtype), {0, 2});
          check(row, random({2, 131, n}, dtype).slice(1, 1, 131), {1});
        }
      }
    }
  }
}

TEST_CASE("large blocks are cut into units") {
  for (const Row& row : {kRows[0], kRows[2], kRows[9]}) {
    check(row, random({70001}, DType::float32), {});
    check(row, random({3, 40001}, DType::float32), {1});
    check(row, random({5001, 11}, DType::float32), {0});
    check(row, random({50, 1500}, DType::float32), {0});
    check(row, random({4, 3, 13001}, DType::float32), {0, 2});
    check(row, random({2, 300, 130}, DType::float64), {1});
  }
}

TEST_CASE("results do not depend on the thread count") {
  const Array x = random({6, 5, 137, 41}, DType::float32);
  for (const Row& row : kRows) {
    CAPTURE(row.name);
    for (const Dims& dims : {Dims{}, Dims{0, 2, 3}, Dims{0}, Dims{3}}) {
      std::vector<std::vector<float>> results;
      for (const int threads : {1, 2, 5}) {
        const ThreadsGuard guard(threads);
        results.push_back(row.reduce(x, dims, false).to_vector<float>());
      }
      CHECK(results[0] == results[1]);
      CHECK(results[0] == results[2]);
    }
  }
}

TEST_CASE("the error of a sum does not grow with its length, on any axis") {
  constexpr std::int64_t kCount = 20'000'000;
  const Array x = Array::full({kCount}, static_cast<double>(0.1f));
  const double exact = static_cast<double>(0.1f) * kCount;
  CHECK(std::abs(sum(x).item() / exact - 1) < 1e-7);
  CHECK(std::abs(mean(x.reshape({kCount / 4, 4}), {0}).to_vector<float>()[2] / 0.1f - 1) < 1e-7);
  CHECK(std::abs(sum(x.reshape({2, kCount / 2}), {1}).to_vector<float>()[1] / (exact / 2) - 1) < 1e-7);
  CHECK(std::abs(norm(x).item() / std::sqrt(exact * static_cast<double>(0.1f)) - 1) < 1e-7);
}

TEST_CASE("the variance of 1e4 + N(0, 1) in float32") {
  std::mt19937 engine(7);
  std::normal_distribution<double> normal;
  std::vector<float> values(1'000'000);
  double total = 0;
  for (float& v : values) {
    v = static_cast<float>(1e4 + normal(engine));
    total += static_cast<double>(v) - 1e4;
  }
  const double m = 1e4 + total / 1e6;
  double squares = 0;
  for (const float v : values) {
    squares += (static_cast<double>(v) - m) * (static_cast<double>(v) - m);
  }
  const Array x = Array::from<float>(values, {1'000'000});
  CHECK(std::abs(var(x).item() - squares / 999'999) < 1e-6);
  CHECK(std::abs(var(x).item() - 1) < 5e-3);
  CHECK(std::abs(var(x.reshape({1000, 10, 100}), {0, 2}).to_vector<float>()[3] - 1) < 0.03);
  // Constant: exactly 0, also where the mean is rounded.
  CHECK(var(Array::full({1'000'003}, 0.1, DType::float64)).item() < 1e-36);
  CHECK(var(Array::full({1003}, 3e5)).item() == 0);
}

TEST_CASE("squares are summed in double") {
  CHECK(norm(Array::full({4}, 1e20)).item() == doctest::Approx(2e20));
  CHECK(norm(Array::full({4}, 1e-25)).item() == doctest::Approx(2e-25));
}

TEST_CASE("empty sets") {
  const Array none = Array::zeros({0});
  CHECK(sum(none).item() == 0);
  CHECK(std::isnan(mean(none).item()));
  CHECK(std::isnan(var(none).item()));
  CHECK(norm(none).item() == 0);
  CHECK(norm(none, kInf).item() == 0);
  CHECK_THROWS_WITH(amax(none), doctest::Contains("amax: there must be an element to reduce over, got shape [0]"));
  CHECK_THROWS_WITH(argmin(Array::zeros({2, 0}), 1), doctest::Contains("got shape [2, 0] and dim 1"));
  CHECK(sum(Array::zeros({3, 0, 2}), {1}).to_vector<float>() == std::vector<float>(6, 0.f));
  CHECK(sum(Array::zeros({3, 0, 2}), {0}).shape() == Shape{0, 2});
  CHECK(amax(Array::zeros({3, 0, 2}), {0}).shape() == Shape{0, 2});
  CHECK(argmax(Array::zeros({3, 0, 2}), 0).shape() == Shape{0, 2});
  CHECK(std::isnan(var(Array::ones({1})).item()));
  CHECK(var(Array::ones({1}), {}, 0).item() == 0);
  CHECK(std::isnan(var(Array::arange(0, 3), {}, 3).item()));
}

TEST_CASE("integers and bools are summed exactly into int64") {
  constexpr std::int64_t kBig = 9007199254740993;  // 2^53 + 1
  const Array x = Array::from<std::int64_t>(std::vector<std::int64_t>{kBig, 2, -1, 7, 5, 3}, {2, 3});
  CHECK(sum(x).item_int64() == kBig + 16);
  CHECK(sum(x, {0}).to_vector<std::int64_t>() == std::vector<std::int64_t>{kBig + 7, 7, 2});
  CHECK(amax(x, {1}).to_vector<std::int64_t>() == std::vector<std::int64_t>{kBig, 7});
  CHECK(amin(x).item_int64() == -1);
  const Array bytes = Array::full({300}, 255, DType::uint8);
  CHECK(sum(bytes).item_int64() == 76500);
  CHECK(sum(bytes).dtype() == DType::int64);
  CHECK(sum(bytes.to(DType::boolean), {0}, true).to_vector<std::int64_t>() == std::vector<std::int64_t>{300});
  CHECK(amax(bytes).dtype() == DType::uint8);
  CHECK(amin(bytes.to(DType::boolean)).item() == 1);
  CHECK_THROWS_WITH(mean(x), doctest::Contains("mean: dtype must be float32 or float64, got int64"));
}

TEST_CASE("products of integers wrap around; a float32 product does not overflow on its way") {
  const Array x = Array::from<std::int64_t>(std::vector<std::int64_t>{3, -2, 5, 1LL << 62, 2, 2}, {2, 3});
  CHECK(prod(x, {1}).to_vector<std::int64_t>() == std::vector<std::int64_t>{-30, 0});
  CHECK(prod(x.to(DType::boolean)).item_int64() == 1);
  CHECK(prod(Array::zeros({0})).item() == 1);
  CHECK(prod(Array::from(std::vector<float>{1e30F, 1e30F, 1e-30F, 2e-30F}, {4})).item() == doctest::Approx(2));
}

TEST_CASE("any and all") {
  const Array x = Array::from(std::vector<double>{0, 2, -0.0, 0, kNaN, 1}, {2, 3});
  CHECK(any(x, {0}).to_vector<bool>() == std::vector<bool>{false, true, true});
  CHECK(all(x, {0}).to_vector<bool>() == std::vector<bool>{false, true, false});
  CHECK(any(x, {1}, true).shape() == Shape{2, 1});
  CHECK_FALSE(all(x).to_vector<bool>()[0]);
  CHECK_FALSE(any(Array::zeros({0})).to_vector<bool>()[0]);
  CHECK(all(Array::zeros({2, 0}), {1}).to_vector<bool>() == std::vector<bool>{true, true});
  CHECK(any(x.to(DType::int64).transpose(0, 1), {0}).to_vector<bool>() == std::vector<bool>{true, true});
}

TEST_CASE("NaN wins") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    for (std::int64_t place = 0; place < 41; place += 5) {
      Array x = random({41}, DType::float32);
      x.slice(0, place, place + 1).fill_(kNaN);
      CHECK(std::isnan(amax(x).item()));
      CHECK(std::isnan(amin(x).item()));
      CHECK(std::isnan(norm(x, kInf).item()));
      CHECK(std::isnan(amax(x.reshape({41, 1}).expand({41, 3}), {0}).to_vector<float>()[1]));
      CHECK(argmax(x, 0).item_int64() == place);
      CHECK(argmin(x, 0).item_int64() == place);
    }
  }
  CHECK(amax(Array::full({3}, -kInf)).item() == -kInf);
  CHECK(amin(Array::full({3}, kInf)).item() == kInf);
}

TEST_CASE("argmax and argmin give the first") {
  const Array x = Array::from<float>(std::vector<float>{1, 5, 5, -2, 0, -2, 5, 5, 9, 9, 9, 9}, {2, 3, 2});
  using Ints = std::vector<std::int64_t>;
  CHECK(argmax(x, 1).to_vector<std::int64_t>() == Ints{1, 0, 1, 1});
  CHECK(argmin(x, 1).to_vector<std::int64_t>() == Ints{2, 1, 0, 0});
  CHECK(argmax(x, 0).to_vector<std::int64_t>() == Ints{1, 0, 1, 1, 1, 1});
  CHECK(argmax(x, -1, true).shape() == Shape{2, 3, 1});
  CHECK(argmax(x.transpose(0, 2), 2).to_vector<std::int64_t>() == Ints{1, 1, 1, 0, 1, 1});
  CHECK(argmax(Array::scalar(3.0), 0).shape() == Shape{});
  CHECK(argmin(x.to(DType::uint8), 2).to_vector<std::int64_t>().size() == 6);
  CHECK_THROWS_AS(argmax(x, 3), IndexError);
}

TEST_CASE("sum_to is the adjoint of broadcasting") {
  const Array x = random({4, 3, 5, 7}, DType::float64);
  const auto expected = [&](const Dims& dims) {
    Values sums;
    for (const Values& group : groups(x, dims)) {
      sums.push_back(sum_of(group, [](double v) { return v; }));
    }
    return sums;
  };
  const struct {
    Shape shape;
    Dims dims;
  } cases[] = {{{3, 1, 1}, {0, 2, 3}}, {{1, 3, 1, 1}, {0, 2, 3}}, {{7}, {0, 1, 2}},       {{4, 1, 5, 1}, {1, 3}},
               {{}, {0, 1, 2, 3}},     {{5, 7}, {0, 1}},          {{1, 1}, {0, 1, 2, 3}}, {{4, 3, 5, 1}, {3}}};
  for (const auto& c : cases) {
    CAPTURE(c.shape);
    const Array y = sum_to(x, c.shape);
    CHECK(y.shape() == c.shape);
    CHECK(reference::worst_error(y.to_vector<double>(), expected(c.dims)) < 1e-14);
  }
  CHECK(sum_to(x, x.shape()).shares_storage(x));
  CHECK(sum_to(Array::ones({1, 1, 3}), {3}).to_vector<float>() == std::vector<float>{1, 1, 1});
  CHECK(sum_to(Array::zeros({0, 3}), {1, 3}).to_vector<float>() == std::vector<float>{0, 0, 0});
  CHECK(sum_to(Array::zeros({0, 3}), {3}).to_vector<float>() == std::vector<float>{0, 0, 0});
  CHECK_THROWS_WITH(sum_to(x, {2, 1, 1}), doctest::Contains("sum_to: shape [2, 1, 1] does not broadcast to"));
  CHECK_THROWS_WITH(sum_to(Array::zeros({3}), {1, 3}), doctest::Contains("shape [1, 3] does not broadcast to [3]"));
}

TEST_CASE("errors") {
  const Array x = Array::zeros({2, 3});
  CHECK_THROWS_AS(sum(x, {2}), IndexError);
  CHECK_THROWS_AS(sum(x, {0, -2}), std::invalid_argument);
  CHECK_THROWS_WITH(norm(x, 0), doctest::Contains("norm: p must be positive, got 0"));
}

}  // namespace
}  // namespace evenkeel
