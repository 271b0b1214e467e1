// Binary ops, comparisons, where and add_scaled_: broadcasting, strides, aliasing, dtypes, special values.

#include "evenkeel/core/elementwise.hpp"

#include "evenkeel/core/parallel.hpp"
#include "tests/support/isa_guard.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace evenkeel {
namespace {

using namespace kernels;  // the functors

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// The element of x at a multi-index of the broadcast shape, found by walking strides by hand.
template <class T>
T element(const Array& x, const Shape& shape, std::int64_t linear) {
  std::int64_t offset = 0;
  for (int d = shape.rank() - 1; d >= 0; --d) {
    const std::int64_t index = linear % shape[d];
    linear /= shape[d];
    const int own = d - (shape.rank() - x.rank());
    if (own >= 0 && x.shape()[own] != 1) {
      offset += index * x.strides()[own];
    }
  }
  return x.data<T>()[offset];
}

template <class T>
Array numbers(const Shape& shape, double start) {
  std::vector<T> values(static_cast<std::size_t>(numel(shape)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<T>(start + static_cast<double>(i * 7 % 23) - 11);
    values[i] = values[i] == T(0) ? T(5) : values[i];
  }
  return Array::from<T>(values, shape);
}

struct Op {
  std::string name;
  std::function<Array(const Array&, const Array&)> zip;
  std::function<void(Array&, const Array&)> zip_in_place;
  std::function<double(double, double)> definition;
};

template <class F>
Op op(std::function<double(double, double)> definition) {
  return {std::string(F::kName), [](const Array& a, const Array& b) { return zip<F>(a, b); },
          [](Array& a, const Array& b) { zip_<F>(a, b); }, std::move(definition)};
}

const std::vector<Op> kOps = {
    op<Add>([](double a, double b) { return a + b; }),
    op<Subtract>([](double a, double b) { return a - b; }),
    op<Multiply>([](double a, double b) { return a * b; }),
    op<Divide>([](double a, double b) { return a / b; }),
    op<Power>([](double a, double b) { return std::pow(a, b); }),
    op<Prelu>([](double a, double b) { return a > 0 ? a : a * b; }),
    op<AddRelu>([](double a, double b) { return std::max(a + b, 0.0); }),
    op<Maximum>([](double a, double b) { return a > b ? a : b; }),
    op<Minimum>([](double a, double b) { return a < b ? a : b; }),
};

template <class T>
T rounded(double value) {
  return std::is_integral_v<T> ? static_cast<T>(std::trunc(value)) : static_cast<T>(value);
}

template <class T>
void check_zip(const Op& o, const Array& a, const Array& b) {
  const Array y = o.zip(a, b);
  const Shape shape = broadcast_shapes(a.shape(), b.shape(), "test");
  CAPTURE(a.shape());
  CAPTURE(b.shape());
  REQUIRE(y.shape() == shape);
  CHECK(y.is_contiguous());
  CHECK(y.dtype() == a.dtype());
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const T expected = rounded<T>(
        o.definition(static_cast<double>(element<T>(a, shape, i)), static_cast<double>(element<T>(b, shape, i))));
    const T actual = y.data<T>()[i];
    // powf may round the last place differently than pow does.
    const bool close = o.name == "pow" && std::abs(static_cast<double>(actual - expected)) <=
                                              1.2e-7 * std::abs(static_cast<double>(expected));
    wrong += actual == expected || close || (actual != actual && expected != expected) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

struct ShapePair {
  Shape a, b;
};

const std::vector<ShapePair> kShapes = {
    {{}, {}},
    {{}, {3}},
    {{1}, {1}},
    {{5}, {5}},
    {{37}, {1}},
    {{1}, {37}},
    {{2, 3}, {3}},
    {{3}, {2, 3}},
    {{2, 1}, {1, 37}},
    {{4, 19}, {4, 1}},
    {{4, 19}, {1, 19}},
    {{4, 1}, {4, 19}},
    {{0, 3}, {1, 3}},
    {{2, 0}, {2, 1}},
    {{3, 1, 5}, {4, 1}},
    {{2, 3, 4, 5}, {3, 1, 1}},
    {{2, 3, 4, 5}, {1, 3, 1, 1}},
    {{2, 3, 4, 7}, {2, 1, 4, 1}},
    {{1, 1, 1}, {2, 3, 33}},
};

template <class T>
void check_shapes(const Op& o) {
  for (const ShapePair& shapes : kShapes) {
    check_zip<T>(o, numbers<T>(shapes.a, 0.25), numbers<T>(shapes.b, -1));
  }
  // Strided, expanded and offset operands.
  const Array base = numbers<T>({6, 40}, 0.5);
  const Array other = numbers<T>({40, 6}, 0);
  check_zip<T>(o, base, other.transpose(0, 1));
  check_zip<T>(o, other.transpose(0, 1), base.slice(0, 2, 3));
  check_zip<T>(o, base.slice(1, 1, 40, 3), numbers<T>({13}, 1));
  check_zip<T>(o, base.slice(1, 3, 36), base.slice(1, 1, 34));
  check_zip<T>(o, numbers<T>({1}, 2).expand({20}), numbers<T>({1}, 1).expand({20}));
}

TEST_CASE("binary ops over broadcast and strided operands") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    for (const Op& o : kOps) {
      CAPTURE(o.name);
      check_shapes<float>(o);
      check_shapes<double>(o);
    }
  }
  for (const Op& o : kOps) {
    CAPTURE(o.name);
    if (o.name != "pow") {
      check_shapes<std::int64_t>(o);
    }
  }
}

TEST_CASE("atan2 has the C library's special cases") {
  const std::vector<double> y{0., -0., 0, -0., 1, -1, kInf, -kInf, kInf, kNaN, 3, 1e-300, 2, -2};
  const std::vector<double> x{1, 1, -1, -1., 0, 0, kInf, kInf, -kInf, 1, kNaN, -1e300, -3, -3};
  const Array a = Array::from(y, {14}), b = Array::from(x, {14});
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    const std::vector<double> angles = zip<Atan2>(a, b).to_vector<double>();
    const std::vector<float> singles = zip<Atan2>(a.to(DType::float32), b.to(DType::float32)).to_vector<float>();
    for (std::size_t i = 0; i < angles.size(); ++i) {
      CAPTURE(i);
      const double expected = std::atan2(y[i], x[i]);
      CHECK((angles[i] == expected || (std::isnan(angles[i]) && std::isnan(expected))));
      CHECK(std::signbit(angles[i]) == std::signbit(expected));
      CHECK((singles[i] == doctest::Approx(expected).epsilon(1e-6) || std::isnan(expected)));
    }
  }
  CHECK_THROWS_WITH(zip<Atan2>(Array::ones({1}, DType::int64), Array::ones({1}, DType::int64)),
                    "atan2: dtype must be float32 or float64, got int64");
}

