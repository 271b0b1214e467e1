#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/dropout.hpp"
#include "evenkeel/nn/functional.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/loss.hpp"
#include "evenkeel/nn/pool.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Approx;
using doctest::Contains;

namespace {

double largest(const Tensor& tensor) {
  double result = 0;
  for (const float value : tensor.to_vector<float>()) {
    result = std::max(result, static_cast<double>(std::abs(value)));
  }
  return result;
}

}  // namespace

TEST_CASE("weights and biases start uniform in 1/sqrt(fan_in)") {
  Generator g(31);
  const Linear linear(400, 300, g);
  CHECK(largest(linear.weight) <= 0.05);
  CHECK(largest(linear.weight) > 0.0499);
  CHECK(largest(linear.bias) <= 0.05);
  CHECK(largest(linear.bias) > 0.048);
  const Conv2d conv(8, 200, g, Conv2dOptions{.kernel_size = {3, 5}, .groups = 2});  // fan_in = 4 * 15
  CHECK(largest(conv.weight) <= 1 / std::sqrt(60) + 1e-7);
  CHECK(largest(conv.weight) > 0.99 / std::sqrt(60));
  CHECK(largest(conv.bias) > 0.95 / std::sqrt(60));
  CHECK(conv.weight.shape() == Shape{200, 4, 3, 5});
  const ConvTranspose2d transposed(40, 6, g, ConvTranspose2dOptions{.kernel_size = 4, .groups = 2});  // 3 * 16
  CHECK(largest(transposed.weight) <= 1 / std::sqrt(48) + 1e-7);
  CHECK(largest(transposed.weight) > 0.99 / std::sqrt(48));
  CHECK(transposed.weight.shape() == Shape{40, 3, 4, 4});
  CHECK(transposed.bias.shape() == Shape{6});
}

TEST_CASE("reset_parameters draws anew, in place") {
  Generator g(32);
  Linear layer(3, 2, g);
  const Tensor handle = layer.weight;
  const auto before = handle.to_vector<float>();
  layer.reset_parameters(g);
  CHECK(handle.is(layer.weight));
  CHECK(handle.to_vector<float>() != before);
}

TEST_CASE("convolutions check their options when they are made") {
  Generator g(1);
  const auto conv = [&](std::int64_t in, std::int64_t out, Conv2dOptions o) { Conv2d layer(in, out, g, o); };
  CHECK_THROWS_WITH(conv(3, 8, {.kernel_size = 3, .groups = 2}),
                    "Conv2d: in_channels must be divisible by groups, got 3 and 2");
  CHECK_THROWS_WITH(conv(4, 7, {.kernel_size = 3, .groups = 2}),
                    "Conv2d: out_channels must be divisible by groups, got 7 and 2");
  CHECK_THROWS_WITH(conv(4, 8, {.kernel_size = 3, .groups = 0}), "Conv2d: groups must be a positive integer, got 0");
  CHECK_THROWS_WITH(conv(4, 8, {.kernel_size = {3, 0}}), "Conv2d: kernel_size must be positive, got (3, 0)");
  CHECK_THROWS_WITH(conv(4, 8, {.kernel_size = 3, .stride = {0, 1}}), "Conv2d: stride must be positive, got (0, 1)");
  CHECK_THROWS_WITH(conv(4, 8, {.kernel_size = 3, .dilation = 0}), "Conv2d: dilation must be positive, got (0, 0)");
  CHECK_THROWS_WITH(conv(4, 8, {.kernel_size = 3, .padding = -1}),
                    "Conv2d: padding must not be negative, got (-1, -1)");
  CHECK_THROWS_WITH(conv(4, 8, {.kernel_size = 3, .stride = 2, .padding = "same"}),
                    Contains("padding='same' is not supported for strided convolutions"));
  CHECK_THROWS_WITH(conv(4, 8, {.kernel_size = 3, .padding = "foo"}), Contains("foo"));
  CHECK_THROWS_WITH(conv(0, 8, {.kernel_size = 3}), Contains("in_channels and out_channels must be positive"));
  const auto transposed = [&](ConvTranspose2dOptions o) { ConvTranspose2d layer(4, 6, g, o); };
  CHECK_THROWS_WITH(transposed({.kernel_size = 3, .groups = 3}), Contains("ConvTranspose2d: in_channels must be"));
  CHECK_THROWS_WITH(transposed({.kernel_size = 3, .output_padding = 1}),
                    Contains("output_padding must be smaller than either stride or dilation"));
  CHECK_THROWS_WITH(transposed({.kernel_size = 3, .output_padding = -1}),
                    Contains("output_padding must not be negative"));
  CHECK_THROWS_WITH(Linear(-1, 2, g), Contains("Linear: in_features and out_features must not be negative"));
}

