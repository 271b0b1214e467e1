// What the table of ops does not reach: special values, ties, dropout, dtypes and texts of errors.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/parallel.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace evenkeel {
namespace {

using Values = std::vector<double>;
constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::numeric_limits<double>::quiet_NaN();

Tensor leaf(const Values& values) { return tensor(values, {static_cast<std::int64_t>(values.size())}, true); }
Values gradient(const Tensor& x, const Tensor& y) { return grad({sum(y)}, {x})[0].to_vector<double>(); }
Values twice(const Tensor& x, const Tensor& y) {
  return gradient(x, grad({sum(y)}, {x}, {}, {.create_graph = true})[0]);
}
Values values(const Tensor& x) { return x.to_vector<double>(); }

bool all_finite(const Values& x) {
  return std::all_of(x.begin(), x.end(), [](double value) { return std::isfinite(value); });
}

}  // namespace

TEST_CASE("activations stay finite or take their limits far from zero") {
  const Values far{-1e30, -1e4, -710, -104, -89, 89, 104, 710, 1e4, 1e30};
  const Tensor x = leaf(far);
  const Tensor single = tensor<float>({-1e30f, -1e4f, -710, -104, -89, 89, 104, 710, 1e4f, 1e30f}, {10}, true);
  Tensor (*const ops[])(const Tensor&) = {sigmoid, tanh, silu, hardswish, erf};
  for (const auto op : ops) {
    CHECK(all_finite(values(op(x))));
    CHECK(all_finite(gradient(x, op(x))));
    CHECK(all_finite(values(to(op(single), DType::float64))));
    CHECK(all_finite(values(to(grad({sum(op(single))}, {single})[0], DType::float64))));
  }
  for (const Tensor& y : {gelu(x), gelu(x, GeluApproximation::tanh), elu(x), softplus(x), leaky_relu(x)}) {
    CHECK(all_finite(values(y)));
    CHECK(all_finite(gradient(x, y)));
    CHECK(values(y).back() == 1e30);
  }
  CHECK(values(sigmoid(x)).back() == 1);
  CHECK(values(sigmoid(x)).front() == 0);
  CHECK(values(softplus(x)).front() == 0);
  CHECK(gradient(x, silu(x)).back() == 1);
}

TEST_CASE("NaN stays NaN; relu has slope 0 at both zeros; silu takes its limit at -inf") {
  const Tensor nan = leaf({kNan});
  for (const Tensor& y : {relu(nan), clamp(nan, 0, 1), abs(nan), hardswish(nan), leaky_relu(nan),
                          maximum(nan, leaf({1})), minimum(leaf({1}), nan), max(nan), min(nan)}) {
    CHECK(std::isnan(y.item()));
  }
  const Tensor zeros = leaf({0.0, -0.0});
  CHECK(gradient(zeros, relu(zeros)) == Values{0, 0});
  CHECK(values(silu(leaf({-kInf}))) == Values{0});
}

TEST_CASE("ties share the gradient: half and half in maximum, evenly in max") {
  const Tensor a = leaf({1, 2, 3}), b = leaf({1, 3, 2});
  CHECK(gradient(a, maximum(a, b)) == Values{0.5, 0, 1});
  CHECK(gradient(b, maximum(a, b)) == Values{0.5, 1, 0});
  CHECK(gradient(a, minimum(a, b)) == Values{0.5, 1, 0});
  const Tensor x = leaf({4, 1, 4, 4, 1});
  CHECK(gradient(x, max(x)) == Values{1. / 3, 0, 1. / 3, 1. / 3, 0});
  CHECK(gradient(x, min(x)) == Values{0, 0.5, 0, 0, 0.5});
  const Tensor y = leaf({-4, 1, 4});
  CHECK(gradient(y, norm(y, kInf)) == Values{-0.5, 0, 0.5});
  CHECK_THROWS_WITH_AS(max(tensor<double>({}, {0})), doctest::Contains("max"), std::invalid_argument);
}

TEST_CASE("clamp lets the gradient pass on its bounds, and none of an infinite one outside") {
  const Tensor x = leaf({-1, 0, 0.5, 1, 2});
  CHECK(gradient(x, clamp(x, 0, 1)) == Values{0, 1, 1, 1, 0});
  const Tensor y = leaf({-2, 4});
  CHECK(gradient(y, sqrt(clamp(y, 0, kInf))) == Values{0, 0.25});  // sqrt's slope at 0 is infinite
}