TEST_CASE("all lengths and offsets") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    const Array a = numbers<float>({40}, 0.5);
    const Array b = numbers<float>({41}, 3);
    for (std::int64_t n = 0; n <= 33; ++n) {
      check_zip<float>(kOps[3], a.slice(0, 1, n + 1), b.slice(0, 2, n + 2));
      check_zip<double>(kOps[3], a.to(DType::float64).slice(0, 1, n + 1), b.to(DType::float64).slice(0, 2, n + 2));
    }
  }
}

TEST_CASE("in place: values, aliases, strides") {
  for (const Op& o : kOps) {
    CAPTURE(o.name);
    Array a = numbers<double>({3, 20}, 0.25);
    const Array b = numbers<double>({20}, -1);
    const std::vector<double> expected = o.zip(a, b).to_vector<double>();
    o.zip_in_place(a, b);
    CHECK((o.name == "pow" || a.to_vector<double>() == expected));
  }
  Array x = numbers<float>({30}, 0);
  const std::vector<float> before = x.to_vector<float>();
  Array tail = x.slice(0, 1, 30);
  zip_<Add>(tail, x.slice(0, 0, 29));
  for (std::size_t i = 1; i < 30; ++i) {
    CHECK(x.to_vector<float>()[i] == before[i] + before[i - 1]);
  }
  Array y = numbers<float>({17}, 0);
  const float first = y.to_vector<float>()[0];
  const float last = y.to_vector<float>()[16];
  zip_<Add>(y, y.slice(0, 0, 1));
  CHECK(y.to_vector<float>()[16] == last + first);
  zip_<Subtract>(y, y);
  CHECK(y.to_vector<float>() == std::vector<float>(17, 0.f));
  Array matrix = numbers<float>({3, 5}, 0);
  const std::vector<float> m = matrix.to_vector<float>();
  Array column = matrix.select(1, 3);
  zip_<Multiply>(column, Array::full({3}, 2));
  CHECK(matrix.to_vector<float>()[8] == 2 * m[8]);
  CHECK(matrix.to_vector<float>()[9] == m[9]);
}

