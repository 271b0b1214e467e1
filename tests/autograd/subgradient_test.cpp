// Gradients where the derivative is infinite or does not exist: documented values, and no NaN through a guard.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace evenkeel {
namespace {

using Values = std::vector<double>;
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr TensorOptions kDouble{.dtype = DType::float64};

Tensor leaf(const Values& values) { return tensor(values, {static_cast<std::int64_t>(values.size())}, true); }

Values gradient(const Tensor& x, const Tensor& y) { return grad({sum(y)}, {x})[0].to_vector<double>(); }

}  // namespace

TEST_CASE("at infinity values and slopes are limits, and NaN stays NaN") {
  struct Row {
    const char* name;
    Tensor (*f)(const Tensor& x);
    Values value, slope;  // at -inf and inf
  };
  const std::vector<Row> rows = {
      {"silu", [](const Tensor& x) { return silu(x); }, {0, kInf}, {0, 1}},
      {"gelu", [](const Tensor& x) { return gelu(x); }, {0, kInf}, {0, 1}},
      {"gelu tanh", [](const Tensor& x) { return gelu(x, GeluApproximation::tanh); }, {0, kInf}, {0, 1}},
      {"hardswish", [](const Tensor& x) { return hardswish(x); }, {0, kInf}, {0, 1}},
      {"elu", [](const Tensor& x) { return elu(x, 2); }, {-2, kInf}, {0, 1}},
      {"leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.5); }, {-kInf, kInf}, {0.5, 1}},
      {"softplus", [](const Tensor& x) { return softplus(x); }, {0, kInf}, {0, 1}},
      {"sigmoid", [](const Tensor& x) { return sigmoid(x); }, {0, 1}, {0, 0}},
      {"tanh", [](const Tensor& x) { return tanh(x); }, {-1, 1}, {0, 0}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    for (const DType dtype : {DType::float64, DType::float32}) {
      const Tensor x = Tensor(Array::from(Values{-kInf, kInf, NAN}, {3}).to(dtype), true), y = row.f(x);
      const Values value = y.array().to(DType::float64).to_vector<double>();
      const Values slope = grad({sum(slice(y, 0, 0, 2))}, {x}, {}, {.retain_graph = true})[0]
                               .array()
                               .to(DType::float64)
                               .to_vector<double>();
      CHECK(Values(value.begin(), value.begin() + 2) == row.value);
      CHECK(Values(slope.begin(), slope.begin() + 2) == row.slope);
      CHECK(std::isnan(value[2]));
      const double at_nan = grad({select(y, 0, 2)}, {x})[0].array().to(DType::float64).to_vector<double>()[2];
      if (row.name == std::string("leaky_relu")) {
        CHECK(at_nan == 0.5);
      } else {
        CHECK(std::isnan(at_nan));
      }
    }
  }
}

TEST_CASE("at zero: sqrt has an infinite slope; norm, std, abs and relu have slope zero") {
  const Tensor zero = leaf({0, 0, 0});
  CHECK(gradient(zero, sqrt(zero)) == Values{kInf, kInf, kInf});
  const Values none{0, 0, 0};
  CHECK(gradient(zero, norm(zero)) == none);
  CHECK(gradient(zero, std(zero)) == none);
  CHECK(gradient(zero, abs(zero)) == none);
  CHECK(gradient(zero, relu(zero)) == none);
  const Tensor equal = leaf({5, 5, 5});
  CHECK(gradient(equal, std(equal)) == none);
}

TEST_CASE("an untaken branch gives no NaN") {
  const Tensor x = leaf({-1, 0, 4});
  const Tensor positive = gt(x, zeros({}, kDouble));
  CHECK(gradient(x, where(positive, x, zeros({}, kDouble))) == Values{0, 0, 1});
  // The safe form: the guard is inside, so that log never sees what is not wanted.
  const Tensor guarded = where(positive, log(where(positive, x, ones({}, kDouble))), zeros({}, kDouble));
  CHECK(gradient(x, guarded) == Values{0, 0, 0.25});
  // clamp selects too: exp's overflow never meets the zero.
  const Tensor large = leaf({1, 1000});
  const Values clamped = gradient(large, exp(clamp(large, -10, 2)));
  CHECK(clamped[0] == doctest::Approx(std::exp(1.0)));
  CHECK(clamped[1] == 0);
  CHECK(gradient(large, where(lt(large, full({}, 2000, kDouble)), large * 2.0, large + kInf)) == Values{2, 2});
}

}  // namespace evenkeel