TEST_CASE("pow at zero") {
  const Tensor a = leaf({0, 0, 0, 2}), b = leaf({0, 1, 2, 3});
  CHECK(values(pow(a, b)) == Values{1, 0, 0, 8});
  CHECK(gradient(a, pow(a, b)) == Values{0, 1, 0, 12});
  CHECK(gradient(b, pow(a, b))[0] == 0);
  CHECK(gradient(b, pow(a, b))[2] == 0);
  CHECK(gradient(b, pow(a, b))[3] == doctest::Approx(8 * std::log(2.0)).epsilon(1e-14));
  CHECK(twice(a, pow(a, b)) == Values{0, 0, 2, 12});
  CHECK(gradient(a, pow(a, 0)) == Values{0, 0, 0, 0});
  CHECK(twice(a, pow(a, 1)) == Values{0, 0, 0, 0});
}

TEST_CASE("second derivatives of norm and std are finite where they are zero") {
  const Tensor x = leaf({0, 0, 0});
  CHECK(twice(x, norm(x)) == Values{0, 0, 0});
  CHECK(twice(x, std(x)) == Values{0, 0, 0});
}

TEST_CASE("softmax subtracts the largest value") {
  const Values y = values(softmax(leaf({1e30, -1e30, -kInf, 1e30}), 0));
  CHECK(y == Values{0.5, 0, 0, 0.5});
  CHECK(values(softmax(tensor<double>({-3, 1e4}, {2, 1}), 1)) == Values{1, 1});
  CHECK(std::isnan(values(softmax(leaf({-kInf, -kInf}), 0))[0]));
  CHECK(values(log_softmax(leaf({1e4, -1e4}), 0)) == Values{0, -2e4});
  CHECK_THROWS_WITH_AS(softmax(leaf({1}), 1), doctest::Contains("softmax"), IndexError);
}

TEST_CASE("dropout: probability 0, 1 and out of range; eval") {
  Generator generator(3);
  const Tensor x = leaf({1, -2, 3});
  CHECK(dropout(x, 0, true, generator).is(x));
  CHECK(dropout(x, 0.5, false, generator).is(x));
  CHECK(dropout2d(tensor<double>({1, 2}, {1, 2}), 0.5, false, generator).numel() == 2);
  const Tensor none = dropout(x, 1, true, generator);
  CHECK(values(none) == Values{0, 0, 0});
  CHECK(gradient(x, none) == Values{0, 0, 0});
  for (const double p : {-0.1, 1.1, kNan}) {
    CHECK_THROWS_WITH(dropout(x, p, true, generator), doctest::Contains("p must lie in [0, 1], got"));
  }
  CHECK_THROWS_WITH(dropout2d(x, 0.5, true, generator),
                    doctest::Contains("the input must be of shape (N, C, *), got [3]"));
}

TEST_CASE("dropout keeps the rate and the scale, and one mask for both directions") {
  Generator generator(7);
  const Tensor x(Array::zeros({1000000}), true);
  const Tensor shifted = x + 1;
  const Tensor y = dropout(shifted, 0.3, true, generator);
  CHECK(mean(y).item() == doctest::Approx(1).epsilon(0.003));
  const std::vector<float> out = y.to_vector<float>();
  CHECK(std::all_of(out.begin(), out.end(), [](float v) { return v == 0 || v == 1 / 0.7f; }));
  CHECK(grad({sum(y)}, {x})[0].to_vector<float>() == out);  // the derivative is the mask, here also the value
  Generator same(7);
  const Tensor z = dropout(x, 0.3, true, same);  // the input is 0 everywhere: the mask is not read off the output
  CHECK(grad({sum(z)}, {x})[0].to_vector<float>() == out);
  const ThreadsGuard threads(3);
  Generator again(7);
  CHECK(dropout(shifted, 0.3, true, again).to_vector<float>() == out);
}

TEST_CASE("dropout2d drops whole channels") {
  Generator generator(11);
  const Tensor y = dropout2d(Tensor(Array::ones({16, 8, 3, 5})), 0.5, true, generator);
  const Tensor sums = sum(y, {2, 3});
  int kept = 0;
  for (const float s : sums.to_vector<float>()) {
    CHECK((s == 0 || s == 30));
    kept += s > 0 ? 1 : 0;
  }
  CHECK(kept > 40);
  CHECK(kept < 88);
}