TEST_CASE("pools and dropout check their options when they are made") {
  CHECK_THROWS_WITH(MaxPool2d(0), "MaxPool2d: kernel_size must be positive, got (0, 0)");
  CHECK_THROWS_WITH(MaxPool2d(MaxPool2dOptions{.kernel_size = {3, 2}, .padding = {1, 2}}),
                    "MaxPool2d: padding must be at most half of kernel_size, got (1, 2) and (3, 2)");
  CHECK_THROWS_WITH(MaxPool2d(MaxPool2dOptions{.kernel_size = 2, .dilation = 0}),
                    Contains("dilation must be positive"));
  CHECK_THROWS_WITH(AvgPool2d(AvgPool2dOptions{.kernel_size = 2, .stride = Size2(0)}),
                    "AvgPool2d: stride must be positive, got (0, 0)");
  CHECK_THROWS_WITH(AvgPool2d(AvgPool2dOptions{.kernel_size = 2, .divisor_override = 0}),
                    "AvgPool2d: divisor must be not zero");
  CHECK_THROWS_WITH(AdaptiveAvgPool2d(-1), Contains("output_size must not be negative"));
  Generator g(1);
  CHECK_THROWS_WITH(Dropout(1.5, g), "Dropout: p must lie in [0, 1], got 1.5");
  CHECK_THROWS_WITH(Dropout2d(-0.1, g), "Dropout2d: p must lie in [0, 1], got -0.1");
}

TEST_CASE("Dropout: eval is the identity and draws nothing; training drops p and scales the rest") {
  Generator source(33);
  Dropout layer(0.3, source);
  const Tensor x = ones({20000});
  layer.eval();
  const auto state = layer.generator.state();
  CHECK(largest(layer(x) - x) == 0);
  CHECK(layer.generator.state() == state);
  layer.train();
  const auto y = layer(x).to_vector<float>();
  const auto dropped = std::count(y.begin(), y.end(), 0.0f);
  CHECK(static_cast<double>(dropped) == Approx(6000).epsilon(0.03));
  for (const float value : y) {
    CHECK((value == 0 || value == Approx(1 / 0.7)));
  }
  CHECK(layer(x).to_vector<float>() != y);
  // Whole channels:
  Dropout2d channels(0.5, source);
  const auto z = channels(ones({40, 50, 3})).to_vector<float>();
  std::int64_t kept = 0;
  for (std::size_t i = 0; i < z.size(); i += 3) {
    CHECK(z[i] == z[i + 1]);
    CHECK(z[i] == z[i + 2]);
    kept += z[i] != 0;
  }
  CHECK(static_cast<double>(kept) == Approx(1000).epsilon(0.1));
}

TEST_CASE("two networks from equal seeds drop the same; a layer's masks do not depend on its neighbours") {
  Generator a(34);
  Generator b(34);
  Sequential one;
  one.append<Dropout>(0.5, a).append<Dropout>(0.5, a);
  Sequential two;
  two.append<Dropout>(0.5, b).append<Dropout>(0.5, b);
  const Tensor x = ones({100});
  two[0](x);
  CHECK(one[1](x).to_vector<float>() == two[1](x).to_vector<float>());
}