TEST_CASE("special values") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    const Array a = Array::from<double>(std::vector<double>{kNaN, 1, kInf, -kInf, kNaN, 2, -2, -8, 0}, {9});
    const Array b = Array::from<double>(std::vector<double>{1, kNaN, -kInf, kInf, kNaN, 0, 0.5, 3, -1}, {9});
    for (const DType dtype : {DType::float64, DType::float32}) {
      const std::vector<double> most = zip<Maximum>(a.to(dtype), b.to(dtype)).to(DType::float64).to_vector<double>();
      const std::vector<double> least = zip<Minimum>(a.to(dtype), b.to(dtype)).to(DType::float64).to_vector<double>();
      for (const std::size_t i : {0U, 1U, 4U}) {
        CHECK(std::isnan(most[i]));
        CHECK(std::isnan(least[i]));
      }
      CHECK(most[2] == kInf);
      CHECK(least[3] == -kInf);
      const std::vector<double> power = zip<Power>(a.to(dtype), b.to(dtype)).to(DType::float64).to_vector<double>();
      CHECK(power[1] == std::pow(1.0, kNaN));  // 1
      CHECK(power[5] == 1);
      CHECK(std::isnan(power[6]));
      CHECK(power[7] == -512);
      CHECK(power[8] == kInf);
      const std::vector<double> ratio = zip<Divide>(a.to(dtype), b.to(dtype)).to(DType::float64).to_vector<double>();
      CHECK(ratio[5] == kInf);
      CHECK(std::isnan(ratio[2]));
    }
  }
}

TEST_CASE("int64") {
  const auto from = [](std::vector<std::int64_t> v) {
    return Array::from<std::int64_t>(v, {static_cast<std::int64_t>(v.size())});
  };
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  using Ints = std::vector<std::int64_t>;
  CHECK(zip<Divide>(from({7, -7, kMin}), from({2, 2, -1})).to_vector<std::int64_t>() == Ints{3, -3, kMin});
  CHECK(zip<Power>(from({2, -1, 0, 3, -1, 1, -2}), from({10, -3, 0, -2, -2, -5, 3})).to_vector<std::int64_t>() ==
        Ints{1024, -1, 1, 0, 1, 1, -8});
  // Beyond 2^53: no detour through double.
  CHECK(zip<Add>(from({9007199254740993}), from({0})).to_vector<std::int64_t>() == Ints{9007199254740993});
  CHECK(compare<Equal>(from({9007199254740993}), from({9007199254740992})).to_vector<bool>() ==
        std::vector<bool>{false});
  CHECK_THROWS_WITH(zip<Divide>(from({1, 2}), from({3, 0})), doctest::Contains("div: integer division by zero"));
}

