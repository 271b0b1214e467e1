// Every optimizer against PyTorch's over six steps, in float64 to 1e-10 and in float32 to 1e-5. The second parameter
// has no gradient at steps 0 and 3.

#include "tests/support/fixture.hpp"

#include "evenkeel/optim/adam.hpp"
#include "evenkeel/optim/sgd.hpp"

#include <functional>
#include <memory>

namespace evenkeel::test {
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

TEST_CASE("every optimizer equals PyTorch's") {
  replay("optimizers.safetensors", kOptimizers, {}, [](FixtureCase& one, const Make& make_optimizer) {
    const Params params = {one.input("p0", true), one.input("p1", true)};
    const auto optimizer = make_optimizer(params);
    for (int step = 0; step < 6; ++step) {
      for (std::size_t i = 0; i < 2; ++i) {
        Tensor parameter = params[i];
        parameter.set_grad(one.input(concat("g", i, "_", step)));
      }
      optimizer->step();
      for (std::size_t i = 0; i < 2; ++i) {
        one.check(params[i].array(), concat("p", i, "_", step));
      }
    }
  });
}

}  // namespace
}  // namespace evenkeel::test
