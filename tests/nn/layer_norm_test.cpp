// LayerNorm, InstanceNorm, RMSNorm, the response norms, DynamicTanh and LayerScale: second derivations of those that
// PyTorch 1.13 has not, hard inputs, the functional forms and errors.

#include "evenkeel/nn/norm/layer_norm.hpp"

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/functional.hpp"
#include "evenkeel/nn/norm/dynamic_tanh.hpp"
#include "evenkeel/nn/norm/filter_response_norm.hpp"
#include "evenkeel/nn/norm/global_response_norm.hpp"
#include "evenkeel/nn/norm/instance_norm.hpp"
#include "evenkeel/nn/norm/layer_scale.hpp"
#include "evenkeel/nn/norm/local_response_norm.hpp"
#include "evenkeel/nn/norm/rms_norm.hpp"
#include "tests/support/fixture.hpp"
#include "tests/support/reference.hpp"

#include <functional>
#include <limits>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using evenkeel::test::check_close;

namespace {

Tensor random(const Shape& shape, unsigned seed, DType dtype = DType::float64) {
  return Tensor(Array::from(reference::random_values(numel(shape), seed), shape).to(dtype));
}

std::vector<double> doubles(const Tensor& t) { return t.array().to(DType::float64).to_vector<double>(); }

using Formula = std::function<Tensor(const Tensor& x, const std::vector<Tensor>& parameters)>;

/// The layer against a formula in differentiable ops: output and all gradients to 1e-12, in training and eval.
void check_formula(Layer&& layer, const Shape& shape, const Formula& formula) {
  const std::string what = concat(layer);
  CAPTURE(what);
  layer.to(DType::float64);
  unsigned seed = 10;
  for (Tensor& parameter : layer.parameters()) {
    parameter.mutable_array().copy_((random(parameter.shape(), seed++) + 0.2).array());
  }
  for (const bool training : {true, false}) {
    layer.train(training);
    std::vector<Tensor> inputs = {random(shape, 1).requires_grad_()};
    const std::vector<Tensor> parameters = layer.parameters();
    inputs.insert(inputs.end(), parameters.begin(), parameters.end());
    const Tensor dy = random(shape, 2);
    const Tensor y = layer(inputs[0]);
    const Tensor expected = formula(inputs[0], parameters);
    check_close(y.array(), expected.array(), 1e-12, "y");
    const std::vector<Tensor> gradients = grad({y}, inputs, {dy});
    const std::vector<Tensor> expected_gradients = grad({expected}, inputs, {dy});
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      check_close(gradients[i].array(), expected_gradients[i].array(), 1e-12, concat("gradient ", i));
    }
  }
}

/// (C) against (N, C, H, W).
Tensor by_channel(const Tensor& parameter) { return reshape(parameter, {1, parameter.numel(), 1, 1}); }

}  // namespace

TEST_CASE("RMSNorm against x (mean x^2 + eps)^-1/2 weight") {
  const auto rms = [](const Tensor& x, const Dims& dims, double eps) {
    const Tensor squares = sum(x * x, dims, true);
    const double count = static_cast<double>(x.numel()) / static_cast<double>(squares.numel());
    return x * pow(squares / count + eps, -0.5);
  };
  check_formula(RMSNorm(7), {3, 7}, [&](const Tensor& x, const std::vector<Tensor>& p) {
    return rms(x, {1}, std::numeric_limits<double>::epsilon()) * p[0];
  });
  check_formula(RMSNorm(Shape{5, 2}, {.eps = 0.1}), {2, 3, 5, 2}, [&](const Tensor& x, const std::vector<Tensor>& p) {
    return rms(x, {2, 3}, 0.1) * p[0];
  });
  check_formula(RMSNorm(4, {.eps = 1e-6, .elementwise_affine = false}), {1, 2, 1, 3, 4},
                [&](const Tensor& x, const std::vector<Tensor>&) { return rms(x, {4}, 1e-6); });
  check_formula(RMSNorm2d(3), {2, 3, 5, 4},
                [&](const Tensor& x, const std::vector<Tensor>& p) { return rms(x, {1}, 1e-6) * by_channel(p[0]); });
}

