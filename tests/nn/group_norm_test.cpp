#include "evenkeel/nn/norm/group_norm.hpp"

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/functional.hpp"
#include "evenkeel/nn/norm/registry.hpp"
#include "tests/support/values.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Approx;
using doctest::Contains;
using test::doubles;
using test::random;

namespace {

/// Group of channel c is c / (C / groups); plain loops over (N, C, *).
std::vector<double> group_norm(const Tensor& x, std::int64_t groups, const std::vector<double>& weight,
                               const std::vector<double>& bias, double eps) {
  const std::vector<double> xs = doubles(x);
  const std::int64_t channels = x.size(1);
  const std::int64_t inner = x.numel() / (x.size(0) * channels);
  const std::int64_t group_size = channels / groups * inner;
  std::vector<double> y(xs.size());
  for (std::int64_t start = 0; start < x.numel(); start += group_size) {
    double mean = 0;
    double var = 0;
    for (std::int64_t i = start; i < start + group_size; ++i) {
      mean += xs[reference::at(i)] / static_cast<double>(group_size);
    }
    for (std::int64_t i = start; i < start + group_size; ++i) {
      var += std::pow(xs[reference::at(i)] - mean, 2) / static_cast<double>(group_size);
    }
    for (std::int64_t i = start; i < start + group_size; ++i) {
      const auto c = reference::at(i / inner % channels);
      y[reference::at(i)] = (xs[reference::at(i)] - mean) / std::sqrt(var + eps) * weight[c] + bias[c];
    }
  }
  return y;
}

}  // namespace

TEST_CASE("groups are blocks of neighbouring channels, on 2-D to 5-D input") {
  for (const Shape& shape :
       {Shape{2, 12}, Shape{2, 12, 5}, Shape{2, 12, 3, 5}, Shape{1, 12, 7, 9}, Shape{3, 12, 2, 1, 5}}) {
    for (const std::int64_t groups : {1, 3, 4, 6, 12}) {
      if (groups == 12 && shape.rank() == 2) {
        continue;
      }
      CAPTURE(shape);
      CAPTURE(groups);
      GroupNorm norm(groups, 12, {.eps = 1e-3});
      norm.to(DType::float64);
      norm.weight.mutable_array().copy_(random({12}, 1).array());
      norm.bias.mutable_array().copy_(random({12}, 2).array());
      const Tensor x = random(shape, 3);
      const std::vector<double> expected = group_norm(x, groups, doubles(norm.weight), doubles(norm.bias), 1e-3);
      CHECK(reference::worst_error(doubles(norm(x)), expected) < 1e-13);
    }
  }
}

TEST_CASE("values that PyTorch gives") {
  GroupNorm norm(2, 4);
  norm.weight.mutable_array().copy_(Array::from<float>(std::vector<float>{1, 2, 3, 4}, {4}));
  norm.bias.mutable_array().copy_(Array::from<float>(std::vector<float>{0, 1, 0, -1}, {4}));
  const std::vector<double> y = doubles(norm(tensor<float>({1, 2, 4, 8, 0, 3, 5, 1}, {1, 4, 2})));
  const std::vector<double> expected = {-1.0259, -0.6527, 1.1865, 4.1705, -3.5151, 1.1717, 4.7287, -3.6038};
  for (std::size_t i = 0; i < y.size(); ++i) {
    CAPTURE(i);
    CHECK(y[i] == Approx(expected[i]).epsilon(1e-4));
  }
}

TEST_CASE("a sample's output does not depend on its batch, nor on train and eval") {
  for (const Shape& shape : {Shape{5, 6, 3, 5}, Shape{5, 6, 20, 20}, Shape{5, 6}}) {
    CAPTURE(shape);
    GroupNorm norm(3, 6);
    const Tensor x = random(shape, 1, DType::float32);
    const Tensor y = norm(x);
    for (std::int64_t n = 0; n < 5; ++n) {
      CHECK(doubles(norm(slice(x, 0, n, n + 1))) == doubles(slice(y, 0, n, n + 1)));
    }
    norm.eval();
    CHECK(doubles(norm(x)) == doubles(y));
  }
}

TEST_CASE("gradients with a frozen weight, without affine, and where the input needs none") {
  const Tensor dy = random({2, 6, 5}, 2);
  const auto gradients = [&](GroupNorm& norm, bool input) {
    norm.to(DType::float64);
    Tensor x(random({2, 6, 5}, 1).array(), input);
    norm(x).backward(dy);
    return x.grad();
  };
  GroupNorm all(2, 6), frozen(2, 6), bare(2, 6, {.affine = false}), parameters(2, 6);
  const Tensor dx = gradients(all, true);
  frozen.weight.requires_grad_(false);
  CHECK(doubles(gradients(frozen, true)) == doubles(dx));
  CHECK_FALSE(frozen.weight.grad().defined());
  CHECK(doubles(frozen.bias.grad()) == doubles(all.bias.grad()));
  CHECK(doubles(gradients(bare, true)) == doubles(dx));
  CHECK_FALSE(gradients(parameters, false).defined());
  CHECK(doubles(parameters.weight.grad()) == doubles(all.weight.grad()));
  CHECK(bare.state_dict().empty());
}

