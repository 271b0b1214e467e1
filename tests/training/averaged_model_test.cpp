// Averages of weights: PyTorch's values, a scope in which a model has them, saving and going on.

#include "evenkeel/training/averaged_model.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/data/data_loader.hpp"
#include "evenkeel/data/fake_data.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/norm/precise_bn.hpp"
#include "evenkeel/training/checkpoint.hpp"
#include "tests/support/fixture.hpp"

#include <memory>
#include <stdexcept>

namespace evenkeel::test {
namespace {

using doctest::Contains;
using training::AveragedModel;
using training::AverageOptions;
using training::AveragesGuard;
using training::get_ema_avg_fn;
using training::get_swa_avg_fn;

static_assert(training::HasState<AveragedModel>, "a checkpoint takes averages among its schedulers");

const Fixture& fixture() {
  static const Fixture file("averages.safetensors");
  return file;
}

/// The network of make_optimizers_more.py.
std::unique_ptr<nn::Sequential> network(DType dtype = DType::float64) {
  Generator generator(1);
  auto net = std::make_unique<nn::Sequential>();
  net->append<nn::Conv2d>(2, 3, generator, {.kernel_size = 3})
      .append<nn::BatchNorm2d>(3)
      .append<nn::ReLU>()
      .append<nn::Conv2d>(3, 2, generator, {.kernel_size = 1})
      .append<nn::BatchNorm2d>(2, nn::BatchNormOptions{.momentum = 0.3});
  net->load_state_dict([&] {
    nn::StateDict start;
    for (const auto& [name, value] : fixture().under("start/")) {
      start.emplace_back(name, is_floating(value.dtype()) ? value.to(DType::float32) : value);
    }
    return start;
  }());
  net->to(dtype);
  return net;
}

/// The values of the network at update k, as the script has them.
void move(nn::Sequential& net, int k) {
  for (auto& [name, target] : net.state_dict()) {
    const Array& start = fixture().at("start/" + name);
    Array value = target;
    if (name.ends_with("tracked")) {
      value.copy_(Array::scalar(start.item_int64() + 3 * k));
    } else {
      value.copy_((Tensor(start) * static_cast<double>(1 + k % 3) + 0.1 * k).array().to(target.dtype()));
    }
  }
}

std::vector<std::pair<std::string, AverageOptions>> cases() {
  return {{"swa", {}},
          {"swa_buffers", {.avg_fn = get_swa_avg_fn(), .use_buffers = true}},
          {"ema", {.avg_fn = get_ema_avg_fn()}},
          {"ema_buffers", {.avg_fn = get_ema_avg_fn(0.75), .use_buffers = true}}};
}

/// Names, shapes and bits, in double, which holds those of all dtypes here.
std::vector<std::pair<std::string, std::vector<double>>> bits(const nn::StateDict& state) {
  std::vector<std::pair<std::string, std::vector<double>>> result;
  for (const auto& [name, value] : state) {
    result.emplace_back(concat(name, value.dtype(), value.shape()), value.to(DType::float64).to_vector<double>());
  }
  return result;
}

/// As a Sequential with a BatchNorm2d, by another name.
struct Renamed : nn::Module {
  Renamed() { add<nn::BatchNorm2d>("norm", 3); }
};

nn::StateDict cloned(nn::StateDict state) {
  for (auto& [name, value] : state) {
    value = value.clone();
  }
  return state;
}

}  // namespace

TEST_CASE("averages equal PyTorch's after five updates") {
  for (const auto& [name, options] : cases()) {
    CAPTURE(name);
    for (const DType dtype : {DType::float64, DType::float32}) {
      const auto net = network(dtype);
      AveragedModel averaged(*net, options);
      for (int k = 0; k < 5; ++k) {
        move(*net, k);
        averaged.update_parameters(*net);
      }
      CHECK(averaged.n_averaged() == 5);
      const nn::StateDict state = averaged.state_dict();
      CHECK(state.size() == fixture().under(name + "/").size());
      for (const auto& [key, value] : state) {
        // PyTorch averages the counter, too, and rounds it down.
        if (!(options.use_buffers && key.ends_with("tracked"))) {
          check_close(value, fixture().at(name + "/" + key), dtype == DType::float64 ? 1e-12 : 1e-6, key);
        }
      }
    }
  }
}

TEST_CASE("the model has the averages for a scope, and its own values afterwards") {
  const auto net = network();
  AveragedModel averaged(*net);
  for (int k = 0; k < 3; ++k) {
    move(*net, k);
    averaged.update_parameters(*net);
  }
  const auto own = bits(net->state_dict());
  const auto averages = bits(averaged.averages());
  const Tensor loss = sum((*net)(Tensor(fixture().at("bn/x0"))));
  move(*net, 2);  // takes the statistics of that forward back
  {
    const AveragesGuard guard(averaged, *net);
    CHECK(bits(net->state_dict()) == averages);
  }
  CHECK(bits(net->state_dict()) == own);
  CHECK(bits(averaged.averages()) == averages);
  CHECK_THROWS_AS(loss.backward(), StateError);
  // What an exception leaves in the model stays out of the averages.
  try {
    const AveragesGuard guard(averaged, *net);
    net->child<nn::Conv2d>("0")->weight.mutable_array().fill_(3);
    throw std::runtime_error("stop");
  } catch (const std::runtime_error&) {
    CHECK(bits(net->state_dict()) == own);
    CHECK(bits(averaged.averages()) == averages);
  }
}

TEST_CASE("update_bn equals PyTorch's, and its statistics belong to the averages in whose scope it ran") {
  const auto net = network();
  move(*net, 4);
  AveragedModel averaged(*net);
  net->eval();
  move(*net, 1);
  const auto own = bits(net->state_dict());
  std::vector<Tensor> batches;
  for (const char* name : {"bn/x0", "bn/x1", "bn/x2"}) {
    batches.emplace_back(fixture().at(name));
  }
  Tensor y;
  {
    const AveragesGuard guard(averaged, *net);
    CHECK(nn::update_bn(batches, *net) == 2);
    y = (*net)(batches[0]);
  }
  check_close(y.array(), fixture().at("bn/y"), 1e-12, "bn/y");
  for (const auto& [name, value] : averaged.averages()) {
    check_close(value, fixture().at("bn/" + name), 1e-12, name);
  }
  CHECK(bits(net->state_dict()) == own);
}

TEST_CASE("update_bn takes a loader's batches") {
  const data::FakeData images(10, {2, 8, 8}, 4);
  data::DataLoader loader(images, {.batch_size = 4, .prefetch = 0});
  const auto net = network(DType::float32);
  CHECK(nn::update_bn(loader.epoch(0), *net) == 2);
  CHECK(net->child<nn::BatchNorm2d>("1")->num_batches_tracked.array().item_int64() == 3);
}

TEST_CASE("averages go on from saved state bit for bit") {
  for (const auto& [name, options] : cases()) {
    CAPTURE(name);
    for (const int stop : {0, 1, 3}) {
      CAPTURE(stop);
      const auto net = network(DType::float32);
      AveragedModel whole(*net, options);
      nn::StateDict saved;
      for (int k = 0; k < 6; ++k) {
        if (k == stop) {
          saved = cloned(whole.state_dict());
        }
        move(*net, k);
        whole.update_parameters(*net);
      }
      AveragedModel resumed(*net, options);
      resumed.load_state_dict(saved);
      CHECK(resumed.n_averaged() == stop);
      for (int k = stop; k < 6; ++k) {
        move(*net, k);
        resumed.update_parameters(*net);
      }
      CHECK(bits(resumed.state_dict()) == bits(whole.state_dict()));
    }
  }
}

TEST_CASE("what does not fit is refused, and changes nothing") {
  const auto net = network(), floats = network(DType::float32);
  AveragedModel averaged(*net);
  const auto before = bits(averaged.state_dict());
  nn::Sequential other;
  other.append<nn::BatchNorm2d>(3);
  CHECK_THROWS_WITH_AS(averaged.update_parameters(other),
                       "AveragedModel::update_parameters: the model must have 14 parameters and buffers, got 5",
                       StateError);
  CHECK_THROWS_WITH(averaged.update_parameters(*floats),
                    "AveragedModel::update_parameters: '0.weight' must be float64 of shape [3, 2, 3, 3], got float32 "
                    "of shape [3, 2, 3, 3]");
  CHECK_THROWS_WITH(AveragesGuard(averaged, *floats), Contains("AveragesGuard: '0.weight' must be float64"));
  AveragedModel of_norm(other);
  const Renamed renamed;
  CHECK_THROWS_WITH(of_norm.update_parameters(renamed),
                    Contains("expected a model with '0.weight', got 'norm.weight'"));
  CHECK_THROWS_WITH(averaged.load_state_dict({}), Contains("AveragedModel::load_state_dict: missing key 'n_averaged'"));
  CHECK_THROWS_WITH(get_ema_avg_fn(1.5), "get_ema_avg_fn: decay must lie in [0, 1], got 1.5");
  CHECK_THROWS_WITH(AveragedModel(*net, {.avg_fn = {}}), "AveragedModel: avg_fn is empty");
  CHECK(bits(averaged.state_dict()) == before);
  AveragedModel wrong(*net, {.avg_fn = [](std::int64_t) { return 2.0; }});
  wrong.update_parameters(*net);  // the first one copies
  const auto copied = bits(wrong.state_dict());
  CHECK_THROWS_WITH(wrong.update_parameters(*net), Contains("the weight of a model must lie in [0, 1], got 2"));
  CHECK(bits(wrong.state_dict()) == copied);
}

}  // namespace evenkeel::test
