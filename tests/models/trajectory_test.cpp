// Ten SGD steps of each documented network against PyTorch's: the loss of every step and every entry of the final
// state, in float64 to 1e-10 and in float32 to 1e-5. tests/fixtures/make_fixtures.py says how parameters, inputs and
// labels are made.

#include "autograd/engine.hpp"
#include "autograd/ops/loss.hpp"
#include "core/reduce.hpp"
#include "models/seed_networks.hpp"
#include "models/small_cnn.hpp"
#include "optim/sgd.hpp"
#include "tests/support/fixture.hpp"

#include <cmath>
#include <functional>

using namespace evenkeel;
using evenkeel::test::check_close;
using evenkeel::test::Fixture;

namespace {

using Make = std::function<std::unique_ptr<nn::Layer>(Generator&)>;

const std::vector<std::pair<std::string, Make>> kModels = {
    {"small_cnn_bn", [](Generator& g) { return std::make_unique<models::SmallCNN_BN>(g); }},
    {"small_cnn_gn", [](Generator& g) { return std::make_unique<models::SmallCNN_GN>(g); }},
    {"fc_bn", [](Generator& g) { return std::make_unique<models::FCNetworkWithBatchNorm>(g); }},
    {"cnn_bn",
     [](Generator& g) {
       return std::make_unique<models::CNNWithBatchNorm>(g, models::CNNOptions{.in_channels = 1, .input_size = 8});
     }},
};

/// shift + scale * u, u in [-1, 1) from a 32-bit integer hash of (stream, i), as the script's noise().
Array noise(const Shape& shape, int stream, double scale, double shift, DType dtype) {
  std::vector<double> values(static_cast<std::size_t>(numel(shape)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto h = static_cast<std::uint32_t>(i) + 0x9E3779B9U * static_cast<std::uint32_t>(stream + 1);
    for (int round = 0; round < 2; ++round) {
      h = (h ^ (h >> 16)) * 0x45D9F3BU;
    }
    h ^= h >> 16;
    values[i] = shift + scale * (h / 2147483648.0 - 1);
  }
  return Array::from(values, shape).to(dtype);
}

bool is_norm(const nn::Module& module) { return module.type_name().find("Norm") != std::string::npos; }

void set_parameters(nn::Layer& model, DType dtype) {
  std::vector<bool> norm_weight;
  for (const auto& [name, module] : model.named_modules()) {
    const bool leaf = module->children().empty();
    for (std::size_t i = 0; leaf && i < module->parameters().size(); ++i) {
      norm_weight.push_back(is_norm(*module) && i == 0);
    }
  }
  const std::vector<Tensor> parameters = model.parameters();
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    Tensor p = parameters[k];
    const double fan_in = p.rank() > 1 ? static_cast<double>(p.numel() / p.size(0)) : 16;
    p.mutable_array().copy_(
        noise(p.shape(), static_cast<int>(k), 1 / std::sqrt(fan_in), norm_weight[k] ? 1 : 0, dtype));
  }
}

Array labels(int step, std::int64_t count) {
  std::vector<std::int64_t> values;
  for (std::int64_t n = 0; n < count; ++n) {
    values.push_back((7 * step + 3 * n) % 10);
  }
  return Array::from(values, {count});
}

/// Sum, sum of squares and the first 24 values.
Array digest(const Array& value) {
  const std::vector<double> v = value.to(DType::float64).to_vector<double>();
  std::vector<double> result = {0, 0};
  for (const double x : v) {
    result[0] += x;
    result[1] += x * x;
  }
  result.insert(result.end(), v.begin(), v.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(v.size(), 24)));
  const auto size = static_cast<std::int64_t>(result.size());
  return Array::from(result, {size});
}

void check_trajectory(const Fixture& fixture, const std::string& name, const Make& make, DType dtype,
                      double tolerance) {
  CAPTURE(name);
  CAPTURE(dtype);
  Generator generator(0);
  const auto model = make(generator);
  model->to(dtype);
  set_parameters(*model, dtype);
  optim::SGD optimizer(model->parameters(), {.lr = 0.01, .momentum = 0.9, .weight_decay = 1e-3});
  const Shape shape(fixture.at(name + "/shape").to_vector<std::int64_t>());
  std::vector<double> losses;
  for (int step = 0; step < 10; ++step) {
    optimizer.zero_grad();
    const Tensor loss =
        cross_entropy((*model)(Tensor(noise(shape, 100 + step, 2, 0, dtype))), Tensor(labels(step, shape[0])));
    loss.backward();
    optimizer.step();
    losses.push_back(loss.item());
  }
  check_close(Array::from(losses, {10}), fixture.at(name + "/losses"), tolerance, "losses");
  const NamedArrays expected = fixture.under(name + "/final/");
  CHECK(model->state_dict().size() == expected.size());
  for (const auto& [key, value] : model->state_dict()) {
    check_close(digest(value), fixture.at(name + "/final/" + key), tolerance, key);
  }
}

}  // namespace

TEST_CASE("ten training steps of every model equal PyTorch's in float64") {
  const Fixture fixture("trajectories.safetensors");
  for (const auto& [name, make] : kModels) {
    check_trajectory(fixture, name, make, DType::float64, 1e-10);
  }
}

TEST_CASE("ten training steps of every model equal PyTorch's in float32") {
  const Fixture fixture("trajectories.safetensors");
  for (const auto& [name, make] : kModels) {
    check_trajectory(fixture, name, make, DType::float32, 1e-5);
  }
}
