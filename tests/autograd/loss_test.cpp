// Losses at the edges: bad targets, ignored samples, weights of zero, extreme logits; texts of the errors.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace evenkeel {
namespace {

using Values = std::vector<double>;
using Indices = std::vector<std::int64_t>;
constexpr double kInf = std::numeric_limits<double>::infinity();

Tensor logits(const Values& values, const Shape& shape) { return tensor(values, shape, true); }
Tensor indices(const Indices& values, const Shape& shape) { return tensor(values, shape); }
Values gradient(const Tensor& x, const Tensor& y) { return grad({sum(y)}, {x})[0].to_vector<double>(); }

const Tensor kRows = logits({0.3, -1.2, 2.0, 0.1, 0.9, -0.4, 1.1, 0.0, -2.0}, {3, 3});

}  // namespace

TEST_CASE("a target out of range is an error with every reduction, also for images") {
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    for (const std::int64_t bad : {3, -1, 255, -100000}) {
      CHECK_THROWS_WITH_AS(cross_entropy(kRows, indices({0, bad, 1}, {3}), {.reduction = reduction}),
                           doctest::Contains("cross_entropy: Target "), IndexError);
      CHECK_THROWS_WITH_AS(nll_loss(kRows, indices({0, bad, 1}, {3}), {.reduction = reduction}),
                           doctest::Contains("is out of bounds: target number 1, 3 classes"), IndexError);
      const Tensor images = logits(Values(24, 0.5), {2, 3, 2, 2});
      CHECK_THROWS_WITH(cross_entropy(images, indices({0, 1, 2, 0, 1, 2, 0, bad}, {2, 2, 2}), {.reduction = reduction}),
                        doctest::Contains("out of bounds"));
    }
  }
}

TEST_CASE("weights of another dtype than the input's are errors") {
  const Tensor w32 = ones({3}), w64 = ones({3}, {.dtype = DType::float64});
  const Tensor x32 = ones({2, 3}), target = indices({0, 1}, {2});
  const Tensor x64 = to(x32, DType::float64);
  CHECK_THROWS_WITH(cross_entropy(x32, target, {.weight = w64}),
                    "cross_entropy: weight must be float32, as the input, got float64");
  CHECK_THROWS_WITH(cross_entropy(x64, target, {.weight = w32}),
                    "cross_entropy: weight must be float64, as the input, got float32");
  CHECK_THROWS_WITH(cross_entropy(x32, x32, {.weight = w64}),
                    "cross_entropy: weight must be float32, as the input, got float64");
  CHECK_THROWS_WITH(nll_loss(x32, target, {.weight = w64}),
                    "nll_loss: weight must be float32, as the input, got float64");
  CHECK_THROWS_WITH(binary_cross_entropy_with_logits(x32, x32, {.weight = w64}),
                    "binary_cross_entropy_with_logits: weight must be float32, as the input, got float64");
  CHECK_THROWS_WITH(binary_cross_entropy_with_logits(x64, x64, {.pos_weight = w32}),
                    "binary_cross_entropy_with_logits: pos_weight must be float64, as the input, got float32");
  CHECK(binary_cross_entropy_with_logits(x64, x64, {.weight = w64, .pos_weight = w64}).dtype() == DType::float64);
}

TEST_CASE("targets of a wrong shape, count or dtype are errors") {
  CHECK_THROWS_WITH(cross_entropy(kRows, indices({0, 1}, {2})),
                    doctest::Contains("the target must have shape [3] (the input's without its class axis), got [2]"));
  CHECK_THROWS_WITH(cross_entropy(kRows, tensor<double>({0, 1, 2}, {3})),
                    doctest::Contains("the target must hold int64 class indices, got float64"));
  CHECK_THROWS_WITH(cross_entropy(kRows, tensor<float>(std::vector<float>(9, 0.1f), {3, 3})),
                    doctest::Contains("target probabilities must be float64, as the input, got float32"));
  CHECK_THROWS_WITH(cross_entropy(logits({1}, {}), indices({0}, {})), doctest::Contains("the input must be of shape"));
  CHECK_THROWS_WITH(cross_entropy(kRows, indices({0, 1, 2}, {3}), {.weight = tensor<double>({1, 2}, {2})}),
                    doctest::Contains("weight must be of shape [3], one number per class, got"));
  CHECK_THROWS_WITH(cross_entropy(kRows, indices({0, 1, 2}, {3}), {.label_smoothing = 1.5}),
                    doctest::Contains("label_smoothing must lie in [0, 1], got 1.5"));
  CHECK_THROWS_WITH(cross_entropy(kRows, Tensor(Array::full({3, 3}, 0.1, DType::float64)), {.ignore_index = 1}),
                    doctest::Contains("ignore_index must be negative beside target probabilities, got"));
  CHECK_THROWS_WITH(cross_entropy(Tensor(), indices({0}, {1})), doctest::Contains("undefined"));
  CHECK_THROWS_WITH(cross_entropy(kRows, Tensor()), doctest::Contains("undefined"));
}

