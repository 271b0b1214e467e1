#include "evenkeel/autograd/gradcheck.hpp"

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

namespace evenkeel {
namespace {

using doctest::Contains;
using Inputs = std::vector<Tensor>;

constexpr TensorOptions kLeaf{.dtype = DType::float64, .requires_grad = true};
const GradcheckOptions kQuiet{.raise = false};

/// y = x^2 with a backward that multiplies by `formula`.
TensorFunction square_with(std::function<Tensor(const Tensor& x, const Tensor& dy)> formula) {
  return [formula = std::move(formula)](const Inputs& in) {
    const Array value = no_grad([&] { return in[0] * in[0]; }).array();
    return record({.name = "square_with", .inputs = {in[0]}, .keep = Keep::input(0)}, value,
                  [formula](const Saved& saved, const Tensor& dy) -> Grads { return {formula(saved.input(0), dy)}; });
  };
}

const TensorFunction right = square_with([](const Tensor& x, const Tensor& dy) { return dy * 2.0 * x; });

doctest::String text_of(const GradcheckReport& report) { return report.text.c_str(); }

Tensor matrix() { return tensor<double>({0.5, -1, 2, 1.5, 0.25, -0.75}, {2, 3}, true); }

}  // namespace

TEST_CASE("right gradients pass") {
  const Tensor x = matrix();
  const Tensor w = tensor<double>({1, -2, 3}, {3}, true);
  const GradcheckReport report = gradcheck(right, {x});
  CHECK(report);
  CHECK(report.text.empty());
  CHECK(report.worst_error < 1e-8);
  CHECK(gradgradcheck(right, {x}));
  const auto several = [](const Inputs& in) { return tanh(in[0] * in[1]) + in[1]; };
  CHECK(gradcheck(several, {x, w}));
  CHECK(gradgradcheck(several, {x, w}));
  CHECK(gradcheck(several, {x, w.detach()}));
  CHECK(gradcheck([](const Inputs& in) { return exp(in[0]); }, {full({}, 0.3, kLeaf)}));
  CHECK(gradcheck([](const Inputs& in) { return exp(in[0]); }, {full({0, 2}, 0.3, kLeaf)}));
}

TEST_CASE("a wrong factor is reported with input, element, both numbers and error") {
  const auto wrong = square_with([](const Tensor& x, const Tensor& dy) {
    return dy * 2.0 * x *
           where(gt(x, full({}, 1.8, {.dtype = DType::float64})), full({}, 1.5, {.dtype = DType::float64}),
                 ones({}, {.dtype = DType::float64}));
  });
  const GradcheckReport report = gradcheck(wrong, {matrix()}, kQuiet);
  CHECK_FALSE(report);
  CHECK(text_of(report) == Contains("gradcheck: Jacobian mismatch for output 0 with respect to input 0: input element "
                                    "[0, 2], output element [0, 2]: numerical 4"));
  CHECK(text_of(report) == Contains("analytic 6, error 2"));
  CHECK(text_of(report) == Contains("(non-contiguous inputs)"));
  CHECK(report.text.find("[0, 1]") == std::string::npos);
  CHECK(report.worst_error == doctest::Approx(2));
  CHECK_THROWS_WITH_AS(gradcheck(wrong, {matrix()}), Contains("input element [0, 2]"), std::runtime_error);
}

TEST_CASE("tolerances are PyTorch's: atol + rtol |numerical|") {
  const auto off_by = [](double relative) {
    return square_with([relative](const Tensor& x, const Tensor& dy) { return dy * 2.0 * x * (1 + relative); });
  };
  CHECK(gradcheck(off_by(0.9e-3), {full({2}, 3.0, kLeaf)}, kQuiet));
  CHECK_FALSE(gradcheck(off_by(1.1e-3), {full({2}, 3.0, kLeaf)}, kQuiet));
  CHECK(gradcheck(off_by(1.1e-3), {full({2}, 3.0, kLeaf)}, {.rtol = 1e-2, .raise = false}));
}

TEST_CASE("a formula that ignores strides fails for non-contiguous inputs only") {
  const auto careless = [](const Inputs& in) {
    const bool plain = in[0].array().is_contiguous();
    return record({.name = "careless", .inputs = {in[0]}}, in[0].array().clone(),
                  [plain](const Saved&, const Tensor& dy) -> Grads { return {plain ? dy : dy * 2.0}; });
  };
  const GradcheckReport report = gradcheck(careless, {matrix()}, kQuiet);
  CHECK_FALSE(report);
  CHECK(text_of(report) == Contains("(non-contiguous inputs)"));
  CHECK(gradcheck(careless, {matrix()}, {.check_noncontiguous = false, .raise = false}));
}

TEST_CASE("inputs are restored, values, strides and grads") {
  const Tensor x = matrix();
  const Array before = x.array().clone();
  const Array array = x.array();
  gradcheck(right, {x});
  CHECK(x.to_vector<double>() == before.to_vector<double>());
  CHECK(x.array().shares_storage(array));
  CHECK_FALSE(x.grad().defined());
  int calls = 0;
  const auto throwing = [&](const Inputs& in) {
    if (++calls == 20) {
      throw std::runtime_error("on purpose");
    }
    return in[0] * in[0];
  };
  CHECK_THROWS_WITH(gradcheck(throwing, {x}), "on purpose");
  CHECK(x.to_vector<double>() == before.to_vector<double>());
  CHECK(x.array().shares_storage(array));
}

TEST_CASE("what can't be checked is refused") {
  const auto double_it = [](const Inputs& in) { return in[0] * 2.0; };
  CHECK_THROWS_WITH(gradcheck(double_it, {ones({2}, {.requires_grad = true})}),
                    Contains("gradcheck: input 0 must be float64, got float32"));
  CHECK_THROWS_WITH(gradcheck(double_it, {matrix().detach()}),
                    Contains("expects at least one input tensor to require gradient"));
  CHECK_THROWS_WITH(gradcheck(double_it, {Tensor(Array::ones({1}, DType::float64).expand({3}), true)}),
                    Contains("elements that share memory"));
  CHECK_THROWS_WITH(gradcheck([](const Inputs& in) { return to(in[0], DType::float32); }, {matrix()}),
                    Contains("the function returned float32, expected float64"));
  CHECK_THROWS_WITH(gradcheck([](const Inputs&) { return Tensor(); }, {matrix()}), Contains("an undefined tensor"));
  CHECK_THROWS_WITH(gradgradcheck([](const Inputs& in) { return in[0].detach(); }, {matrix()}),
                    Contains("output does not require a gradient"));
}

TEST_CASE("integer inputs pass through") {
  const Tensor index = tensor<std::int64_t>({2, 0}, {2});
  CHECK(gradcheck([](const Inputs& in) { return index_select(in[0] * in[0], 1, in[1]); }, {matrix(), index}));
}

TEST_CASE("an output cut off from its input must not depend on it") {
  CHECK(gradcheck([](const Inputs& in) { return in[0] * 0.0 + 1.0; }, {matrix()}));
  CHECK(gradcheck([](const Inputs&) { return ones({2}, {.dtype = DType::float64}); }, {matrix()}));
  const GradcheckReport report = gradcheck([](const Inputs& in) { return in[0].detach() * 3.0; }, {matrix()}, kQuiet);
  CHECK_FALSE(report);
  CHECK(text_of(report) == Contains("analytic 0, error 3"));
}

TEST_CASE("a backward that is not repeatable, or ignores its upstream gradient, fails") {
  int calls = 0;
  const auto drifting =
      square_with([&](const Tensor& x, const Tensor& dy) { return dy * 2.0 * x * (1 + 1e-12 * ++calls); });
  CHECK(text_of(gradcheck(drifting, {matrix()}, kQuiet)) == Contains("Backward is not reentrant"));
  const auto ignoring = square_with([](const Tensor& x, const Tensor& dy) { return x * 2.0 * (dy * 0.0 + 1.0); });
  CHECK(text_of(gradcheck(ignoring, {matrix()}, kQuiet)) ==
        Contains("backward not multiplied by grad_output: a zero upstream gradient of output 0 gives a non-zero"));
}

TEST_CASE("a wrong second derivative passes gradcheck and fails gradgradcheck") {
  const auto constant_slope = square_with([](const Tensor& x, const Tensor& dy) { return dy * 2.0 * x.detach(); });
  CHECK(gradcheck(constant_slope, {matrix()}, kQuiet));
  const GradcheckReport report = gradgradcheck(constant_slope, {matrix()}, kQuiet);
  CHECK_FALSE(report);
  CHECK(text_of(report) == Contains("gradgradcheck: Jacobian mismatch for output 0 with respect to input 0"));
}

TEST_CASE("parameters that the function reaches by itself can be inputs; reset restores its state") {
  const Tensor weight = tensor<double>({0.5, -1.5, 2}, {3}, true);
  int state = 0;
  const auto layer = [&](const Inputs& in) { return in[0] * weight * static_cast<double>(++state); };
  const Tensor x = matrix();
  CHECK(gradcheck(layer, {x, weight}, {.reset = [&] { state = 0; }}));
  CHECK_FALSE(gradcheck(layer, {x, weight}, kQuiet));
}

TEST_CASE("a long report is cut") {
  const auto wrong = square_with([](const Tensor& x, const Tensor& dy) { return dy * 3.0 * x; });
  const GradcheckReport report =
      gradcheck(wrong, {full({50}, 1.0, kLeaf)}, {.check_noncontiguous = false, .raise = false});
  CHECK(text_of(report) == Contains("... and 30 more"));
}

}  // namespace evenkeel