TEST_CASE("GlobalResponseNorm against ((1 + weight n) x + bias)") {
  for (const Shape& shape : {Shape{2, 3, 5, 4}, Shape{1, 7, 1, 1}, Shape{5, 3, 1, 2}}) {
    CAPTURE(shape);
    check_formula(GlobalResponseNorm(shape[1], {.eps = 0.01}), shape,
                  [&](const Tensor& x, const std::vector<Tensor>& p) {
                    const Tensor rows = reshape(x, {shape[0], shape[1], shape[2] * shape[3]});
                    const Tensor g = sqrt(sum(rows * rows, {2}));
                    const Tensor total = sum(g, {1}, true) + 0.01 * static_cast<double>(shape[1]);
                    const Tensor n = reshape(g / total, {shape[0], shape[1], 1, 1}) * static_cast<double>(shape[1]);
                    return (by_channel(p[0]) * n + 1.0) * x + by_channel(p[1]);
                  });
  }
}

TEST_CASE("FilterResponseNorm and its TLU against max(weight x / sqrt(mean x^2 + eps) + bias, tau)") {
  const auto frn = [](const Tensor& x, const Tensor& eps) { return x / sqrt(mean(x * x, {2, 3}, true) + eps); };
  const auto tlu = [](const Tensor& y, const Tensor& tau) {
    const Tensor t = by_channel(tau) + y * 0.0;
    return where(gt(y, t), y, t);
  };
  const Tensor eps(Array::full({1}, 0.05, DType::float64));
  const Shape shape = {2, 3, 5, 4};
  check_formula(FilterResponseNorm(3, {.eps = 0.05}), shape, [&](const Tensor& x, const std::vector<Tensor>& p) {
    return tlu(frn(x, eps) * by_channel(p[0]) + by_channel(p[1]), p[2]);
  });
  check_formula(FilterResponseNorm(3, {.eps = 0.05, .learn_eps = true}), shape,
                [&](const Tensor& x, const std::vector<Tensor>& p) {
                  const Tensor learned = p[3] * (p[3].to_vector<double>()[0] < 0 ? -1.0 : 1.0);
                  return tlu(frn(x, eps + learned) * by_channel(p[0]) + by_channel(p[1]), p[2]);
                });
  check_formula(FilterResponseNorm(3, {.eps = 0.05, .affine = false, .tlu = false}), shape,
                [&](const Tensor& x, const std::vector<Tensor>&) { return frn(x, eps); });
}

TEST_CASE("DynamicTanh against 2 sigmoid(2 alpha x) - 1; LayerScale against loops") {
  const auto squash = [](const Tensor& x, const Tensor& alpha) { return 2.0 * sigmoid(x * alpha * 2.0) - 1.0; };
  check_formula(DynamicTanh(3), {2, 3, 5, 4}, [&](const Tensor& x, const std::vector<Tensor>& p) {
    return squash(x, p[0]) * by_channel(p[1]) + by_channel(p[2]);
  });
  check_formula(DynamicTanh(4, {.channels_last = true}), {5, 2, 4},
                [&](const Tensor& x, const std::vector<Tensor>& p) { return squash(x, p[0]) * p[1] + p[2]; });
  check_formula(DynamicTanh(7, {.affine = false}), {1, 7},
                [&](const Tensor& x, const std::vector<Tensor>& p) { return squash(x, p[0]); });
  LayerScale scale(3, {.init = 0.5});
  scale.gamma.mutable_array().copy_(Array::from(std::vector<float>{1, -2, 3}, {3}));
  CHECK(doubles(scale(ones({2, 3, 2}))) == std::vector<double>{1, 1, -2, -2, 3, 3, 1, 1, -2, -2, 3, 3});
  CHECK(doubles(LayerScale(2)(ones({1, 2}))) == std::vector<double>(2, static_cast<double>(1e-5F)));
}