TEST_CASE("an ignored sample adds nothing to loss, divisor or gradient, inside and outside the range of classes") {
  const Tensor two = logits({0.3, -1.2, 2.0, 1.1, 0.0, -2.0}, {2, 3});
  const Tensor weight = tensor<double>({0.5, 2, 1.5}, {3});
  for (const std::int64_t ignored : {-100, 1, 77}) {
    for (const double smoothing : {0.0, 0.3}) {
      for (const Reduction reduction : {Reduction::mean, Reduction::sum}) {
        const CrossEntropyOptions options{
            .weight = weight, .ignore_index = ignored, .label_smoothing = smoothing, .reduction = reduction};
        const Tensor all = cross_entropy(kRows, indices({2, ignored, 0}, {3}), options);
        const Tensor kept = cross_entropy(two, indices({2, 0}, {2}), options);
        CHECK(all.item() == doctest::Approx(kept.item()).epsilon(1e-14));
        const Values dx = gradient(kRows, all), expected = gradient(two, kept);
        CHECK(Values(dx.begin() + 3, dx.begin() + 6) == Values{0, 0, 0});
        CHECK(dx[0] == doctest::Approx(expected[0]).epsilon(1e-14));
        CHECK(dx[8] == doctest::Approx(expected[5]).epsilon(1e-14));
      }
    }
  }
}

TEST_CASE("a NaN in an ignored sample does no harm, one in another sample reaches its loss and gradient") {
  const double nan = std::nan("");
  const Tensor x = logits({0.3, -1.2, nan, 1.1, 0.0, -2.0}, {2, 3});
  const Tensor ignored = cross_entropy(x, indices({-100, 0}, {2}));
  CHECK(ignored.item() == doctest::Approx(std::log(1 + std::exp(-1.1) + std::exp(-3.1))).epsilon(1e-14));
  const Values dx = gradient(x, ignored);
  CHECK(Values(dx.begin(), dx.begin() + 3) == Values{0, 0, 0});
  const Tensor kept = cross_entropy(x, indices({0, 0}, {2}), {.reduction = Reduction::none});
  CHECK(std::isnan(kept.to_vector<double>()[0]));
  CHECK(!std::isnan(kept.to_vector<double>()[1]));
  CHECK(std::isnan(gradient(x, kept)[1]));
}

TEST_CASE("every target ignored: the sum is 0, the mean NaN, the gradient 0 in both backwards") {
  const Tensor target = indices({-100, -100, -100}, {3});
  CHECK(cross_entropy(kRows, target, {.reduction = Reduction::sum}).item() == 0);
  CHECK(cross_entropy(kRows, target, {.reduction = Reduction::none}).to_vector<double>() == Values{0, 0, 0});
  const Tensor mean = cross_entropy(kRows, target);
  CHECK(std::isnan(mean.item()));
  CHECK(gradient(kRows, mean) == Values(9, 0));
  const Tensor twice = grad({cross_entropy(kRows, target)}, {kRows}, {}, {.create_graph = true})[0];
  CHECK(twice.to_vector<double>() == Values(9, 0));
  CHECK(std::isnan(nll_loss(kRows, target).item()));
}

TEST_CASE("extreme logits give exact losses and gradients") {
  const Tensor x = logits({1e4, -1e4, 1e4, -1e4}, {2, 2});
  const Tensor loss = cross_entropy(x, indices({0, 1}, {2}), {.reduction = Reduction::none});
  CHECK(loss.to_vector<double>() == Values{0, 2e4});
  CHECK(gradient(x, loss) == Values{0, 0, 1, -1});
  const Tensor single = tensor<float>({1e4f, -1e4f}, {1, 2}, true);
  CHECK(cross_entropy(single, indices({1}, {1})).item() == 2e4);
}

