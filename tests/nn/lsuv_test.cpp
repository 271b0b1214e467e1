// lsuv_init_: variances, orthonormal weights, the order of execution, and that nothing else changes.

#include "evenkeel/nn/lsuv.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/reduce.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/dropout.hpp"
#include "evenkeel/nn/init.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/weight_norm.hpp"
#include "tests/support/values.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Approx;
using doctest::Contains;
using Values = std::vector<double>;

namespace {

/// Registered in another order than it runs; one layer never does, one runs twice.
struct Net : Layer {
  explicit Net(Generator& g)
      : head(add<Linear>("head", 12, 5, g)),
        unused(add<Linear>("unused", 2, 2, g)),
        stem(add<Conv2d>("stem", 2, 4, g, {.kernel_size = 3})),
        twice(add<Conv2d>("twice", 4, 4, g, {.kernel_size = 3, .padding = 1})),
        norm(add<BatchNorm2d>("norm", 4)),
        dropout(add<Dropout>("dropout", 0.3, g)) {}
  Tensor forward(const Tensor& x) override {
    const Tensor y = twice(norm(twice(relu(stem(x))), nn::relu));
    return head(dropout(flatten(mean(y, {-1}), 1)));
  }
  Child<Linear> head, unused;
  Child<Conv2d> stem, twice;
  Child<BatchNorm2d> norm;
  Child<Dropout> dropout;
};

Tensor images() { return test::random({16, 2, 5, 5}, 3, DType::float32) * 3.0; }

std::vector<std::pair<std::string, Values>> values_of(const Net& net) {
  std::vector<std::pair<std::string, Values>> all;
  for (const auto& state : {net.state_dict(), net.generator_state()}) {
    for (const auto& [name, array] : state) {
      all.emplace_back(name, test::doubles(array));
    }
  }
  return all;
}

double variance(const Tensor& y) { return var(y.array(), {}, 0).item(); }

}  // namespace

TEST_CASE("every layer's first output gets variance 1, in the order in which the layers run") {
  Generator g(2);
  Net net(g);
  const LsuvReport report = lsuv_init_(net, images(), g);
  REQUIRE(report.layers.size() == 4);
  const char* names[] = {"stem", "twice", "head", "unused"};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(report.layers[i].name == names[i]);
  }
  CHECK(report.layers[3].skipped == "did not run");
  std::vector<std::pair<std::string, double>> seen;
  for (const auto& [name, module] : net.named_modules()) {
    if (name == "stem" || name == "twice" || name == "head") {
      module->register_forward_hook(
          [&seen, n = name](const Module&, const auto&, const auto& out) { seen.emplace_back(n, variance(out[0])); });
    }
  }
  net(images());
  REQUIRE(seen.size() == 4);
  for (const std::size_t i : {0, 1, 3}) {
    const LsuvLayer& layer = report.layers[i == 3 ? 2 : i];
    CHECK(seen[i].first == layer.name);
    CHECK(seen[i].second == layer.variance);  // the same run of the same layers, dropout included
    CHECK(std::abs(seen[i].second - 1) < 0.1);
    CHECK(layer.iterations >= 1);
    CHECK(layer.iterations <= 10);
    CHECK(std::abs(layer.before - 1) >= 0.1);
  }
}

TEST_CASE("weights stay orthonormal up to one factor, or as they were up to one") {
  Generator g(2);
  Net net(g);
  lsuv_init_(net, images(), g);
  const Tensor w = reshape(net.twice->weight, {4, 36});
  const Values product = test::doubles(matmul(w, transpose(w, 0, 1)));
  for (std::size_t i = 0; i < 16; ++i) {
    CHECK(product[i] == Approx(i % 5 == 0 ? product[0] : 0).epsilon(1e-5));
  }
  Net own(g);
  const Values before = test::doubles(own.stem->weight);
  lsuv_init_(own, images(), g, {.orthonormal = false});
  const Values after = test::doubles(own.stem->weight);
  for (std::size_t i = 1; i < before.size(); ++i) {
    CHECK(after[i] * before[0] == Approx(before[i] * after[0]).epsilon(1e-5));
  }
  CHECK(after[0] != before[0]);
}

