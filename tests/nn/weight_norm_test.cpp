// weight_norm against PyTorch's values (tests/fixtures/make_norms_weight.py) and what its docs say.

#include "evenkeel/nn/norm/weight_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/spectral_norm.hpp"
#include "tests/support/layer_replay.hpp"

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using evenkeel::test::MakeLayer;
using test::random;

namespace {

Generator generator(0);

template <class T, class Options>
MakeLayer normed(std::int64_t in, std::int64_t out, Options options, std::optional<std::int64_t> dim = 0) {
  return [=] {
    auto layer = std::make_unique<T>(in, out, generator, options);
    weight_norm(*layer, dim);
    return layer;
  };
}

/// torch 1.13's names.
std::string old_name(const std::string& key) {
  const auto at = key.find("parametrizations.weight.original");
  return at == std::string::npos ? key : key.substr(0, at) + (key.back() == '0' ? "weight_g" : "weight_v");
}

std::vector<std::string> names(const Module& module) {
  std::vector<std::string> result;
  for (const auto& [name, value] : module.state_dict()) {
    result.push_back(name);
  }
  return result;
}

}  // namespace

TEST_CASE("weight_norm equals torch 1.13's over several steps, whose files load") {
  test::replay_layers(
      "norms_weight.safetensors",
      {
          {"weight_norm_linear", normed<Linear>(6, 4, LinearOptions{})},
          {"weight_norm_conv", normed<Conv2d>(4, 6, Conv2dOptions{.kernel_size = 3, .padding = 1, .groups = 2})},
          {"weight_norm_conv_whole", normed<Conv2d>(2, 3, Conv2dOptions{.kernel_size = 3}, std::nullopt)},
          {"weight_norm_conv_transpose", normed<ConvTranspose2d>(3, 4, ConvTranspose2dOptions{.kernel_size = 2}, 1)},
      },
      test::descent("weight_norm", old_name));
}

TEST_CASE("applying and removing weight_norm keeps the function; v is the former weight, g its row norms") {
  Linear layer(5, 3, generator);
  layer.to(DType::float64);
  const Tensor before = layer.weight;
  const Tensor x = random({4, 5}, 1);
  const std::vector<double> y = layer(x).to_vector<double>();
  weight_norm(layer);
  CHECK(reference::worst_error(layer(x).to_vector<double>(), y) < 1e-14);
  CHECK(names(layer) ==
        std::vector<std::string>{"bias", "parametrizations.weight.original0", "parametrizations.weight.original1"});
  CHECK(!layer.weight.defined());
  CHECK(layer.get_parameter("parametrizations.weight.original1").array().shares_storage(before.array()));
  const Tensor g = layer.get_parameter("parametrizations.weight.original0");
  CHECK(g.shape() == Shape{3, 1});
  for (std::size_t row = 0; row < 3; ++row) {
    double squares = 0;
    for (std::size_t i = 0; i < 5; ++i) {
      squares += std::pow(before.to_vector<double>()[row * 5 + i], 2);
    }
    CHECK(g.to_vector<double>()[row] == doctest::Approx(std::sqrt(squares)).epsilon(1e-14));
  }

  // Only the direction of v matters, and the length is g.
  g.detach().mutable_array().fill_(2);
  layer.get_parameter("parametrizations.weight.original1").mutable_array().copy_((before.detach() * 7.0).array());
  for (std::size_t row = 0; row < 3; ++row) {
    const std::vector<double> w =
        select(layer.effective_weight(), 0, static_cast<std::int64_t>(row)).to_vector<double>();
    double squares = 0;
    for (const double value : w) {
      squares += value * value;
    }
    CHECK(squares == doctest::Approx(4).epsilon(1e-14));
  }

  const std::vector<double> with = layer(x).to_vector<double>();
  remove_weight_norm(layer);
  CHECK(reference::worst_error(layer(x).to_vector<double>(), with) < 1e-14);
  CHECK(names(layer) == std::vector<std::string>{"weight", "bias"});
  CHECK(layer.weight.requires_grad());
  sum(layer(x)).backward();
  CHECK(layer.weight.grad().defined());
}

