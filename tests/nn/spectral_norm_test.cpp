// spectral_norm against PyTorch's values (tests/fixtures/make_norms_weight.py) and what its docs say.

#include "evenkeel/nn/norm/spectral_norm.hpp"

#include "evenkeel/autograd/gradcheck.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/linear.hpp"
#include "tests/support/layer_replay.hpp"

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using evenkeel::test::MakeLayer;
using test::random;

namespace {

Generator generator(0);

template <class T, class Options>
MakeLayer normed(std::int64_t in, std::int64_t out, Options options, const SpectralNormOptions& how = {}) {
  return [=] {
    auto layer = std::make_unique<T>(in, out, generator, options);
    spectral_norm(*layer, generator, how);
    return layer;
  };
}

std::vector<double> values(Module& module, const std::string& buffer) {
  return module.get_buffer("parametrizations.weight.0." + buffer).array().to(DType::float64).to_vector<double>();
}

/// A float64 Linear(2, 2) with the given weight.
std::unique_ptr<Linear> linear_with(const std::vector<double>& weight, const SpectralNormOptions& options = {}) {
  auto layer = std::make_unique<Linear>(2, 2, generator);
  layer->to(DType::float64);
  layer->weight.mutable_array().copy_(Array::from(weight, {2, 2}));
  spectral_norm(*layer, generator, options);
  return layer;
}

}  // namespace

TEST_CASE("spectral_norm equals PyTorch's parametrization over several steps") {
  test::replay_layers(
      "norms_weight.safetensors",
      {
          {"spectral_norm_linear", normed<Linear>(6, 4, LinearOptions{})},
          {"spectral_norm_conv",
           normed<Conv2d>(4, 6, Conv2dOptions{.kernel_size = 3, .padding = 1, .groups = 2}, {.n_power_iterations = 3})},
          {"spectral_norm_conv_transpose",
           normed<ConvTranspose2d>(3, 4, ConvTranspose2dOptions{.kernel_size = 2, .bias = false})},
          {"spectral_norm_conv_dim2", normed<Conv2d>(3, 4, Conv2dOptions{.kernel_size = {2, 5}}, {.dim = 2})},
      },
      test::descent("spectral_norm"));
}

TEST_CASE("the weight's largest singular value becomes 1") {
  // [[3, 0], [4, 5]] has singular values sqrt(45) and sqrt(5).
  const auto layer = linear_with({3, 0, 4, 5}, {.n_power_iterations = 50});
  const std::vector<double> w = layer->effective_weight().to_vector<double>();
  const std::vector<double> expected = {3, 0, 4, 5};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(w[i] == doctest::Approx(expected[i] / std::sqrt(45.0)).epsilon(1e-13));
  }
  const std::vector<double> v = values(*layer, "_v");
  CHECK(std::abs(v[0]) == doctest::Approx(std::sqrt(0.5)));
  CHECK(v[0] == doctest::Approx(v[1]));
}

TEST_CASE("only forwards in training iterate, and k iterations are k times one") {
  Linear a(4, 3, generator), b(4, 3, generator);
  b.load_state_dict(a.state_dict());
  spectral_norm(a, generator, {.n_power_iterations = 3});
  spectral_norm(b, generator);
  b.load_state_dict(a.state_dict());
  a.eval();
  const std::vector<double> before = values(a, "_u");
  const Tensor x = ones({2, 4});
  a(x);
  CHECK(values(a, "_u") == before);
  a.train();
  a(x);
  CHECK(values(a, "_u") != before);
  b(x);
  b(x);
  b(x);
  CHECK(values(a, "_u") == values(b, "_u"));
  CHECK(values(a, "_v") == values(b, "_v"));
}

TEST_CASE("gradients are those of W / (u^T W v) with u and v constant, where they have converged in training too") {
  for (const bool training : {false, true}) {
    CAPTURE(training);
    Sequential model;
    model.append<Conv2d>(2, 3, generator, Conv2dOptions{.kernel_size = 2, .groups = 1});
    model.to(DType::float64);
    spectral_norm(*model[0], generator, {.n_power_iterations = 200});
    const Tensor x(random({2, 2, 3, 4}, 3).array(), true);
    model(x);  // converges
    model.train(training);
    std::vector<Tensor> inputs = {x};
    for (const auto& [name, parameter] : model.named_parameters()) {
      inputs.push_back(parameter);
    }
    const TensorFunction f = [&](const std::vector<Tensor>& in) { return model(in[0]); };
    const GradcheckReport report = gradcheck(f, inputs, {.check_noncontiguous = false, .raise = false});
    CHECK_MESSAGE(report.ok, report.text);
    if (!training) {
      const GradcheckReport second = gradgradcheck(f, inputs, {.check_noncontiguous = false, .raise = false});
      CHECK_MESSAGE(second.ok, second.text);
    }
  }
}

TEST_CASE("a later forward does not disturb an earlier one's backward") {
  const auto first = linear_with({3, 1, 4, 5}), second = linear_with({3, 1, 4, 5});
  second->load_state_dict(first->state_dict());
  const Tensor x = random({3, 2}, 4);
  sum(square((*first)(x))).backward();
  const Tensor loss = sum(square((*second)(x)));
  (*second)(random({3, 2}, 5));
  loss.backward();
  const std::string name = "parametrizations.weight.original";
  CHECK(first->get_parameter(name).grad().to_vector<double>() ==
        second->get_parameter(name).grad().to_vector<double>());
}

TEST_CASE("removing it leaves eval's weight; files of the older function load") {
  const auto layer = linear_with({3, 1, 4, 5});
  const Tensor x = random({3, 2}, 4);
  (*layer)(x);
  StateDict state = layer->state_dict();
  for (auto& [name, value] : state) {
    name = name.ends_with("original") ? "weight_orig"
           : name.ends_with("_u")     ? "weight_u"
           : name.ends_with("_v")     ? "weight_v"
                                      : name;
    value = value.clone();
  }
  layer->eval();
  const std::vector<double> y = (*layer)(x).to_vector<double>();
  layer->train();
  remove_parametrization(*layer);
  CHECK(layer->state_dict()[0].first == "weight");
  CHECK((*layer)(x).to_vector<double>() == y);

  const auto other = linear_with({1, 0, 0, 1});
  other->load_state_dict(state);
  other->eval();
  CHECK((*other)(x).to_vector<double>() == y);
}

TEST_CASE("a weight of zeros gives NaN, and what spectral_norm cannot do is refused") {
  const auto zero = linear_with({0, 0, 0, 0});
  CHECK(std::isnan((*zero)(random({1, 2}, 1)).to_vector<double>()[0]));
  CHECK_THROWS_WITH(spectral_norm(*zero, generator), Contains("has a parametrization already"));
  ReLU relu;
  CHECK_THROWS_WITH(spectral_norm(relu, generator), Contains("spectral_norm: a ReLU was given"));
  Linear layer(3, 4, generator);
  CHECK_THROWS_WITH(spectral_norm(layer, generator, {.n_power_iterations = 0}),
                    "spectral_norm: Expected n_power_iterations to be positive, but got n_power_iterations=0");
  CHECK_THROWS_WITH(spectral_norm(layer, generator, {.eps = 0}), "spectral_norm: eps must be positive, got 0");
  CHECK_THROWS_WITH(spectral_norm(layer, generator, {.dim = 2}), "spectral_norm: dim must lie in [0, 2), got 2");
  Linear empty(0, 4, generator);
  CHECK_THROWS_WITH(spectral_norm(empty, generator), "spectral_norm: the weight of shape [4, 0] is empty");
}
