// Which parameters weight decay is for: those of convolutions and linear layers, by any norm, for any optimizer.

#include "evenkeel/training/param_groups.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/models/registry.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/layer_norm.hpp"
#include "evenkeel/nn/norm/registry.hpp"
#include "evenkeel/optim/adam.hpp"
#include "evenkeel/optim/lamb.hpp"
#include "evenkeel/optim/lars.hpp"
#include "evenkeel/optim/sgd.hpp"

#include <doctest/doctest.h>

using namespace evenkeel;
using namespace evenkeel::training;

namespace {

std::vector<std::string> names(const std::vector<std::pair<std::string, Tensor>>& parameters) {
  std::vector<std::string> result;
  for (const auto& [name, parameter] : parameters) {
    result.push_back(name);
  }
  return result;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("biases and the parameters of norms are not decayed, whatever their rank") {
  Generator generator(1);
  nn::Sequential net;
  net.append<nn::Conv2d>(3, 4, generator, {.kernel_size = 3})
      .append<nn::LayerNorm>(Shape{4, 6, 6})
      .append<nn::Linear>(6, 2, generator);
  const DecaySplit split = split_by_decay(net);
  CHECK(names(split.decayed) == Names{"0.weight", "2.weight"});
  CHECK(names(split.not_decayed) == Names{"0.bias", "1.weight", "1.bias", "2.bias"});
  CHECK(to_string(split) == "weight decay for 2: 0.weight, 2.weight; none for 4: 0.bias, 1.weight, 1.bias, 2.bias");
}

TEST_CASE("no parameter of any norm is decayed, but what computes with it is") {
  for (const nn::NormEntry& entry : nn::norms()) {
    CAPTURE(entry.name);
    const auto norm = nn::make_norm(entry.name, 12);
    for (const std::string& name : names(split_by_decay(*norm).decayed)) {
      FAIL_CHECK(name);
    }
    Generator generator(1);
    const auto net = models::make_model("small_bn_net", generator, {.norm = std::string(entry.name)});
    for (const auto& [name, parameter] : split_by_decay(*net).decayed) {
      CHECK(parameter.rank() >= 2);
    }
    CHECK(split_by_decay(*net).decayed.size() >= 2);
  }
}

TEST_CASE("the groups are for any optimizer, and leave the others' options as they are") {
  Generator generator(1);
  nn::Sequential net;
  net.append<nn::Linear>(3, 2, generator);
  optim::SGD sgd(param_groups_without_decay(net, optim::SGDOptions{.lr = 0.5, .momentum = 0.9, .weight_decay = 0.1}));
  REQUIRE(sgd.num_groups() == 2);
  CHECK(sgd.options(0).weight_decay == 0.1);
  CHECK(sgd.options(1).weight_decay == 0);
  CHECK(sgd.options(1).momentum == 0.9);
  CHECK(sgd.params(1)[0].is(net.get_parameter("0.bias")));
  CHECK(optim::AdamW(param_groups_without_decay(net, optim::AdamWOptions{})).options(0).weight_decay == 0.01);
  const optim::LARS lars(param_groups_without_decay(net, optim::LARSOptions{.lr = 1}));
  CHECK(lars.options(0).adapt);
  CHECK(!lars.options(1).adapt);
  CHECK(!optim::LAMB(param_groups_without_decay(net, optim::LAMBOptions{})).options(1).adapt);
  // The state has the parameters' names.
  sum(net(ones({2, 3}))).backward();
  sgd.step();
  CHECK(sgd.state_dict().back().first == "state.0.bias.momentum_buffer");
}

TEST_CASE("a group without parameters is left out") {
  Generator generator(1);
  nn::Sequential weights, norm;
  weights.append<nn::Linear>(3, 2, generator, nn::LinearOptions{.bias = false});
  norm.append<nn::LayerNorm>(Shape{3});
  const optim::SGDOptions options{.lr = 1, .weight_decay = 0.1};
  const auto decayed = param_groups_without_decay(weights, options);
  REQUIRE(decayed.size() == 1);
  CHECK(decayed[0].options.weight_decay == 0.1);
  const auto not_decayed = param_groups_without_decay(norm, options);
  REQUIRE(not_decayed.size() == 1);
  CHECK(not_decayed[0].options.weight_decay == 0);
}