TEST_CASE("loss modules give their functional forms; their weights are buffers") {
  const Tensor input = tensor<float>({1, 2, 0.5, -1, 0, 3}, {2, 3});
  const Tensor target = tensor<std::int64_t>({1, 0}, {2});
  const Tensor weight = tensor<float>({1, 2, 3}, {3});
  CrossEntropyLoss loss({.weight = weight, .label_smoothing = 0.1, .reduction = Reduction::sum});
  CHECK(loss.state_dict()[0].first == "weight");
  CHECK(loss(input, target).item() ==
        cross_entropy(input, target, {.weight = weight, .label_smoothing = 0.1, .reduction = Reduction::sum}).item());
  CHECK(CrossEntropyLoss().state_dict().empty());
  // -log(e^2 / (e^1 + e^2 + e^0.5)) and -log(e^-1 / (e^-1 + e^0 + e^3)), by hand
  CHECK(CrossEntropyLoss()(input, target).item() == Approx((0.464369 + 4.065884) / 2).epsilon(1e-5));
  loss.to(DType::float64);
  const Tensor wide = Tensor(input.array().to(DType::float64));
  CHECK(loss(wide, target).dtype() == DType::float64);
  const Tensor zeros2 = zeros({2, 3});
  CHECK(MSELoss()(input, zeros2).item() == Approx(15.25 / 6));
  CHECK(MSELoss(Reduction::sum)(input, zeros2).item() == Approx(15.25));
  CHECK(L1Loss()(input, zeros2).item() == Approx(7.5 / 6));
  // |d| < 2: d^2 / 4, else |d| - 1
  CHECK(SmoothL1Loss(Reduction::sum, 2)(input, zeros2).item() == Approx(0.25 + 1 + 0.0625 + 0.25 + 0 + 2));
  CHECK_THROWS_WITH(SmoothL1Loss(Reduction::mean, -1), Contains("beta must not be negative"));
  CHECK(NLLLoss({.weight = weight})(input, target).item() == Approx((-2 * 2 + 1) / 3.0));
  CHECK(BCEWithLogitsLoss()(zeros2, zeros2).item() == Approx(std::log(2)));
  BCEWithLogitsLoss bce({.weight = weight, .pos_weight = ones({3})});
  CHECK(bce.state_dict()[0].first == "weight");
  CHECK(bce.state_dict()[1].first == "pos_weight");
  CHECK(bce(zeros2, zeros2).item() == Approx(2 * std::log(2)));
}

TEST_CASE("functional forms stand under PyTorch's names") {
  namespace F = nn::functional;
  const Tensor x = tensor<float>({-1, 2, -3, 4}, {1, 1, 2, 2});
  CHECK(F::relu(x).to_vector<float>() == std::vector<float>{0, 2, 0, 4});
  CHECK(F::max_pool2d(x, {.kernel_size = 2}).item() == 4);
  CHECK(F::adaptive_avg_pool2d(x, 1).item() == 0.5);
  CHECK(F::conv2d(x, ones({1, 1, 2, 2})).item() == 2);
  CHECK(F::pad(x, {1, 0}).shape() == Shape{1, 1, 2, 3});
  CHECK(F::mse_loss(x, x).item() == 0);
  // One channel of -1, 2, -3, 4: mean 0.5, squared deviations sum to 29.
  Tensor mean = tensor<float>({1}, {1});
  Tensor var = tensor<float>({2}, {1});
  const std::vector<float> y = F::batch_norm(x, mean, var, {}, {}, {.training = true, .eps = 0}).to_vector<float>();
  CHECK(y[3] == Approx(3.5 / std::sqrt(29.0 / 4)));
  CHECK(mean.item() == Approx(0.9 * 1 + 0.1 * 0.5));
  CHECK(var.item() == Approx(0.9 * 2 + 0.1 * 29 / 3));
  CHECK(F::batch_norm(x, mean, var, {}, {}, {.eps = 0}).to_vector<float>()[1] ==
        Approx((2 - 0.95) / std::sqrt(1.8 + 2.9 / 3)));
  CHECK(F::group_norm(x, 1, {}, {}, 0).to_vector<float>() == y);
  CHECK_THROWS_WITH(F::batch_norm(x, {}, {}), Contains("Expected running_mean and running_var to be defined"));
  CHECK_THROWS_WITH(F::batch_norm(x, mean, {}), Contains("or neither"));
  CHECK_THROWS_WITH(F::batch_norm(x, ones({2}), ones({2})), Contains("should contain 1 elements"));
  CHECK_THROWS_WITH(F::batch_norm(ones({1, 3}), {}, {}, {}, {}, {.training = true}),
                    Contains("Expected more than 1 value per channel when training, got input size [1, 3]"));
  CHECK_THROWS_WITH(F::group_norm(ones({2, 6}), 4), Contains("divisible by num_groups"));
  CHECK_THROWS_WITH(F::group_norm(ones({6}), 2), Contains("at least 2 dims"));
}

