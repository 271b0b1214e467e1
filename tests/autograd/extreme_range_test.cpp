#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/parallel.hpp"
#include "tests/support/isa_guard.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

// Results of float32 whose squares are not of float32: what is homogeneous in x is found at 1 in float64, and scaled.

namespace evenkeel {
namespace {

using Function = std::function<Tensor(const Tensor& x, const Tensor& weight, const Tensor& bias)>;

struct Case {
  std::string name;
  Function f;
  int degree;  ///< f(s x) = s^degree f(x)
  Shape shape;
  std::int64_t params = 8;
};

Case norm_case(const std::string& name, GroupView view, AffineView affine, Normalization how, Shape shape,
               NormActivation activation = NormActivation::none) {
  how.eps = 0;
  return {name,
          [=](const Tensor& x, const Tensor& weight, const Tensor& bias) {
            return normalize_groups(x, weight, bias, view, affine, how, {activation}).y;
          },
          0, shape, affine.params};
}

std::vector<Case> cases() {
  const auto of_x = [](const std::string& name, int degree, const std::function<Tensor(const Tensor&)>& f) {
    return Case{name, [f](const Tensor& x, const Tensor&, const Tensor&) { return f(x); }, degree, {6, 8, 10}};
  };
  const Shape image{6, 8, 10};
  return {
      of_x("std of all", 1, [](const Tensor& x) { return standard_deviation(x); }),
      of_x("std of rows", 1, [](const Tensor& x) { return standard_deviation(x, {2}, 0); }),
      of_x("std of columns", 1, [](const Tensor& x) { return standard_deviation(x, {0}, 1, true); }),
      of_x("norm", 1, [](const Tensor& x) { return norm(x, 2, {1}); }),
      of_x("norm, p = 3", 1, [](const Tensor& x) { return norm(x, 3, {1}); }),
      of_x("norm, p = 40", 1, [](const Tensor& x) { return norm(x, 40, {1}); }),
      norm_case("batch", {1, 6, 8, 10}, {8, 10}, {}, image),
      norm_case("batch with ReLU", {1, 6, 8, 10}, {8, 10}, {}, image, NormActivation::relu),
      norm_case("batch with SiLU", {1, 6, 8, 10}, {8, 10}, {}, image, NormActivation::silu),
      norm_case("batch of rows", {1, 60, 8, 1}, {8, 1}, {}, {60, 8}),
      norm_case("group", {1, 1, 12, 40}, {8, 10}, {}, image),
      norm_case("instance", {1, 1, 48, 10}, {8, 10}, {}, image),
      norm_case("layer", {1, 1, 6, 80}, {80, 1}, {}, image),
      norm_case("root mean square", {1, 1, 6, 80}, {80, 1}, {.center = false}, image),
      norm_case("correction, eps outside", {1, 1, 12, 40}, {8, 10}, {.correction = 1, .eps_in_root = false}, image),
  };
}

/// y and the gradients of sum(y c), for c of the size that float holds.
struct Results {
  Tensor y;
  std::vector<Tensor> grads;
};

Results run(const Case& c, const Tensor& x, const Tensor& weight, const Tensor& bias, bool create_graph) {
  const Tensor y = c.f(x, weight, bias);
  Generator generator(5);
  const Tensor factors = to(randn(y.shape(), generator, {.dtype = DType::float64}), x.dtype());
  std::vector<Tensor> inputs{x};
  if (c.degree == 0) {
    inputs.insert(inputs.end(), {weight, bias});
  }
  return {y, grad({y}, inputs, {factors}, {.create_graph = create_graph})};
}

void check_scaled(const Tensor& actual, const Tensor& expected, double scale, double tolerance) {
  const std::vector<double> a = to(actual, DType::float64).to_vector<double>(), e = expected.to_vector<double>();
  REQUIRE(a.size() == e.size());
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(e[i]));
    worst = std::max(worst, std::isfinite(a[i]) ? std::abs(a[i] / scale - e[i]) : 1e300);
  }
  CHECK(worst < tolerance * largest);
}

TEST_CASE("deviations and norms of numbers whose squares leave float32's range, and their gradients") {
  // 1e-25 and 7e19, numbers near the least and the largest that are normal, and +-3e38
  for (const double scale : {0x1p-83, 0x1p66, 0x1p-118, 0x1p-60, 0x1p120, 1.5 * 0x1p127}) {
    for (const Case& c : cases()) {
      CAPTURE(c.name);
      CAPTURE(scale);
      Generator generator(3);
      const auto floats = [&](const Shape& shape, double factor) {
        return to(rand(shape, generator, {.dtype = DType::float64}) * (2 * factor) - factor, DType::float32);
      };
      const auto leaf = [](const Tensor& values) { return Tensor(values.array().clone(), true); };
      const Tensor small = floats(c.shape, 1);
      const Tensor weight = floats({c.params}, 1), bias = floats({c.params}, 1);
      const auto wide = [&](const Tensor& t) { return leaf(to(t, DType::float64)); };
      const Results expected = run(c, wide(small), wide(weight), wide(bias), false);
      const Tensor scaled = to(to(small, DType::float64) * scale, DType::float32);
      for (const bool create_graph : {false, true}) {
        CAPTURE(create_graph);
        const Results actual = run(c, leaf(scaled), leaf(weight), leaf(bias), create_graph);
        if (scale < 1e37 || c.name.find("norm") != 0) {  // a norm is larger than its numbers
          check_scaled(actual.y, expected.y, std::pow(scale, c.degree), 2e-6);
          check_scaled(actual.grads[0], expected.grads[0], c.degree == 0 ? 1 / scale : 1, scale < 1e37 ? 1e-5 : 1e-4);
        }
        for (std::size_t i = 1; i < actual.grads.size(); ++i) {
          check_scaled(actual.grads[i], expected.grads[i], 1, 1e-5);
        }
      }
    }
  }
}

TEST_CASE("constant groups stay constant, however small") {
  for (const float value : {0.0F, 1e-25F, -3e38F}) {
    const Tensor x = full({4, 8}, value);
    for (const bool center : {true, false}) {
      const Tensor y = normalize_groups(x, {}, {}, {1, 1, 4, 8}, {}, {.eps = 0, .center = center}).y;
      for (const float result : y.to_vector<float>()) {
        CHECK(result == doctest::Approx(center || value == 0 ? 0 : value > 0 ? 1 : -1));
      }
    }
  }
}

}  // namespace
}  // namespace evenkeel