template <class F, class G>
void check_compare(const G& definition) {
  const Array a = Array::from<double>(std::vector<double>{1, 2, 2, kNaN, -0.0, kInf}, {6, 1});
  const Array b = Array::from<double>(std::vector<double>{2, 1, kNaN, 0}, {4});
  const Array y = compare<F>(a, b);
  REQUIRE(y.shape() == Shape{6, 4});
  REQUIRE(y.dtype() == DType::boolean);
  const std::vector<bool> narrow = compare<F>(a.to(DType::float32), b.to(DType::float32)).template to_vector<bool>();
  for (std::int64_t i = 0; i < 24; ++i) {
    const bool expected = definition(a.data<double>()[i / 4], b.data<double>()[i % 4]);
    CHECK(y.data<bool>()[i] == expected);
    CHECK(narrow[static_cast<std::size_t>(i)] == expected);
  }
}

TEST_CASE("comparisons") {
  check_compare<Equal>([](double a, double b) { return a == b; });
  check_compare<NotEqual>([](double a, double b) { return a != b; });
  check_compare<Less>([](double a, double b) { return a < b; });
  check_compare<LessEqual>([](double a, double b) { return a <= b; });
  check_compare<Greater>([](double a, double b) { return a > b; });
  check_compare<GreaterEqual>([](double a, double b) { return a >= b; });
  const Array bytes = Array::arange(0, 5, 1, DType::uint8);
  CHECK(compare<Less>(bytes, Array::full({}, 2, DType::uint8)).to_vector<bool>() ==
        std::vector<bool>{true, true, false, false, false});
  const Array flags = compare<Less>(bytes, bytes);
  CHECK(compare<Equal>(flags, flags).to_vector<bool>() == std::vector<bool>(5, true));
}

TEST_CASE("where selects over three broadcast shapes") {
  const Array condition = Array::from<double>(std::vector<double>{1, 0, 1}, {3, 1}).to(DType::boolean);
  const Array a = numbers<double>({2, 1, 4}, 0.5);
  const Array b = Array::full({}, kNaN, DType::float64);
  const Array y = where(condition, a, b);
  REQUIRE(y.shape() == Shape{2, 3, 4});
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const double value = y.data<double>()[i];
    if (i / 4 % 3 == 1) {
      CHECK(std::isnan(value));
    } else {
      CHECK(value == a.data<double>()[i / 12 * 4 + i % 4]);
    }
  }
  const Array labels = where(condition.squeeze(), Array::full({3}, 7, DType::int64), Array::full({1}, 9, DType::int64));
  CHECK(labels.to_vector<std::int64_t>() == std::vector<std::int64_t>{7, 9, 7});
  const Array square = numbers<float>({3, 3}, 1);
  CHECK(where(condition, square, square.transpose(0, 1)).to_vector<float>()[5] == square.to_vector<float>()[7]);
  CHECK(where(condition.slice(0, 0, 0), numbers<float>({1, 2}, 0), numbers<float>({1}, 0)).shape() == Shape{0, 2});
  CHECK_THROWS_WITH(where(a, a, a), doctest::Contains("where: the condition must be bool, got float64"));
  CHECK_THROWS_WITH(where(condition, a, labels),
                    doctest::Contains("operands must have one dtype, got float64 and int64"));
}

