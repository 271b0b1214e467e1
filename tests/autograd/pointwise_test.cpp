// Elementwise ops, reductions, scans, activations and similarities against PyTorch's values; what they give at NaN,
// infinities, ties and zeros; numbers in the place of tensors.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "tests/support/fixture.hpp"

#include <functional>
#include <limits>

namespace evenkeel::test {
namespace {

using Values = std::vector<double>;
using Inputs = std::vector<Tensor>;
using Function = std::function<Tensor(const Inputs&)>;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const std::vector<std::pair<std::string, Function>> kFunctions = {
    {"sin", [](const Inputs& x) { return sin(x[0]); }},
    {"cos", [](const Inputs& x) { return cos(x[0]); }},
    {"log1p", [](const Inputs& x) { return log1p(x[0]); }},
    {"expm1", [](const Inputs& x) { return expm1(x[0]); }},
    {"atan2", [](const Inputs& x) { return atan2(x[0], x[1]); }},
    {"lerp", [](const Inputs& x) { return lerp(x[0], x[1], 0.7); }},
    {"lerp_weights", [](const Inputs& x) { return lerp(x[0], x[1], x[2]); }},
    {"prod", [](const Inputs& x) { return prod(x[0]); }},
    {"prod_zeros", [](const Inputs& x) { return prod(x[0], 1); }},
    {"cumsum", [](const Inputs& x) { return cumsum(x[0], 1); }},
    {"cumprod", [](const Inputs& x) { return cumprod(x[0], 1); }},
    {"cumprod_zeros", [](const Inputs& x) { return cumprod(x[0], 0); }},
    {"logsumexp",
     [](const Inputs& x) {
       return logsumexp(x[0], {0, 2});
     }},
    {"logsumexp_far", [](const Inputs& x) { return logsumexp(x[0] * 500, 1); }},
    {"amax",
     [](const Inputs& x) {
       return amax(x[0], {0, 2});
     }},
    {"amin", [](const Inputs& x) { return amin(x[0], 1, true); }},
    {"max", [](const Inputs& x) { return max(x[0]); }},
    {"max_dim", [](const Inputs& x) { return max(x[0], -1).values; }},
    {"min_dim", [](const Inputs& x) { return min(x[0], 0, true).values; }},
    {"celu", [](const Inputs& x) { return celu(x[0], 1.7); }},
    {"selu", [](const Inputs& x) { return selu(x[0]); }},
    {"mish", [](const Inputs& x) { return mish(x[0]); }},
    {"hardsigmoid", [](const Inputs& x) { return hardsigmoid(x[0]); }},
    {"hardtanh", [](const Inputs& x) { return hardtanh(x[0], -2, 0.5); }},
    {"relu6", [](const Inputs& x) { return relu6(x[0]); }},
    {"softsign", [](const Inputs& x) { return softsign(x[0]); }},
    {"logsigmoid", [](const Inputs& x) { return logsigmoid(x[0]); }},
    {"softshrink", [](const Inputs& x) { return softshrink(x[0], 0.8); }},
    {"hardshrink", [](const Inputs& x) { return hardshrink(x[0], 1.5); }},
    {"tanhshrink", [](const Inputs& x) { return tanhshrink(x[0]); }},
    {"threshold", [](const Inputs& x) { return threshold(x[0], 0.3, 7); }},
    {"prelu", [](const Inputs& x) { return prelu(x[0], x[1]); }},
    {"prelu_channels", [](const Inputs& x) { return prelu(x[0], x[1]); }},
    {"glu", [](const Inputs& x) { return glu(x[0], 1); }},
    {"normalize", [](const Inputs& x) { return normalize(x[0]); }},
    {"normalize_zeros", [](const Inputs& x) { return normalize(x[0], 3, 0, 0.5); }},
    {"cosine_similarity", [](const Inputs& x) { return cosine_similarity(x[0], x[1]); }},
    {"cosine_similarity_short", [](const Inputs& x) { return cosine_similarity(x[0], x[1], -1, 0.5); }},
    {"linspace", [](const Inputs&) { return linspace(-0.7, 2.3, 12, {.dtype = DType::float64}); }},
};

Tensor leaf(const Values& values) { return tensor(values, std::ssize(values), true); }
Values gradient(const Tensor& x, const Tensor& y) { return grad({sum(y)}, {x})[0].to_vector<double>(); }
Values second(const Tensor& x, const Tensor& y) {
  return gradient(x, grad({sum(y)}, {x}, {}, {.create_graph = true})[0]);
}

/// Equal, NaN to NaN, or nearly so where finite and not 0.
void check_same(const Values& actual, const Values& expected, double tolerance = 0) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    CAPTURE(i);
    const double a = actual[i], e = expected[i];
    CHECK_MESSAGE((a == e || (std::isnan(a) && std::isnan(e)) || std::abs(a - e) <= tolerance * std::abs(e)),
                  concat("got ", a, ", expected ", e));
  }
}

}  // namespace

