// Functions of rows: every instruction set and any length of the rows, float32 with float64 numbers, special values.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/elementwise.hpp"
#include "evenkeel/core/parallel.hpp"
#include "tests/support/isa_guard.hpp"

#include <doctest/doctest.h>

#include <cmath>

namespace evenkeel {
namespace {

struct Function {
  const char* name;
  std::size_t parameters;
  Tensor (*fused)(const Tensor& x, std::int64_t inner, std::span<const Tensor> p);
  Tensor (*plain)(const Tensor& x, std::span<const Tensor> p);  ///< of (2, 3, n) and (2, 3, 1)
};

const Function kFunctions[] = {
    {"affine", 3, [](auto& x, auto n, auto p) { return affine_rows(x, n, p[0], p[1], p[2]); },
     [](auto& x, auto p) { return (x - p[0]) * p[1] + p[2]; }},
    {"tanh", 3, [](auto& x, auto n, auto p) { return tanh_rows(x, n, p[0], p[1], p[2]); },
     [](auto& x, auto p) { return tanh(x * p[0]) * p[1] + p[2]; }},
    {"erf", 4, [](auto& x, auto n, auto p) { return erf_rows(x, n, p[0], p[1], p[2], p[3]); },
     [](auto& x, auto p) { return erf(x * p[0] + p[1]) * p[2] + p[3]; }},
    {"threshold", 3, [](auto& x, auto n, auto p) { return threshold_rows(x, n, p[0], p[1], p[2]); },
     [](auto& x, auto p) { return maximum(x * p[0] + p[1], p[2]); }},
    {"swish", 3, [](auto& x, auto n, auto p) { return swish_rows(x, n, p[0], p[1], p[2]); },
     [](auto& x, auto p) { return x * sigmoid(x * p[0]) * p[1] + p[2]; }},
    {"divide by larger", 5,
     [](auto& x, auto n, auto p) { return divide_rows_by_larger(x, n, p[0], p[1], p[2], p[3], p[4]); },
     [](auto& x, auto p) { return x / maximum(p[0], x * p[1] + p[2]) * p[3] + p[4]; }},
};

/// A leaf of positive numbers.
Tensor draw(const Shape& shape, std::uint64_t seed, DType dtype) {
  Generator generator(seed);
  const Array values = rand(shape, generator, {.dtype = DType::float64}).array();
  Array x = Array::zeros(shape, DType::float64);
  add_scaled_(x, values, 1.5);
  add_scaled_(x, Array::ones(shape, DType::float64), 0.25);
  return Tensor(x.to(DType::float32).to(dtype), true);
}

/// The result and all gradients, in double.
std::vector<std::vector<double>> results(const Tensor& y, const std::vector<Tensor>& inputs) {
  const Tensor weights(draw(y.shape(), 99, y.dtype()).array());
  std::vector<std::vector<double>> all{y.array().to(DType::float64).to_vector<double>()};
  for (const Tensor& g : grad({sum(y * weights)}, inputs)) {
    all.push_back(g.array().to(DType::float64).to_vector<double>());
  }
  return all;
}

void check_close(const std::vector<std::vector<double>>& actual, const std::vector<std::vector<double>>& expected,
                 double tolerance) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    CAPTURE(i);
    REQUIRE(actual[i].size() == expected[i].size());
    double worst = 0;
    for (std::size_t j = 0; j < actual[i].size(); ++j) {
      worst = std::max(worst, std::abs(actual[i][j] - expected[i][j]) / (1 + std::abs(expected[i][j])));
    }
    CHECK(worst <= tolerance);
  }
}

std::vector<std::vector<double>> run(const Function& f, std::int64_t inner, DType dtype, bool fused) {
  std::vector<Tensor> inputs{draw({2, 3, inner}, 1, dtype)};
  for (std::size_t k = 0; k < f.parameters; ++k) {
    inputs.push_back(draw({2, 3, 1}, 2 + k, dtype));
  }
  const std::span<const Tensor> p(inputs.data() + 1, f.parameters);
  return results(fused ? f.fused(inputs[0], inner, p) : f.plain(inputs[0], p), inputs);
}

}  // namespace

TEST_CASE("every instruction set gives what plain ops give, for rows of any length") {
  for (const Function& f : kFunctions) {
    CAPTURE(f.name);
    for (const std::int64_t inner : {1, 4, 5, 8, 15, 16, 17, 31, 33, 64, 67, 1100}) {
      CAPTURE(inner);
      const auto expected = run(f, inner, DType::float64, false);
      for (const Isa isa : supported_isas()) {
        CAPTURE(name(isa));
        const IsaGuard guard(isa);
        check_close(run(f, inner, DType::float64, true), expected, 1e-12);
        check_close(run(f, inner, DType::float32, true), expected, 1e-5);
      }
    }
  }
}