TEST_CASE("constant rows: the bias, and no gradient to the input; a mean stays in RMSNorm") {
  LayerNorm norm(3);
  norm.to(DType::float64);
  norm.bias.mutable_array().copy_(random({3}, 1).array());
  Tensor x = full({2, 3}, 7, {.dtype = DType::float64, .requires_grad = true});
  const Tensor y = norm(x);
  for (std::int64_t row = 0; row < 2; ++row) {
    CHECK(doubles(slice(y, 0, row, row + 1)) == doubles(norm.bias));
  }
  y.backward(ones({2, 3}, {.dtype = DType::float64}));
  CHECK(doubles(x.grad()) == std::vector<double>(6, 0));
  CHECK(doubles(LayerNorm(1)(random({4, 1}, 2, DType::float32))) == std::vector<double>(4, 0));

  RMSNorm rms(4, {.eps = 1e-6});
  for (const double value : doubles(rms(full({1, 4}, -5)))) {
    CHECK(value == doctest::Approx(-1).epsilon(1e-6));
  }
  Tensor zero = zeros({1, 4}, {.requires_grad = true});
  const Tensor z = rms(zero);
  CHECK(doubles(z) == std::vector<double>(4, 0));
  z.backward(ones({1, 4}));
  for (const double dx : doubles(zero.grad())) {
    CHECK(dx == doctest::Approx(1e3).epsilon(1e-6));  // weight / sqrt(eps)
  }
}

TEST_CASE("a channel of zeros, values far below eps and far above 1: finite outputs and gradients") {
  std::unique_ptr<Layer> layers[] = {
      std::make_unique<LayerNorm2d>(3),        std::make_unique<RMSNorm2d>(3),
      std::make_unique<InstanceNorm2d>(3),     std::make_unique<GlobalResponseNorm>(3),
      std::make_unique<FilterResponseNorm>(3), std::make_unique<LocalResponseNorm>(3),
      std::make_unique<DynamicTanh>(3),
  };
  for (const double scale : {0.0, 1e-12, 1e15}) {
    CAPTURE(scale);
    for (const auto& layer : layers) {
      const std::string what = layer->type_name();
      CAPTURE(what);
      layer->requires_grad_();
      layer->zero_grad();
      Tensor x = (random({2, 3, 2, 5}, 4, DType::float32) * scale).detach().requires_grad_();
      const Tensor y = (*layer)(x);
      y.backward(random(y.shape(), 5, DType::float32));
      std::vector<Tensor> results = {y, x.grad()};
      for (const Tensor& parameter : layer->parameters()) {
        results.push_back(parameter.grad());
      }
      for (const Tensor& result : results) {
        for (const double value : doubles(result)) {
          REQUIRE(std::isfinite(value));
        }
      }
    }
  }
}

TEST_CASE("InstanceNorm moves its statistics by hand-counted values, and counts no batches") {
  InstanceNorm1d norm(2, {.momentum = 0.25, .track_running_stats = true});
  norm.to(DType::float64);
  norm(tensor<double>({1, 3, 0, 4, 2, 6, 1, 1}, {2, 2, 2}));
  // Instances (1, 3), (0, 4), (2, 6), (1, 1): means 2, 2, 4, 1, unbiased variances 2, 8, 8, 0.
  CHECK(doubles(norm.running_mean) == std::vector<double>{0.25 * 3, 0.25 * 1.5});
  CHECK(doubles(norm.running_var) == std::vector<double>{0.75 + 0.25 * 5, 0.75 + 0.25 * 4});
  CHECK(norm.num_batches_tracked.array().item_int64() == 0);
  norm.eval();
  const Tensor one = norm(tensor<double>({1, 2}, {1, 2, 1}));  // a single element is fine with running statistics
  CHECK(doubles(one)[0] == doctest::Approx((1 - 0.75) / std::sqrt(2 + 1e-5)).epsilon(1e-12));
  norm.reset_running_stats();
  CHECK(doubles(norm.running_mean) == std::vector<double>{0, 0});
  CHECK(doubles(norm.running_var) == std::vector<double>{1, 1});
}