TEST_CASE("a logit of -inf on another class has probability 0 and gradient 0") {
  const Tensor x = logits({-kInf, 1, 2}, {1, 3});
  const double expected = std::log(1 + std::exp(1.0));
  const Tensor loss = cross_entropy(x, indices({1}, {1}));
  CHECK(loss.item() == doctest::Approx(expected).epsilon(1e-14));
  const Values dx = gradient(x, loss);
  CHECK(dx[0] == 0);
  CHECK(dx[1] == doctest::Approx(-dx[2]).epsilon(1e-14));
  const Tensor soft = cross_entropy(x, tensor<double>({0, 1, 0}, {1, 3}));
  CHECK(soft.item() == doctest::Approx(expected).epsilon(1e-14));
  CHECK(gradient(x, soft)[0] == 0);
  CHECK(cross_entropy(x, indices({0}, {1})).item() == kInf);
}

TEST_CASE("the gradient of each row sums to zero without weights") {
  const Values dx = gradient(kRows, cross_entropy(kRows, indices({2, 0, 1}, {3}), {.reduction = Reduction::sum}));
  for (std::size_t row = 0; row < 3; ++row) {
    CHECK(std::abs(dx[3 * row] + dx[3 * row + 1] + dx[3 * row + 2]) <= 2e-16);
  }
}

TEST_CASE("a confident right answer costs next to nothing, never less") {
  const Tensor x = logits({90, 0, 40, 0}, {2, 2});
  const Values loss = cross_entropy(x, indices({0, 0}, {2}), {.reduction = Reduction::none}).to_vector<double>();
  CHECK(loss[0] >= 0);
  CHECK(loss[0] <= 1e-38);
  CHECK(loss[1] >= 0);
  CHECK(loss[1] <= 1e-17);
}

TEST_CASE("the mean divides by the weights of the targets") {
  const Tensor weight = tensor<double>({0, 3, 1}, {3});
  const Values losses =
      cross_entropy(kRows, indices({1, 2, 0}, {3}), {.reduction = Reduction::none}).to_vector<double>();
  const Tensor mean = cross_entropy(kRows, indices({1, 2, 0}, {3}), {.weight = weight});
  CHECK(mean.item() == doctest::Approx((3 * losses[0] + losses[1]) / 4).epsilon(1e-14));
}

TEST_CASE("changing a target after the loss is noticed") {
  Tensor target = indices({2, 0, 1}, {3});
  const Tensor loss = cross_entropy(kRows, target);
  target.mutable_array().fill_(0);
  CHECK_THROWS_WITH(loss.backward(), doctest::Contains("changed in place"));
}

TEST_CASE("binary cross entropy is exact for extreme logits") {
  const Tensor x = logits({1e4, -1e4, 1e4, -1e4, -30}, {5});
  const Tensor target = tensor<double>({1, 0, 0, 1, 0}, {5});
  const Tensor loss = binary_cross_entropy_with_logits(x, target, {.reduction = Reduction::none});
  const Values y = loss.to_vector<double>();
  CHECK(Values(y.begin(), y.begin() + 4) == Values{0, 0, 1e4, 1e4});
  CHECK(y[4] == doctest::Approx(std::exp(-30.0)).epsilon(1e-12));
  const Values dx = gradient(x, loss);
  CHECK(Values(dx.begin(), dx.begin() + 4) == Values{0, 0, 1, -1});
  CHECK(dx[4] == doctest::Approx(std::exp(-30.0)).epsilon(1e-12));
}

TEST_CASE("binary cross entropy at infinite logits: the right side costs nothing, the wrong one everything") {
  const Tensor x = logits({kInf, -kInf, kInf, -kInf}, {4});
  const Tensor target = tensor<double>({1, 0, 0, 1}, {4});
  for (const bool with_pos_weight : {false, true}) {
    BceOptions options{.reduction = Reduction::none};
    if (with_pos_weight) {
      options.pos_weight = full({1}, 2, {.dtype = DType::float64});
    }
    const Tensor loss = binary_cross_entropy_with_logits(x, target, options);
    CHECK(loss.to_vector<double>() == Values{0, 0, kInf, kInf});
    CHECK(gradient(x, loss) == Values{0, 0, 1, with_pos_weight ? -2.0 : -1.0});
  }
  const Tensor narrow = x.to(DType::float32), narrow_target = target.to(DType::float32);
  CHECK(binary_cross_entropy_with_logits(narrow, narrow_target, {.reduction = Reduction::none}).to_vector<float>() ==
        std::vector<float>{0, 0, INFINITY, INFINITY});
  const Values undefined = binary_cross_entropy_with_logits(logits({NAN, NAN}, {2}), tensor<double>({1, 0}, {2}),
                                                            {.reduction = Reduction::none})
                               .to_vector<double>();
  CHECK(std::isnan(undefined[0]));
  CHECK(std::isnan(undefined[1]));
}