TEST_CASE("nothing but the weights of layers that ran changes; same seed, same bits") {
  Generator g(2);
  Net net(g);
  net.stem->requires_grad_(false);
  const auto before = values_of(net);
  lsuv_init_(net, images(), g, {.tol = 0.01});
  const auto after = values_of(net);
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    const bool weight = before[i].first.ends_with("weight") && !before[i].first.starts_with("norm");
    CAPTURE(before[i].first);
    CHECK((after[i].second != before[i].second) == weight);
  }
  CHECK(net.training());
  CHECK_FALSE(net.stem->weight.requires_grad());
  CHECK(net.head->weight.requires_grad());
  CHECK_FALSE(net.head->weight.grad().defined());
  CHECK_FALSE(net.stem->has_forward_hooks());
  Generator same(2);
  Net again(same);
  lsuv_init_(again, images(), same, {.tol = 0.01});
  CHECK(values_of(again) == after);
}

TEST_CASE("a model of other arguments; limits of the iterations; eval stays eval") {
  Generator g(4);
  Net net(g);
  net.eval();
  int runs = 0;
  const LsuvReport report = lsuv_init_(net,
                                       [&] {
                                         ++runs;
                                         call(net, images());
                                       },
                                       g, {.tol = 1e-9, .max_iterations = 2});
  CHECK(runs == 4);  // three layers, and one run that finds none
  CHECK(report.layers[0].iterations == 2);
  CHECK_FALSE(net.training());
  const LsuvReport none = lsuv_init_(net, images(), g, {.max_iterations = 0});
  CHECK(none.layers[0].iterations == 0);
  CHECK(none.layers[0].before == none.layers[0].variance);
  CHECK(lsuv_init_(
            net, [] {}, g)
            .layers[0]
            .skipped == "did not run");
  Sequential empty;
  CHECK(lsuv_init_(empty, images(), g).layers.empty());
}

TEST_CASE("what cannot be set is left alone and named") {
  Generator g(5);
  Sequential net;
  net.append<Linear>(3, 4, g, {.bias = false}).append<ReLU>().append<Linear>(4, 2, g);
  weight_norm(*net[2]);
  const LsuvReport report = lsuv_init_(net, zeros({6, 3}), g);
  CHECK(to_string(report) ==
        "0 (Linear): left alone, its output has no variance\n2 (Linear): left alone, its weight is parametrized\n");
  Linear alone(3, 3, g);
  init::eye_(alone.weight);
  init::zeros_(alone.bias);
  const Tensor unit = tensor<float>({1, -1, 1, -1, 1, -1}, {2, 3});
  CHECK(to_string(lsuv_init_(alone, unit * 2.0, g, {.orthonormal = false})) ==
        "model (Linear): variance 4 -> 1, scaled 1 time\n");
}

TEST_CASE("when something throws all is as before, the generator too") {
  Generator g(6);
  Net net(g);
  const auto before = values_of(net);
  const Generator::State state = g.state();
  CHECK_THROWS_AS(lsuv_init_(net, ones({16, 3, 5, 5}), g), ShapeError);
  int runs = 0;
  const auto third = [&] {
    net(images());
    require<StateError>(++runs < 3, "third", "stops here");
  };
  CHECK_THROWS_WITH_AS(lsuv_init_(net, third, g), "third: stops here", StateError);
  CHECK_THROWS_WITH_AS(lsuv_init_(net, images(), g, {.tol = 0}), "lsuv_init_: tol must be positive, got 0", ValueError);
  CHECK_THROWS_WITH_AS(lsuv_init_(net, images(), g, {.max_iterations = -1}),
                       "lsuv_init_: max_iterations must not be negative, got -1", ValueError);
  CHECK(values_of(net) == before);
  CHECK(g.state() == state);
  CHECK_FALSE(net.stem->has_forward_hooks());
}