TEST_CASE("InstanceNorm refuses other channels, single elements and other ranks, and names itself") {
  InstanceNorm2d norm(3);
  CHECK_THROWS_WITH(norm(ones({2, 5, 4, 4})),
                    "InstanceNorm2d: expected input's size at dim=1 to match num_features (3), but got: 5 (input of "
                    "shape [2, 5, 4, 4])");
  CHECK_THROWS_WITH(norm(ones({5, 4, 4})),
                    "InstanceNorm2d: expected input's size at dim=0 to match num_features (3), but got: 5 (input of "
                    "shape [5, 4, 4])");
  CHECK_THROWS_WITH(norm(ones({2, 3})), "InstanceNorm2d: expected 3D or 4D input (got 2D input of shape [2, 3])");
  CHECK_THROWS_WITH(InstanceNorm1d(3)(ones({2, 3, 4, 4})), Contains("expected 2D or 3D input (got 4D input"));
  CHECK_THROWS_WITH(InstanceNorm3d(3)(ones({3, 4, 4})), Contains("expected 4D or 5D input (got 3D input"));
  CHECK_THROWS_WITH(norm(ones({2, 3, 1, 1})),
                    "InstanceNorm2d: Expected more than 1 spatial element when training, got input size [2, 3, 1, 1]; "
                    "use larger maps, GroupNorm(1, 3) or BatchNorm");
  CHECK_THROWS_WITH(InstanceNorm1d(8)(ones({8, 1})), Contains("got input size [8, 1]; use larger maps or BatchNorm"));
  norm.eval();
  CHECK_THROWS_WITH(norm(ones({2, 3, 1, 1})), Contains("Expected more than 1 spatial element"));
  Sequential net;
  net.append<InstanceNorm2d>(3);
  CHECK_THROWS_WITH(net(ones({2, 4, 5, 5})), Contains("InstanceNorm2d (0): expected input's size"));
  CHECK_THROWS_WITH(InstanceNorm2d(3, {.eps = -1}), Contains("InstanceNorm2d: eps must be at least 0, got -1"));
  CHECK_THROWS_WITH(InstanceNorm2d(3, {.momentum = 1.5}), Contains("InstanceNorm2d: momentum must lie in [0, 1]"));
  CHECK_THROWS_WITH(InstanceNorm2d(0), Contains("InstanceNorm2d: num_features must be positive, got 0"));
}

TEST_CASE("InstanceNorm refuses running statistics of old files where it has none") {
  const InstanceNorm2d with(3, {.affine = true, .track_running_stats = true});
  Sequential net;
  net.append<InstanceNorm2d>(3, InstanceNormOptions{.affine = true});
  StateDict state;
  for (const auto& [name, value] : with.state_dict()) {
    state.emplace_back("0." + name, value);
  }
  for (const bool strict : {true, false}) {
    CHECK_THROWS_WITH(net.load_state_dict(state, strict),
                      Contains("Unexpected running stats buffer(s) \"0.running_mean\" and \"0.running_var\" for "
                               "InstanceNorm2d with track_running_stats=False."));
    CHECK_THROWS_WITH(net.load_state_dict(state, strict), Contains("remove these keys from the state"));
  }
  state.resize(2);
  CHECK(net.load_state_dict(state).missing.empty());
}

TEST_CASE("LocalResponseNorm: the window reaches size / 2 back and (size - 1) / 2 forward") {
  const Tensor x = tensor<double>({1, 2, 3, 4, 5}, {1, 5, 1});
  const auto reach = [&](std::int64_t size) {
    const Tensor y = functional::local_response_norm(x, size, {.alpha = static_cast<double>(size), .beta = 1, .k = 0});
    std::vector<double> sums;
    for (std::size_t c = 0; c < 5; ++c) {
      sums.push_back(std::round(doubles(x)[c] / doubles(y)[c]));
    }
    return sums;
  };
  CHECK(reach(1) == std::vector<double>{1, 4, 9, 16, 25});
  CHECK(reach(2) == std::vector<double>{1, 5, 13, 25, 41});
  CHECK(reach(3) == std::vector<double>{5, 14, 29, 50, 41});
  CHECK(reach(4) == std::vector<double>{5, 14, 30, 54, 50});
  CHECK(reach(100) == std::vector<double>(5, 55));
  CHECK_THROWS_WITH(LocalResponseNorm(3)(ones({2, 3})),
                    "LocalResponseNorm: Expected 3D or higher dimensionality input (got 2 dimensions, shape [2, 3])");
  CHECK_THROWS_WITH(LocalResponseNorm(0), Contains("LocalResponseNorm: size must be positive, got 0"));
  CHECK_THROWS_WITH(functional::local_response_norm(x, -1), "local_response_norm: size must be positive, got -1");
}