TEST_CASE("inside a model, new and old names load, and a mixture of both is refused") {
  const auto make = [] {
    auto model = std::make_unique<Sequential>();
    model->append<Conv2d>(2, 3, generator, Conv2dOptions{.kernel_size = 2}).append<ReLU>();
    weight_norm(*(*model)[0]);
    return model;
  };
  const auto model = make();
  CHECK(names(*model) == std::vector<std::string>{"0.bias", "0.parametrizations.weight.original0",
                                                  "0.parametrizations.weight.original1"});
  const Tensor x(random({1, 2, 4, 3}, 2).array().to(DType::float32));
  const std::vector<float> y = (*model)(x).to_vector<float>();
  StateDict state = model->state_dict();
  const auto other = make();
  other->load_state_dict(state);
  CHECK((*other)(x).to_vector<float>() == y);
  state = old_weight_norm_names(state);
  CHECK(state[0].first == "0.bias");
  CHECK(state[1].first == "0.weight_g");
  CHECK(state[2].first == "0.weight_v");
  CHECK(old_weight_norm_names({{"parametrizations.weight.original1", Array()}})[0].first == "weight_v");
  for (const char* other_name :
       {"x_parametrizations.weight.original1", "0.parametrizations.weight.original", "1", ""}) {
    CHECK(old_weight_norm_names({{other_name, Array()}})[0].first == other_name);
  }
  const auto third = make();
  third->load_state_dict(state);
  CHECK((*third)(x).to_vector<float>() == y);
  state.pop_back();
  CHECK_THROWS_WITH(third->load_state_dict(state), Contains("0.parametrizations.weight.original1"));
  state.emplace_back("0.weight_v", model->state_dict()[2].second);
  state.push_back(model->state_dict()[2]);
  CHECK_THROWS_WITH(third->load_state_dict(state), Contains("Duplicate key"));
}

TEST_CASE("a weight without direction is refused with the slice, and in forward with the layer's path") {
  Sequential model;
  model.append<Linear>(3, 4, generator);
  auto& layer = *model.child<Linear>("0");
  select(layer.weight.detach(), 0, 2).mutable_array().fill_(0);
  CHECK_THROWS_WITH(weight_norm(layer), Contains("slice 2 of the weight of shape [4, 3] has norm 0"));
  CHECK(layer.weight.defined());
  select(layer.weight.detach(), 0, 2).mutable_array().fill_(1);
  weight_norm(layer);
  model.get_parameter("0.parametrizations.weight.original1").mutable_array().fill_(0);
  CHECK_THROWS_WITH(model(ones({2, 3})), Contains("Linear (0): WeightNorm: slice 0 of the weight"));
}

TEST_CASE("what weight_norm cannot do is refused") {
  ReLU relu;
  CHECK_THROWS_WITH(weight_norm(relu), "weight_norm: a ReLU was given, expected a Linear, Conv2d or ConvTranspose2d");
  Linear layer(3, 4, generator);
  CHECK_THROWS_WITH(weight_norm(layer, 2), "weight_norm: dim must lie in [0, 2), got 2");
  CHECK_THROWS_WITH(weight_norm(layer, -1), "weight_norm: dim must lie in [0, 2), got -1");
  CHECK_THROWS_WITH(remove_weight_norm(layer), "remove_weight_norm: weight_norm of 'weight' not found in this Linear");
  CHECK_THROWS_WITH(remove_parametrization(layer), "Linear: the weight has no parametrization to remove");
  weight_norm(layer);
  CHECK_THROWS_WITH(weight_norm(layer), Contains("has a parametrization already"));
  CHECK(concat(layer) ==
        "Linear(\n  in_features=3, out_features=4, bias=True\n"
        "  (parametrizations): ModuleDict(\n    (weight): WeightNorm()\n  )\n)");
  Linear spectral(3, 4, generator);
  spectral_norm(spectral, generator);
  CHECK_THROWS_WITH(remove_weight_norm(spectral), Contains("not found in this Linear"));
  CHECK(spectral.parametrized());
}