TEST_CASE("values and gradients equal PyTorch's") {
  replay("pointwise.safetensors", kFunctions, {}, [](FixtureCase& one, const Function& function) {
    Inputs inputs;
    for (int i = 0; one.has(concat("x", i)); ++i) {
      inputs.push_back(one.input(concat("x", i), true));
    }
    const Tensor y = function(inputs);
    one.check(y.array(), "y");
    if (inputs.empty()) {
      return;
    }
    y.backward(one.input("dy"));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      one.check(inputs[i].grad().array(), concat("dx", i));
    }
  });
}

TEST_CASE("at infinities, corners and NaN values and slopes are PyTorch's, or limits where it has none") {
  struct Row {
    const char* name;
    Tensor (*f)(const Tensor&);
    Values x, y, dx;
  };
  const std::vector<Row> rows = {
      {"floor", floor, {-kInf, -0.5, 2.5, kInf, kNan}, {-kInf, -1, 2, kInf, kNan}, Values(5, 0)},
      {"ceil", ceil, {-kInf, -0.5, 2.5, kInf, kNan}, {-kInf, 0, 3, kInf, kNan}, Values(5, 0)},
      {"round", round, {-kInf, -2.5, 0.5, 1.5, 2.5, kNan}, {-kInf, -2, 0, 2, 2, kNan}, Values(6, 0)},
      {"sign", sign, {-kInf, -0.0, kInf, kNan}, {-1, 0, 1, 0}, Values(4, 0)},
      {"sin", sin, {-kInf, kInf, kNan}, Values(3, kNan), Values(3, kNan)},
      {"cos", cos, {-kInf, kInf, kNan}, Values(3, kNan), Values(3, kNan)},
      {"log1p", log1p, {-2, -1, kInf}, {kNan, -kInf, kInf}, {-1, kInf, 0}},
      {"expm1", expm1, {-kInf, kInf, kNan}, {-1, kInf, kNan}, {0, kInf, kNan}},
      {"mish", mish, {-kInf, kInf, kNan}, {0, kInf, kNan}, {0, 1, kNan}},
      {"selu", selu, {kInf, 0}, {kInf, 0}, {1.0507009873554805, 1.0507009873554805 * 1.6732632423543772}},
      {"celu", [](const Tensor& x) { return celu(x, 2); }, {-kInf, 0, kInf}, {-2, 0, kInf}, {0, 1, 1}},
      {"hardsigmoid", hardsigmoid, {-kInf, -3, 3, kInf, kNan}, {0, 0, 1, 1, kNan}, Values(5, 0)},
      {"relu6", relu6, {-kInf, 0, 6, kInf, kNan}, {0, 0, 6, 6, kNan}, {0, 0, 0, 0, 1}},
      {"hardtanh", [](const Tensor& x) { return hardtanh(x); }, {-1, 1, kNan}, {-1, 1, kNan}, {0, 0, 1}},
      {"softsign", softsign, {-kInf, 0, kInf, kNan}, {-1, 0, 1, kNan}, {0, 1, 0, kNan}},
      {"logsigmoid", logsigmoid, {-kInf, kInf, kNan}, {-kInf, 0, kNan}, {1, 0, kNan}},
      {"softshrink",
       [](const Tensor& x) { return softshrink(x); },
       {-kInf, -0.5, 0.5, kNan},
       {-kInf, 0, 0, kNan},
       {1, 0, 0, 1}},
      {"hardshrink",
       [](const Tensor& x) { return hardshrink(x); },
       {-kInf, -0.5, 0.5, kNan},
       {-kInf, 0, 0, kNan},
       {1, 0, 0, 1}},
      {"threshold",
       [](const Tensor& x) { return threshold(x, 0.5, 7); },
       {-kInf, 0.5, kInf, kNan},
       {7, 7, kInf, kNan},
       {0, 0, 1, 1}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    for (const DType dtype : {DType::float64, DType::float32}) {
      const Tensor x(leaf(row.x).array().to(dtype), true), y = row.f(x);
      check_same(y.to_vector<double>(), row.y);
      check_same(gradient(x, y), row.dx, dtype == DType::float64 ? 1e-15 : 1e-6);
    }
  }
}

TEST_CASE("rounding keeps the sign of zero; the nearest integers of large numbers are they themselves") {
  const Tensor x = leaf({-0.0, -0.25, 0x1p52 + 1, -0x1p53, 4503599627370495.5, 0.49999999999999994});
  CHECK(std::signbit(floor(x).to_vector<double>()[0]));
  CHECK(std::signbit(round(x).to_vector<double>()[1]));
  CHECK(std::signbit(ceil(x).to_vector<double>()[1]));
  CHECK(round(x).to_vector<double>() == Values{0, 0, 0x1p52 + 1, -0x1p53, 0x1p52, 0});
  CHECK(floor(x).to_vector<double>()[4] == 4503599627370495);
  CHECK(round(tensor({8388607.5, 2.5, -3.5})).to_vector<double>() == Values{8388608, 2, -4});
}

TEST_CASE("gradients at the origin and on the axes") {
  const Tensor a = leaf({0, 0, -0.0, 1}), b = leaf({0, -1, -0.0, 0});
  CHECK(gradient(a, atan2(a, b)) == Values{0, -1, 0, 0});
  CHECK(gradient(b, atan2(a, b)) == Values{0, 0, 0, -1});
  CHECK(second(a, atan2(a, b))[0] == 0);
}

TEST_CASE("lerp gives both ends exactly") {
  const Tensor start = tensor({1e8, 0.1}), end = tensor({-3, 0.7});
  CHECK(lerp(start, end, 0).to_vector<float>() == start.to_vector<float>());
  CHECK(lerp(start, end, 1).to_vector<float>() == end.to_vector<float>());
  CHECK(lerp(start, end, ones(2)).to_vector<float>() == end.to_vector<float>());
}

TEST_CASE("gradients of products and running products with zeros, twice") {
  const Tensor one = leaf({0, 2, 3}), two = leaf({0, 2, 0}), three = leaf({0, 0, 0, 5});
  CHECK(gradient(one, prod(one)) == Values{6, 0, 0});
  CHECK(gradient(two, prod(two)) == Values{0, 0, 0});
  CHECK(second(one, prod(one)) == Values{5, 3, 2});  // the sums of mixed derivatives
  CHECK(second(two, prod(two)) == Values{2, 0, 2});
  CHECK(second(three, prod(three)) == Values{0, 0, 0, 0});
  const Tensor x = leaf({2, 0, 3, 0, 5});
  CHECK(cumprod(x, 0).to_vector<double>() == Values{2, 0, 0, 0, 0});
  CHECK(gradient(x, cumprod(x, 0)) == Values{1, 8, 0, 0, 0});
  CHECK(second(x, cumprod(x, 0)) == Values{4, 42, 2, 36, 0});
  CHECK(std::signbit(cumprod(leaf({1, -0.0}), 0).to_vector<double>()[1]));
  // 1e30^2 is no float32, but the products are formed in double.
  const Tensor wide = tensor({1e30, 1e30, 1e-30, 1e-30}, {.requires_grad = true});
  check_close(grad({prod(wide)}, {wide})[0].to_vector<double>(), {1e-30, 1e-30, 1e30, 1e30}, 1e-6);
}

TEST_CASE("beside infinity, and at an exponent of 0, gradients are what is defined") {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor x = leaf({2, 3, inf});
  CHECK(gradient(x, cumprod(x, 0)) == Values{inf, inf, 6});
  const Tensor weight = leaf({0.25});
  CHECK(gradient(weight, lerp(leaf({0}), leaf({inf}), weight)) == Values{inf});
  const Tensor base = leaf({2, inf, -inf, 0}), exponent = leaf({0, 0, 0, 0});
  CHECK(gradient(base, pow(base, exponent)) == Values{0, 0, 0, 0});
  const Tensor two = leaf({2}), none = leaf({0});
  const Tensor slope = grad({sum(pow(two, none))}, {two}, {}, {.create_graph = true})[0];
  CHECK(gradient(none, slope) == Values{0.5});
  const Tensor large = tensor({3e38, 3e38, 0.0}, {.requires_grad = true});
  const Tensor similar = cosine_similarity(large, ones({3}), 0);
  CHECK(similar.item() == 0);
  CHECK(grad({similar}, {large})[0].to_vector<double>() == Values{0, 0, 0});
}

TEST_CASE("scans of integers are exact; rank 0 is one element") {
  const Tensor n = tensor<std::int64_t>({(1LL << 53) + 1, 1, -2}, {3});
  CHECK(cumsum(n, 0).to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{(1LL << 53) + 1, (1LL << 53) + 2, 1LL << 53});
  CHECK(cumprod(n, 0).to_vector<std::int64_t>()[2] == -(1LL << 54) - 2);
  const Tensor flags = cumsum(tensor({true, true, false}), 0);
  CHECK(flags.dtype() == DType::int64);
  CHECK(flags.to_vector<int>() == std::vector<int>{1, 2, 2});
  const Tensor number = tensor(3.5, {.requires_grad = true});
  CHECK(cumprod(number, -1).item() == 3.5);
  CHECK(grad({cumsum(number, 0)}, {number})[0].item() == 1);
  CHECK(max(number, 0).indices.item() == 0);
}

TEST_CASE("a float32 running sum does not lose what it adds") {
  const Tensor y = cumsum(full(1 << 16, 0.1), 0);
  CHECK(std::abs(y.to_vector<double>().back() - 6553.6) < 1e-3);
}

TEST_CASE("logsumexp: rows of -inf, and no row at all") {
  const Tensor x = tensor<double>({-kInf, -kInf, 0, -kInf, kInf, 1, 1e4, 1e4}, {4, 2}, true);
  const Tensor y = logsumexp(x, 1);
  check_same(y.to_vector<double>(), {-kInf, 0, kInf, 1e4 + std::log(2.0)});
  check_same(gradient(x, y), {kNan, kNan, 1, 0, kNan, 0, 0.5, 0.5}, 1e-12);
  CHECK(logsumexp(zeros({2, 0}), 1).to_vector<double>() == Values{-kInf, -kInf});
}

TEST_CASE("amax shares among equals and among NaNs; max along a dim gives all to the first") {
  const Tensor x = leaf({2, 1, 2}), nan = leaf({1, kNan, 2, kNan});
  CHECK(gradient(x, amax(x)) == Values{0.5, 0, 0.5});
  CHECK(gradient(x, max(x, 0).values) == Values{1, 0, 0});
  CHECK(gradient(x, -min(-x, 0).values) == Values{1, 0, 0});
  CHECK(gradient(nan, max(nan)) == Values{0, 0.5, 0, 0.5});
  CHECK(gradient(nan, amin(nan)) == Values{0, 0.5, 0, 0.5});
  const ValuesAndIndices last = max(tensor({{1, 5, 5}, {7, 2, 3}}), 1), kept = min(tensor({{1, 5}, {0, 9}}), 0, true);
  CHECK(last.values.to_vector<int>() == std::vector<int>{5, 7});
  CHECK(last.indices.to_vector<int>() == std::vector<int>{1, 0});
  CHECK(last.indices.dtype() == DType::int64);
  CHECK(kept.values.shape() == Shape{1, 2});
  CHECK(kept.indices.to_vector<int>() == std::vector<int>{1, 0});
  CHECK(std::isnan(max(nan, 0).values.item()));
}

TEST_CASE("vectors of zeros have a direction of zeros and PyTorch's gradients") {
  const Tensor x = tensor<double>({0, 0, 3, 4}, {2, 2}, true), y = tensor<double>({1, 2, 1, 2}, {2, 2}, true);
  CHECK(gradient(x, normalize(x))[0] == doctest::Approx(1e12));
  const Values dx = gradient(x, cosine_similarity(x, y));
  CHECK(dx[1] == doctest::Approx(2 / std::sqrt(5.0) * 1e8));
  CHECK(dx[2] == doctest::Approx(-0.028621670111997302));
  CHECK(cosine_similarity(x, y).to_vector<double>()[0] == 0);
  CHECK(gradient(y, cosine_similarity(x, y))[0] == 0);
}

TEST_CASE("a number beside integers is compared exactly, and taken only if they can hold it") {
  const Tensor n = tensor({1, 2, 3}), bytes = Tensor(Array::full({2}, 200, DType::uint8));
  CHECK(gt(n, 1.5).to_vector<bool>() == std::vector<bool>{false, true, true});
  CHECK(eq(bytes, 456).to_vector<bool>() == std::vector<bool>{false, false});  // 456 - 256 = 200
  CHECK(lt(bytes, 300).to_vector<bool>() == std::vector<bool>{true, true});
  CHECK(eq(tensor({true, false}), 2).to_vector<bool>() == std::vector<bool>{false, false});
  CHECK(ge(n, -kInf).to_vector<bool>() == std::vector<bool>{true, true, true});
  CHECK((n + 2).to_vector<int>() == std::vector<int>{3, 4, 5});
  CHECK((2 - n * 3).to_vector<int>() == std::vector<int>{-1, -4, -7});
  CHECK((n - 1).dtype() == DType::int64);
  CHECK(where(gt(n, 1), n, 0).to_vector<int>() == std::vector<int>{0, 2, 3});
  CHECK(maximum(n, 2).to_vector<int>() == std::vector<int>{2, 2, 3});
  CHECK(eq(tensor({0.1}), 0.1).to_vector<bool>() == std::vector<bool>{true});  // as the nearest float32
}

TEST_CASE("x += y writes into the values that all handles have") {
  Tensor x = tensor({1., 2.});
  const Tensor other = x;
  Tensor view = slice(x, 0, 1, 2);
  x += tensor({10., 20.});
  x *= 2;
  view -= 4;
  CHECK(other.to_vector<int>() == std::vector<int>{22, 40});
  const Tensor w = leaf({3, 4});
  Tensor y = w * 1.0;
  y *= y;
  y /= 2;
  CHECK(gradient(w, y) == Values{3, 4});
  Tensor n = tensor({1, 2});
  n += 3;
  CHECK(n.to_vector<int>() == std::vector<int>{4, 5});
}

TEST_CASE("tensors of nested braces") {
  const Tensor matrix = tensor({{1, 2}, {3, 4}});
  CHECK(matrix.dtype() == DType::int64);
  CHECK(matrix.shape() == Shape{2, 2});
  CHECK(matrix.to_vector<int>() == std::vector<int>{1, 2, 3, 4});
  CHECK(tensor({1., 2.}).dtype() == DType::float32);
  CHECK(tensor({1, 2.5}).to_vector<double>() == Values{1, 2.5});
  CHECK(tensor({true, false}).dtype() == DType::boolean);
  CHECK(tensor({{{1}, {2}}, {{3}, {4}}, {{5}, {6.5}}}).shape() == Shape{3, 2, 1});
  CHECK(tensor({{1}}).shape() == Shape{1, 1});
  CHECK(tensor({}).shape() == Shape{0});
  CHECK(tensor({{}, {}}).shape() == Shape{2, 0});
  CHECK(tensor(2.5).rank() == 0);
  CHECK(tensor({(1LL << 53) + 1}).to_vector<std::int64_t>()[0] == (1LL << 53) + 1);
  const Tensor x = tensor({1, 2}, {.dtype = DType::float64, .requires_grad = true});
  CHECK(x.dtype() == DType::float64);
  CHECK(x.requires_grad());
  CHECK(arange(3).to_vector<double>() == Values{0, 1, 2});
  CHECK(arange(2, {.dtype = DType::int64}).dtype() == DType::int64);
  CHECK(mean(tensor({{1., 3.}, {5., 7.}}), 1).to_vector<double>() == Values{2, 6});
}

TEST_CASE("what is made like another tensor, and linspace's ends") {
  const Tensor x = zeros({2, 3}, {.dtype = DType::float64, .requires_grad = true});
  CHECK(ones_like(x).dtype() == DType::float64);
  CHECK_FALSE(ones_like(x).requires_grad());
  CHECK(zeros_like(x, {.dtype = DType::int64}).dtype() == DType::int64);
  CHECK(full_like(tensor({1, 2}), 7, {.requires_grad = false}).to_vector<int>() == std::vector<int>{7, 7});
  CHECK(eye(2, {.dtype = DType::boolean}).to_vector<bool>() == std::vector<bool>{true, false, false, true});
  const Values line = linspace(0.1, 0.7, 1001, {.dtype = DType::float64}).to_vector<double>();
  CHECK(line.front() == 0.1);
  CHECK(line.back() == 0.7);
  CHECK(linspace(3, 1, 1).to_vector<double>() == Values{3});
  CHECK(linspace(3, 1, 0).numel() == 0);
  CHECK(linspace(0, 10, 5, {.dtype = DType::int64}).to_vector<int>() == std::vector<int>{0, 2, 5, 7, 10});
}

}  // namespace evenkeel::test