TEST_CASE("LayerNorm and RMSNorm name both shapes") {
  const std::string layer_text =
      "LayerNorm: Given normalized_shape=[3, 4], expected input with shape [*, 3, 4], but got input of size [2, 4, 3]";
  CHECK_THROWS_WITH(LayerNorm(Shape{3, 4})(ones({2, 4, 3})), layer_text.c_str());
  CHECK_THROWS_WITH(LayerNorm(Shape{3, 4})(ones({4})), Contains("but got input of size [4]"));
  CHECK_THROWS_WITH(
      RMSNorm(5)(ones({2, 4})),
      "RMSNorm: Given normalized_shape=[5], expected input with shape [*, 5], but got input of size [2, 4]");
  CHECK_THROWS_WITH(LayerNorm(Shape{}), Contains("normalized_shape must have at least one size"));
  CHECK_THROWS_WITH(LayerNorm(Shape{3, 0}), Contains("only positive ones, got [3, 0]"));
  CHECK_THROWS_WITH(LayerNorm(3, {.eps = -1}), Contains("LayerNorm: eps must be at least 0, got -1"));
  CHECK_THROWS_WITH(RMSNorm(3, {.eps = -1}), Contains("RMSNorm: eps must be at least 0, got -1"));
  CHECK_THROWS_WITH(RMSNorm(Shape{}), Contains("RMSNorm: normalized_shape must have at least one size"));
  CHECK_THROWS_WITH(LayerNorm2d(3)(ones({2, 4, 5, 5})),
                    "LayerNorm2d: expected 3 channels, got 4 (input of shape [2, 4, 5, 5])");
  CHECK_THROWS_WITH(LayerNorm2d(3)(ones({2, 3, 5})), Contains("expected 4D input (got 3D input of shape [2, 3, 5])"));
  CHECK_THROWS_WITH(DynamicTanh(3, {.channels_last = true})(ones({3, 4})),
                    "DynamicTanh: expected 3 channels at dim -1, got 4 (input of shape [3, 4])");
  CHECK_THROWS_WITH(LayerScale(3)(ones({3})), Contains("expected at least 2D input (got 1D input of shape [3])"));
}

TEST_CASE("the functional forms take PyTorch's arguments") {
  const Tensor x = random({2, 3, 4}, 1);
  const Tensor weight = random({4}, 2);
  const Tensor bias = random({4}, 3);
  const Tensor plain = functional::layer_norm(x, {4});
  check_close(functional::layer_norm(x, {4}, weight).array(), (plain * weight).array(), 1e-14, "weight only");
  check_close(functional::layer_norm(x, {4}, {}, bias).array(), (plain + bias).array(), 1e-14, "bias only");
  check_close(functional::rms_norm(x, {4}, weight, 0.1).array(),
              (x * rsqrt(mean(square(x), {2}, true) + 0.1) * weight).array(), 1e-14, "rms_norm");
  CHECK_THROWS_WITH(functional::layer_norm(x, {}), Contains("at least 1-dimensional"));
  CHECK_THROWS_WITH(functional::layer_norm(x, {3}), Contains("Given normalized_shape=[3]"));
  CHECK_THROWS_WITH(functional::layer_norm(x, {4}, random({3}, 1)),
                    "layer_norm: Expected weight to be of same shape as normalized_shape, but got weight of shape [3] "
                    "and normalized_shape=[4]");
  CHECK_THROWS_WITH(functional::layer_norm(x, {4}, weight, random({1, 4}, 1)), Contains("Expected bias to be of same"));
  CHECK_THROWS_WITH(functional::rms_norm(x, {4}, random({3}, 1)), Contains("rms_norm: Expected weight"));

  Tensor mean = zeros({3}, {.dtype = DType::float64}), var = ones({3}, {.dtype = DType::float64});
  const Tensor own = functional::instance_norm(x);
  check_close(functional::instance_norm(x, mean, var).array(), own.array(), 0, "with running statistics");
  check_close(mean.array(), (0.1 * evenkeel::mean(x, {0, 2})).array(), 1e-14, "running_mean");
  const Tensor by_running = functional::instance_norm(x, mean, var, {}, {}, {.use_input_stats = false, .eps = 0.5});
  const Tensor expected = (x - reshape(mean, {3, 1})) / sqrt(reshape(var, {3, 1}) + 0.5);
  check_close(by_running.array(), expected.array(), 1e-14, "by running statistics");
  CHECK_THROWS_WITH(functional::instance_norm(x, {}, {}, {}, {}, {.use_input_stats = false}),
                    "instance_norm: Expected running_mean and running_var to be defined when use_input_stats=False");
  CHECK_THROWS_WITH(functional::instance_norm(x, mean), Contains("give running_mean and running_var, or neither"));
  CHECK_THROWS_WITH(functional::instance_norm(ones({2, 3, 1})), Contains("Expected more than 1 spatial element"));
}
