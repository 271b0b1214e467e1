// Every optimizer against PyTorch's over six steps, in float64 to 1e-10 and in float32 to 1e-5. The second parameter
// has no gradient at steps 0 and 3.

#include "tests/support/fixture.hpp"

#include "evenkeel/optim/adam.hpp"
#include "evenkeel/optim/sgd.hpp"

#include <functional>
#include <memory>

using namespace evenkeel;
using evenkeel::test::check_close;
using evenkeel::test::Fixture;

namespace {

using Params = std::vector<Tensor>;
using Make = std::function<std::unique_ptr<optim::Optimizer>(const Params&)>;

template <class T, class Options>
Make make(Options options) {
  return [=](const Params& params) { return std::make_unique<T>(params, options); };
}

const std::vector<std::pair<std::string, Make>> kOptimizers = {
    {"sgd", make<optim::SGD>(optim::SGDOptions{.lr = 0.1})},
    {"sgd_momentum", make<optim::SGD>(optim::SGDOptions{.lr = 0.1, .momentum = 0.9})},
    {"sgd_all",
     make<optim::SGD>(optim::SGDOptions{.lr = 0.1, .momentum = 0.8, .dampening = 0.3, .weight_decay = 0.05})},
    {"sgd_nesterov",
     make<optim::SGD>(optim::SGDOptions{.lr = 0.05, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true})},
    {"sgd_maximize",
     make<optim::SGD>(optim::SGDOptions{.lr = 0.05, .momentum = 0.5, .weight_decay = 0.1, .maximize = true})},
    {"adam", make<optim::Adam>(optim::AdamOptions{.lr = 0.01})},
    {"adam_decay",
     make<optim::Adam>(optim::AdamOptions{.lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6, .weight_decay = 0.1})},
    {"adam_amsgrad", make<optim::Adam>(optim::AdamOptions{.lr = 0.02, .amsgrad = true})},
    {"adamw", make<optim::AdamW>(optim::AdamWOptions{.lr = 0.02, .weight_decay = 0.1})},
};

void check_optimizer(const Fixture& fixture, const std::string& name, const Make& make_optimizer, DType dtype,
                     double tolerance) {
  CAPTURE(name);
  Params params;
  for (int i = 0; i < 2; ++i) {
    params.emplace_back(fixture.at(concat(name, "/p", i)).to(dtype).clone(), true);
  }
  const auto optimizer = make_optimizer(params);
  for (int step = 0; step < 6; ++step) {
    for (std::size_t i = 0; i < 2; ++i) {
      const std::string gradient = concat(name, "/g", i, "_", step);
      params[i].set_grad(fixture.has(gradient) ? Tensor(fixture.at(gradient).to(dtype)) : Tensor());
    }
    optimizer->step();
    for (std::size_t i = 0; i < 2; ++i) {
      check_close(params[i].array(), fixture.at(concat(name, "/p", i, "_", step)), tolerance,
                  concat("parameter ", i, " after step ", step));
    }
  }
}

}  // namespace

TEST_CASE("every optimizer equals PyTorch's") {
  const Fixture fixture("optimizers.safetensors");
  for (const auto& [name, make_optimizer] : kOptimizers) {
    check_optimizer(fixture, name, make_optimizer, DType::float64, 1e-10);
    check_optimizer(fixture, name, make_optimizer, DType::float32, 1e-5);
  }
}