TEST_CASE("local_response: every instruction set gives what its second derivative's ops give") {
  for (const std::int64_t plane : {1, 7, 16, 19, 1100}) {
    CAPTURE(plane);
    const auto gradient = [&](DType dtype, bool create_graph) {
      const Tensor x = draw({2, 6, plane}, 3, dtype);
      const Tensor y = local_response(x, 4, 0.7, 0.75, 1.5);
      const Tensor dx = grad({sum(square(y))}, {x}, {}, {.create_graph = create_graph})[0];
      return std::vector{y.array().to(DType::float64).to_vector<double>(),
                         dx.array().to(DType::float64).to_vector<double>()};
    };
    const auto expected = gradient(DType::float64, true);
    for (const Isa isa : supported_isas()) {
      CAPTURE(name(isa));
      const IsaGuard guard(isa);
      check_close(gradient(DType::float64, false), expected, 1e-12);
      check_close(gradient(DType::float32, false), expected, 1e-5);
    }
  }
}

TEST_CASE("one thread and three give the same bits") {
  for (const Function& f : kFunctions) {
    CAPTURE(f.name);
    const auto with_threads = [&](int n) {
      const ThreadsGuard guard(n);
      return run(f, 20000, DType::float32, true);
    };
    CHECK(with_threads(1) == with_threads(3));
  }
}

TEST_CASE("a float64 mean keeps the digits of a float32 input, forward and backward") {
  for (const std::int64_t inner : {2, 40}) {
    const Tensor x(Array::full({1, 1, inner}, 16777216.0, DType::float32), true);
    const Tensor mean = tensor(std::vector<double>{16777215.75}, {1}, true);
    const Tensor weight = tensor(std::vector<double>{2}, {1}, true);
    const Tensor y = affine_rows(x, inner, mean, weight, {});
    CHECK(y.array().to(DType::float64).to_vector<double>() ==
          std::vector<double>(static_cast<std::size_t>(inner), 0.5));
    y.backward(Tensor(Array::ones(y.shape(), y.dtype())));
    const double n = static_cast<double>(inner);
    CHECK(mean.grad().to_vector<double>() == std::vector<double>{-2 * n});
    CHECK(weight.grad().to_vector<double>() == std::vector<double>{0.25 * n});
  }
}

TEST_CASE("a gradient that does not pass is 0, also beside infinities; a tie is shared") {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> values{inf, -inf, 1, 0, -1, 0, 0, 0};
  const auto gradients = [&](const auto& f) {
    const Tensor x(Array::from(values, {1, 8}), true);
    const Tensor y = f(x);
    y.backward(Tensor(Array::ones(y.shape(), y.dtype())));
    return x.grad().array().to_vector<float>();
  };
  const Tensor one(Array::ones({1})), zero(Array::zeros({1}));
  CHECK(gradients([&](const Tensor& x) { return tanh_rows(x, 8, one, one, zero); })[0] == 0);
  CHECK(gradients([&](const Tensor& x) { return erf_rows(x, 8, one, zero, one, zero); })[1] == 0);
  CHECK(gradients([&](const Tensor& x) { return threshold_rows(x, 8, one, zero, zero); }) ==
        std::vector<float>{1, 0, 1, 0.5, 0, 0.5, 0.5, 0.5});
}

TEST_CASE("errors say what does not fit") {
  const Tensor x(Array::zeros({2, 3, 4}));
  CHECK_THROWS_WITH(affine_rows(x, 4, {}, Tensor(Array::zeros({4})), {}),
                    doctest::Contains("affine_rows: a parameter of shape [4] does not fit 6 rows"));
  CHECK_THROWS_WITH(affine_rows(x, 5, {}, {}, {}), doctest::Contains("has no rows of 5 elements"));
  CHECK_THROWS_WITH(affine_rows(x, 4, Tensor(Array::zeros({3}, DType::int64)), {}, {}),
                    doctest::Contains("a parameter must be float32, as the input, or float64, got int64"));
  CHECK_THROWS_WITH(group_moments(x, {1, 1, 6, 5}), doctest::Contains("group_moments: input of shape [2, 3, 4]"));
}

}  // namespace evenkeel