TEST_CASE("add_scaled_") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    for (std::int64_t n = 0; n <= 33; ++n) {
      Array base = numbers<float>({40}, 1);
      const std::vector<float> before = base.to_vector<float>();
      Array a = base.slice(0, 1, n + 1);
      const Array b = numbers<float>({40}, 3).slice(0, 2, n + 2);
      add_scaled_(a, b, -0.5);
      const std::vector<float> after = base.to_vector<float>();
      for (std::size_t i = 0; i < 40; ++i) {
        const bool inside = i >= 1 && i <= static_cast<std::size_t>(n);
        CHECK(after[i] == before[i] + (inside ? -0.5f * b.data<float>()[i - 1] : 0));
      }
    }
  }
  Array matrix = numbers<double>({3, 5}, 0);
  const std::vector<double> m = matrix.to_vector<double>();
  Array turned = matrix.transpose(0, 1);
  add_scaled_(turned, numbers<double>({5, 3}, 2), 2);
  CHECK(matrix.to_vector<double>()[1] == m[1] + 2 * numbers<double>({5, 3}, 2).to_vector<double>()[3]);
  Array doubled = numbers<double>({9}, 0);
  const std::vector<double> d = doubled.to_vector<double>();
  add_scaled_(doubled, doubled);
  CHECK(doubled.to_vector<double>()[8] == 2 * d[8]);
  Array counts = Array::full({2}, 5, DType::int64);
  add_scaled_(counts, counts, 3);
  CHECK(counts.to_vector<std::int64_t>()[1] == 20);
  CHECK_THROWS_WITH(add_scaled_(counts, counts, 0.5), doctest::Contains("the scale of int64 must be whole, got 0.5"));
  CHECK_THROWS_WITH(add_scaled_(matrix, doubled), doctest::Contains("shapes must be equal, got [3, 5] and [9]"));
}

TEST_CASE("all_finite") {
  for (const DType dtype : {DType::float32, DType::float64}) {
    Array x = Array::full({70001}, 1e30, dtype);
    CHECK(all_finite(x));
    for (const double bad : {kInf, -kInf, kNaN}) {
      x.slice(0, 70000, 70001).fill_(bad);
      CHECK_FALSE(all_finite(x));
      CHECK_FALSE(all_finite(x.slice(0, 0, 70001, 10)));
      CHECK(all_finite(x.slice(0, 0, 70000)));
    }
  }
  CHECK(all_finite(Array::full({3}, 1, DType::int64)));
  CHECK(all_finite(Array::zeros({0})));
}

TEST_CASE("results do not depend on the thread count") {
  const Array a = numbers<float>({5, 7, 101, 31}, 0.37);
  const Array b = numbers<float>({7, 1, 1}, 0.11);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 5}) {
    const ThreadsGuard guard(threads);
    Array y = zip<Divide>(a, b);
    add_scaled_(y, a, 0.3);
    results.push_back(map<Tanh>(y).to_vector<float>());
  }
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}

TEST_CASE("-x turns the sign of zero round, with every instruction set") {
  for (const Isa isa : supported_isas()) {
    CAPTURE(name(isa));
    const IsaGuard guard(isa);
    for (const DType dtype : {DType::float32, DType::float64}) {
      for (const double zero : {0.0, -0.0}) {
        for (const double y : map<Neg>(Array::full({37}, zero, dtype)).to_vector<double>()) {
          REQUIRE(std::signbit(y) != std::signbit(zero));
        }
      }
    }
  }
}

TEST_CASE("errors name the op, the shapes and the dtypes") {
  const Array a = Array::zeros({2, 3});
  Array small = Array::zeros({3});
  CHECK_THROWS_WITH(zip<Add>(a, Array::zeros({2, 4})), doctest::Contains("[2, 3]"));
  CHECK_THROWS_WITH(zip<Add>(a, Array::zeros({2, 4})), doctest::Contains("[2, 4]"));
  CHECK_THROWS_WITH(zip<Multiply>(a, Array::zeros({3}, DType::float64)),
                    doctest::Contains("mul: operands must have one dtype, got float32 and float64"));
  CHECK_THROWS_WITH(zip<Add>(Array::zeros({3}, DType::boolean), Array::zeros({3}, DType::boolean)),
                    doctest::Contains("add: dtype must be float32, float64 or int64, got bool"));
  CHECK_THROWS_WITH(zip_<Add>(small, a),
                    doctest::Contains("output with shape [3] doesn't match the broadcast shape [2, 3]"));
  Array stretched = Array::zeros({1}).expand({4});
  CHECK_THROWS_AS(zip_<Add>(stretched, Array::zeros({4})), std::invalid_argument);
}

}  // namespace
}  // namespace evenkeel