TEST_CASE("groups of a single element are refused in any batch; the function takes them in a batch of more than one") {
  GroupNorm norm(4, 4);
  CHECK_THROWS_WITH(norm(zeros({1, 4, 1, 1})),
                    "GroupNorm: Expected more than 1 value per channel when training, got input size [1, 4, 1, 1]: "
                    "each of the 4 groups has a single element; use fewer groups, such as GroupNorm(2, 4), larger maps "
                    "or BatchNorm with a larger batch");
  CHECK_THROWS_WITH(norm(zeros({3, 4})), Contains("got input size [3, 4]: each of the 4 groups"));
  CHECK_THROWS_WITH(GroupNorm(1, 1)(zeros({2, 1, 1})), Contains("has a single element; use larger maps or BatchNorm"));
  CHECK(norm(zeros({0, 4, 1})).shape() == Shape{0, 4, 1});
  CHECK_THROWS_WITH(functional::group_norm(zeros({1, 4, 1}), 4),
                    "group_norm: Expected more than 1 value per channel when training, got input size [1, 4, 1]");
  Tensor x = random({3, 4}, 1, DType::float32).requires_grad_();
  const Tensor y = functional::group_norm(x, 4, {}, full({4}, 0.5));
  CHECK(doubles(y) == std::vector<double>(12, 0.5));
  y.backward(random({3, 4}, 2, DType::float32));
  for (const double dx : doubles(x.grad())) {
    CHECK(std::abs(dx) < 1e-6 / std::sqrt(1e-5));  // 0 but for rounding, times the scale
  }
}

TEST_CASE("shapes and options are checked") {
  CHECK_THROWS_WITH(
      GroupNorm(32, 48),
      "GroupNorm: num_channels must be divisible by num_groups, got 48 channels and 32 groups; num_groups "
      "may be 1, 2, 3, 4, 6, 8, 12, 16, 24, 48");
  CHECK_THROWS_WITH(GroupNorm(0, 4), Contains("got 4 channels and 0 groups"));
  CHECK_THROWS_WITH(GroupNorm(-2, 4), Contains("num_groups may be 1, 2, 4"));
  CHECK_THROWS_WITH(GroupNorm(2, 0), Contains("num_channels must be positive, got 0"));
  CHECK_THROWS_WITH(GroupNorm(2, 4, {.eps = -1}), Contains("eps must be at least 0, got -1"));
  GroupNorm norm(2, 4);
  CHECK_THROWS_WITH(norm(zeros({3, 6, 5})), "GroupNorm: expected 4 channels, got 6 (input of shape [3, 6, 5])");
  CHECK_THROWS_WITH(norm(zeros({4})), Contains("expected at least 2D input (got 1D input of shape [4])"));
  CHECK_THROWS_WITH(norm(Tensor()), Contains("undefined tensor"));
}

TEST_CASE("an empty batch") {
  GroupNorm norm(2, 4);
  Tensor x = zeros({0, 4, 3}, {.requires_grad = true});
  const Tensor y = norm(x);
  CHECK(y.shape() == Shape{0, 4, 3});
  y.backward(zeros({0, 4, 3}));
  CHECK(doubles(norm.weight.grad()) == std::vector<double>(4, 0));
}

TEST_CASE("choose_gn_groups takes the first of 32, 16, 8, 4, 2, 1 that divides") {
  const std::vector<std::pair<std::int64_t, std::int64_t>> expected = {{64, 32}, {32, 32}, {48, 16}, {24, 8},
                                                                       {12, 4},  {6, 2},   {7, 1},   {1, 1}};
  for (const auto& [channels, groups] : expected) {
    CHECK(choose_gn_groups(channels) == groups);
  }
  CHECK_THROWS_WITH(choose_gn_groups(0), Contains("channels must be positive, got 0"));
}

TEST_CASE("the registry makes norms by name") {
  for (const NormEntry& entry : norms()) {
    CAPTURE(entry.name);
    CHECK_FALSE(entry.description.empty());
    CHECK((*make_norm(entry.name, 8))(random({2, 8, 3, 5}, 1, DType::float32)).shape() == Shape{2, 8, 3, 5});
  }
  CHECK(concat(*make_norm("bn", 8, {.eps = 1e-3, .momentum = std::nullopt})) ==
        "BatchNorm2d(8, eps=0.001, momentum=None, affine=True, track_running_stats=True)");
  CHECK(concat(*make_norm("gn", 48)) == "GroupNorm(16, 48, eps=1e-05, affine=True)");
  CHECK(concat(*make_norm("gn", 48, {.affine = false, .num_groups = 3})) ==
        "GroupNorm(3, 48, eps=1e-05, affine=False)");
  CHECK(concat(*make_norm("none", 48)) == "Identity()");
  CHECK_THROWS_WITH(make_norm("BN", 8), Contains("make_norm: no norm is called 'BN'; there are bn, "));
  CHECK_THROWS_WITH(make_norm("gn", 48, {.num_groups = 32}), Contains("must be divisible by num_groups"));
}

TEST_CASE("the registry's forms for other ranks") {
  CHECK(make_norm("bn", 8, {.spatial_dims = 0})->type_name() == "BatchNorm1d");
  CHECK(make_norm("bn", 8, {.spatial_dims = 3})->type_name() == "BatchNorm3d");
  CHECK(make_norm("in", 8, {.spatial_dims = 1})->type_name() == "InstanceNorm1d");
  CHECK_THROWS_WITH(make_norm("in", 8, {.spatial_dims = 0}),
                    "make_norm: 'in' takes input of 1 to 3 spatial dims after (N, C), not of 0");
  CHECK(concat(*make_norm("gn", 16, {.spatial_dims = 0})) == "GroupNorm(8, 16, eps=1e-05, affine=True)");
  CHECK(concat(*make_norm("gn", 48, {.spatial_dims = 0})) == "GroupNorm(16, 48, eps=1e-05, affine=True)");
  CHECK(concat(*make_norm("ln", 6)) == "GroupNorm(1, 6, eps=1e-05, affine=True)");
}