TEST_CASE("an element of weight 0 adds nothing to binary cross entropy, however wrong it is") {
  const Tensor x = logits({kInf, -kInf, 0.5}, {3}), target = tensor<double>({0, 1, 1}, {3});
  const Tensor weight = tensor<double>({0, 0, 2}, {3});
  const double one = 2 * std::log1p(std::exp(-0.5)), slope = -2 / (1 + std::exp(0.5));
  const Tensor weighted = binary_cross_entropy_with_logits(x, target, {.weight = weight, .reduction = Reduction::sum});
  CHECK(weighted.item() == doctest::Approx(one).epsilon(1e-14));
  const Values dx = gradient(x, weighted);
  CHECK(dx[0] == 0);
  CHECK(dx[1] == 0);
  CHECK(dx[2] == doctest::Approx(slope).epsilon(1e-14));
  const Tensor wrong = logits({-kInf, 0.5}, {2}), yes = tensor<double>({1, 1}, {2});
  const Tensor without = binary_cross_entropy_with_logits(
      wrong, yes, {.pos_weight = tensor<double>({0, 2}, {2}), .reduction = Reduction::sum});
  CHECK(without.item() == doctest::Approx(one).epsilon(1e-14));
  CHECK(gradient(wrong, without)[0] == 0);
}

TEST_CASE("a target of an infinite logit gets no gradient where the loss gets none") {
  const Tensor x = tensor<double>({kInf, 0.5}, {2}), target = logits({0.25, 0.25}, {2});
  const Tensor loss =
      binary_cross_entropy_with_logits(x, target, {.weight = tensor<double>({0, 1}, {2}), .reduction = Reduction::sum});
  CHECK(gradient(target, loss) == Values{0, -0.5});
}

TEST_CASE("losses of two tensors refuse to broadcast") {
  const Tensor x = logits({1, 2, 3}, {3, 1}), target = tensor<double>({1, 2, 3}, {3});
  CHECK_THROWS_WITH(mse_loss(x, target),
                    doctest::Contains("mse_loss: input and target must have one shape, got [3, 1] and [3]"));
  CHECK_THROWS_WITH(l1_loss(x, target), doctest::Contains("l1_loss: input and target must have one shape"));
  CHECK_THROWS_WITH(smooth_l1_loss(x, target),
                    doctest::Contains("smooth_l1_loss: input and target must have one shape"));
  CHECK_THROWS_WITH(binary_cross_entropy_with_logits(x, target),
                    doctest::Contains("input and target must have one shape, got [3, 1] and [3]"));
  CHECK_THROWS_WITH(smooth_l1_loss(x, x, Reduction::mean, -1), doctest::Contains("beta must be at least 0, got -1"));
  CHECK_THROWS_WITH(mse_loss(x, tensor<float>({1, 2, 3}, {3, 1})), doctest::Contains("float32"));
}

TEST_CASE("smooth l1 has its curvature at zero too") {
  const Tensor x = logits({0, 0.1}, {2});
  const Tensor loss = smooth_l1_loss(x, tensor<double>({0, 0}, {2}), Reduction::sum, 0.5);
  const Tensor dx = grad({loss}, {x}, {}, {.create_graph = true})[0];
  CHECK(gradient(x, dx) == Values{2, 2});
}

TEST_CASE("a mean over a million float32 losses keeps its digits") {
  const Tensor x(Array::full({1000000}, 0.1, DType::float32)), zero(Array::zeros({1000000}));
  CHECK(l1_loss(x, zero).item() == doctest::Approx(static_cast<double>(0.1f)).epsilon(1e-7));
  CHECK(l1_loss(x, zero, Reduction::sum).item() == doctest::Approx(1e6 * static_cast<double>(0.1f)).epsilon(1e-7));
}

}  // namespace evenkeel