TEST_CASE("Linear and convolutions around given values, which they share") {
  Generator g(7);
  const Tensor x = randn({2, 4, 5, 6}, g), w = randn({6, 2, 3, 1}, g), b = randn({6}, g);
  Conv2d conv(w.array(), b.array(), {.stride = 2, .padding = {1, 0}, .groups = 2});
  CHECK(concat(conv) == "Conv2d(4, 6, kernel_size=(3, 1), stride=(2, 2), padding=(1, 0), groups=2)");
  CHECK(conv.weight.array().shares_storage(w.array()));
  CHECK(conv.weight.requires_grad());
  CHECK(conv(x).to_vector<float>() ==
        conv2d(x, w, b, {.stride = 2, .padding = {1, 0}, .groups = 2}).to_vector<float>());
  ConvTranspose2d back(w.array(), {}, {.groups = 3});
  CHECK(concat(back) == "ConvTranspose2d(6, 6, kernel_size=(3, 1), stride=(1, 1), groups=3, bias=False)");
  CHECK(back(randn({1, 6, 2, 2}, g)).shape() == Shape{1, 6, 4, 2});
  const Tensor rows = randn({3, 5}, g), v = randn({2, 5}, g);
  Linear linear(v.array());
  CHECK(concat(linear) == "Linear(in_features=5, out_features=2, bias=False)");
  CHECK(linear(rows).to_vector<float>() == evenkeel::linear(rows, v).to_vector<float>());
  CHECK_THROWS_WITH(Linear(w.array()), "Linear: the weight must have 2 dims, got shape [6, 2, 3, 1]");
  CHECK_THROWS_WITH(Linear(v.array(), b.array()), "Linear: the bias must have shape [2], got [6]");
  CHECK_THROWS_WITH(Conv2d(Array{}), "Conv2d: the weight must have 4 dims, got an undefined array");
  CHECK_THROWS_WITH(Conv2d(w.array(), v.array()), "Conv2d: the bias must have shape [6], got [2, 5]");
  CHECK_THROWS_WITH(Conv2d(w.array(), {}, {.groups = 4}), Contains("out_channels must be divisible by groups"));
}

TEST_CASE("add_relu is one op unless somebody watches the layer") {
  Sequential net;
  net.append<ReLU>().append<SiLU>();
  const Tensor a = tensor<float>({-1, 2, 3}, {3}, true);
  const Tensor b = tensor<float>({0.5F, -0.5F, -4}, {3});
  const auto check = [&](const char* op) {
    const Tensor y = add(a, b, net[0]);
    CHECK(y.op_name() == op);
    CHECK(y.to_vector<float>() == std::vector<float>{0, 1.5F, 0});
  };
  check("add_relu");
  {
    const AnomalyGuard anomaly;
    check("relu");
  }
  int calls = 0;
  const std::size_t id = net[0]->register_forward_hook([&](const Module&, const auto&, const auto&) { ++calls; });
  check("relu");
  CHECK(calls == 1);
  net[0]->remove_forward_hook(id);
  check("add_relu");
  CHECK(add(a, b, net[1]).op_name() == "silu");  // another layer in its place
}

TEST_CASE("layers refuse inputs that do not fit, naming shapes") {
  Generator g(1);
  Linear linear(3, 2, g);
  CHECK_THROWS_WITH(linear(ones({4, 5})), Contains("[4, 5]"));
  CHECK_THROWS_WITH(linear(ones({4, 3}, {.dtype = DType::float64})), Contains("float64"));
  Conv2d conv(3, 2, g, Conv2dOptions{.kernel_size = 3});
  CHECK_THROWS_WITH(conv(ones({1, 4, 8, 8})), Contains("[1, 4, 8, 8]"));
}