TEST_CASE("errors name the op, both shapes or both dtypes") {
  const Tensor a = tensor<double>({1, 2, 3, 4, 5, 6}, {2, 3}), b = tensor<double>({1, 2, 3, 4, 5, 6, 7, 8}, {2, 4});
  const Tensor f = tensor<float>({1, 2, 3}, {3}), n = tensor<std::int64_t>({1, 2, 3}, {3});
  CHECK_THROWS_WITH_AS(a + b, doctest::Contains("add: "), std::invalid_argument);
  CHECK_THROWS_WITH(a * b, doctest::Contains("[2, 3]"));
  CHECK_THROWS_WITH(a * b, doctest::Contains("[2, 4]"));
  CHECK_THROWS_WITH(a - f, doctest::Contains("both tensors must have one dtype, got float64 and float32"));
  CHECK_THROWS_WITH(n / n, doctest::Contains("div: dtype must be float32 or float64, got int64"));
  CHECK_THROWS_WITH(exp(n), doctest::Contains("exp: dtype must be float32 or float64, got int64"));
  CHECK_THROWS_WITH(relu(Tensor()), doctest::Contains("relu: got an undefined tensor"));
  CHECK_THROWS_WITH(add(a, Tensor()), doctest::Contains("add: got an undefined tensor"));
  CHECK_THROWS_WITH(mean(n), doctest::Contains("mean: dtype must be float32 or float64"));
  CHECK_THROWS_WITH(where(a, a, a), doctest::Contains("where: the condition must be a bool tensor"));
  CHECK_THROWS_WITH(sum(a, {2}), doctest::Contains("sum"));
  CHECK_THROWS_WITH(sum(a, {0, -2}), doctest::Contains("sum"));
  CHECK_THROWS_WITH(norm(a, 0.5), doctest::Contains("norm: p must be at least 1, got 0.5"));
  CHECK_THROWS_WITH(cat({}), doctest::Contains("cat: the list of tensors must not be empty"));
  CHECK_THROWS_WITH(stack({a, b}), doctest::Contains("stack: tensors must have one shape, got [2, 3] and [2, 4]"));
  CHECK_THROWS_WITH(softplus(a, 0), doctest::Contains("softplus: beta must not be 0"));
  Tensor target = tensor<double>({1, 2, 3}, {3});
  CHECK_THROWS_WITH(add_(target, a), doctest::Contains("doesn't match the broadcast shape [2, 3]"));
  CHECK(values(target) == Values{1, 2, 3});
}

TEST_CASE("integers: arithmetic, sums and comparisons work and need no gradient") {
  const Tensor n = tensor<std::int64_t>({(1ll << 60) + 1, -2, 3}, {3});
  CHECK((n + n).to_vector<std::int64_t>() == std::vector<std::int64_t>{(1ll << 61) + 2, -4, 6});
  CHECK(sum(n).array().item_int64() == (1ll << 60) + 2);
  CHECK(eq(n, n).dtype() == DType::boolean);
  CHECK(to(n, DType::float32).dtype() == DType::float32);
  const Tensor x = leaf({1.5});
  CHECK_FALSE(to(x, DType::int64).requires_grad());
  CHECK(to(x, DType::float64).is(x));
  CHECK(grad({to(x, DType::float32)}, {x})[0].dtype() == DType::float64);
}

TEST_CASE("in-place activations") {
  Tensor x = leaf({-1, 2});
  CHECK_THROWS_WITH(relu_(x), doctest::Contains("a leaf Variable that requires grad"));
  CHECK(values(x) == Values{-1, 2});
  Tensor y = x * 3;
  CHECK(&relu_(y) == &y);
  CHECK(values(y) == Values{0, 6});
  CHECK(gradient(x, y) == Values{0, 3});
  Tensor s = sigmoid(x);
  silu_(s);
  CHECK_THROWS_WITH(sum(s).backward(), doctest::Contains("sigmoid"));  // sigmoid needs its output
  Tensor z = x * 2;
  silu_(z);
  const double sigma = 1 / (1 + std::exp(-4.0));
  CHECK(gradient(x, z)[1] == doctest::Approx(2 * sigma * (1 + 4 * (1 - sigma))).epsilon(1e-13));
}

TEST_CASE("only what backward needs is protected from changes in place") {
  const Tensor x = leaf({1, 2});
  Tensor constant = tensor<double>({3, 4}, {2});
  const Tensor y = x * constant;
  Tensor other = x * 2;
  const Tensor z = other * constant;  // constant gets no gradient, so other is not kept
  add_(other, x);
  CHECK(gradient(x, z) == Values{6, 8});
  constant.mutable_array().fill_(0);
  CHECK_THROWS_WITH(sum(y).backward(), doctest::Contains("'mul' needs its input 1"));
}

}  // namespace evenkeel
