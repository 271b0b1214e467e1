#include "evenkeel/autograd/ops/loss.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/models/registry.hpp"
#include "evenkeel/models/seed_networks.hpp"
#include "evenkeel/models/small_cnn.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/registry.hpp"
#include "evenkeel/nn/summary.hpp"
#include "evenkeel/optim/sgd.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace evenkeel;
using namespace evenkeel::models;
using doctest::Contains;

namespace {

std::vector<std::string> keys(const nn::Module& module) {
  std::vector<std::string> names;
  for (const auto& [name, value] : module.state_dict()) {
    names.push_back(name);
  }
  return names;
}

using Names = std::vector<std::string>;

/// One forward and backward in training mode; every parameter gets a finite gradient that is not all 0.
void check_trains(nn::Layer& model, const Shape& input) {
  Generator generator(8);
  const Tensor x = randn(input, generator);
  const Tensor y = model(x);
  CHECK(y.shape() == Shape{input[0], 10});
  cross_entropy(y, randint(0, 10, {input[0]}, generator)).backward();
  for (const auto& [key, parameter] : model.named_parameters()) {
    const std::string name = key;
    CAPTURE(name);
    REQUIRE(parameter.grad().defined());
    const double size = norm(parameter.grad()).item();
    CHECK(std::isfinite(size));
    // A bias in front of BatchNorm has gradient 0 up to rounding.
    CHECK(size > 0);
  }
}

}  // namespace

TEST_CASE("SmallCNN: names, count and text are those of the PyTorch module") {
  Generator g(1);
  SmallCNN_BN bn(g);
  CHECK(keys(bn) == Names{"net.0.weight", "net.0.bias", "net.1.weight", "net.1.bias", "net.1.running_mean",
                          "net.1.running_var", "net.1.num_batches_tracked", "net.3.weight", "net.3.bias",
                          "net.4.weight", "net.4.bias", "net.4.running_mean", "net.4.running_var",
                          "net.4.num_batches_tracked", "fc.weight", "fc.bias"});
  CHECK(bn.num_parameters() == 20234);
  CHECK(concat(bn) == R"(SmallCNN_BN(
  (net): Sequential(
    (0): Conv2d(3, 32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    (1): BatchNorm2d(32, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
    (2): ReLU(inplace=True)
    (3): Conv2d(32, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    (4): BatchNorm2d(64, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
    (5): ReLU(inplace=True)
    (6): AdaptiveAvgPool2d(output_size=1)
  )
  (fc): Linear(in_features=64, out_features=10, bias=True)
))");
  SmallCNN_GN gn(g, {.in_channels = 1, .num_classes = 7, .norm = "not looked at", .g1 = 4});
  CHECK(gn.child<nn::GroupNorm>("net.1")->num_groups == 4);
  CHECK(gn.child<nn::GroupNorm>("net.4")->num_groups == 16);
  CHECK(keys(gn) == Names{"net.0.weight", "net.0.bias", "net.1.weight", "net.1.bias", "net.3.weight", "net.3.bias",
                          "net.4.weight", "net.4.bias", "fc.weight", "fc.bias"});
  CHECK(gn.num_parameters() == 32 * 9 + 32 + 64 + 32 * 64 * 9 + 64 + 128 + 64 * 7 + 7);
  const nn::Summary s = nn::summary(bn, {1, 3, 32, 32});
  CHECK(s.total(&nn::LayerSummary::macs) == 32 * 32 * (27 * 32 + 288 * 64) + 640);
}

TEST_CASE("SmallCNN takes every norm of the registry, and any image size") {
  for (const nn::NormEntry& entry : nn::norms()) {
    const std::string norm(entry.name);
    CAPTURE(norm);
    Generator g(2);
    SmallCNN model(g, {.norm = norm});
    check_trains(model, {3, 3, 9, 7});
  }
  Generator g(1);
  CHECK_THROWS_WITH(SmallCNN(g, {.norm = "nope"}), Contains("nope"));
  CHECK_THROWS_WITH(SmallCNN_GN(g, {.g1 = 5}), Contains("5"));
}

TEST_CASE("FCNetworkWithBatchNorm") {
  Generator g(3);
  FCNetworkWithBatchNorm model(g);
  CHECK(model.num_parameters() == 235914);
  CHECK(keys(model).front() == "network.0.weight");
  CHECK(keys(model)[4] == "network.1.running_mean");
  CHECK(keys(model).back() == "network.6.bias");
  check_trains(model, {5, 784});
  model.eval();
  const Tensor images = rand({2, 1, 28, 28}, g);
  const Tensor rows = Tensor(images.array().reshape({2, 784}));
  CHECK(model(images).to_vector<float>() == model(rows).to_vector<float>());
}

TEST_CASE("CNNWithBatchNorm") {
  Generator g(4);
  CNNWithBatchNorm model(g);
  CHECK(model.num_parameters() == 2176522);
  CHECK(keys(model).front() == "features.0.weight");
  CHECK(keys(model).back() == "classifier.4.bias");
  CNNWithBatchNorm digits(g, {.in_channels = 1, .input_size = 28});
  CHECK(digits.num_parameters() == 1683850);
  CNNWithBatchNorm uneven(g, {.in_channels = 2, .input_size = {9, 14}});
  CHECK(uneven.child("classifier.1")->extra_repr() == "in_features=768, out_features=256, bias=True");
  check_trains(uneven, {3, 2, 9, 14});
  CHECK_THROWS_WITH(uneven(ones({3, 2, 14, 9})),
                    "CNNWithBatchNorm: input has shape [3, 2, 14, 9], expected (N, 2, 9, 14)");
  CHECK_THROWS_WITH(CNNWithBatchNorm(g, {.input_size = {3, 8}}), Contains("input_size must be at least 4x4, got 3x8"));
}

TEST_CASE("fc_block and conv_block") {
  Generator g(5);
  CHECK(concat(*fc_block(6, 4, g)) ==
        "Sequential(\n  (0): Linear(in_features=6, out_features=4, bias=True)\n  (1): BatchNorm1d(4, eps=1e-05, "
        "momentum=0.1, affine=True, track_running_stats=True)\n  (2): ReLU()\n)");
  const auto with_dropout = fc_block(6, 4, g, {.dropout = 0.3});
  CHECK(concat(*(*with_dropout)[3]) == "Dropout(p=0.3, inplace=False)");
  const auto block = conv_block(2, 8, g, {.kernel_size = {5, 3}, .padding = {2, 1}});
  CHECK((*block)(ones({2, 2, 6, 7})).shape() == Shape{2, 8, 6, 7});
  CHECK(block->num_parameters() == 2 * 8 * 15 + 8 + 16);
  CHECK(conv_block(2, 8, g)->num_parameters() == 2 * 8 * 9 + 8 + 16);
}

TEST_CASE("models by name") {
  Generator g(6);
  for (const ModelEntry& entry : models::models()) {
    const std::string name(entry.name);
    CAPTURE(name);
    CHECK_FALSE(entry.description.empty());
    const auto model = make_model(name, g, {.in_channels = 1, .input_size = {8, 12}});
    check_trains(*model, {4, 1, 8, 12});
  }
  const auto model = make_model("small_cnn", g, {.num_classes = 3, .norm = "gn"});
  CHECK(model->child("net.1")->type_name() == "GroupNorm");
  CHECK(make_model("small_cnn", g)->child("net.1")->type_name() == "BatchNorm2d");
  CHECK(make_model("frozen_se_resnet", g)->num_parameters() == 1649474);
  CHECK(make_model("ws_gn", g)->child("blocks.0.gn")->type_name() == "GroupNorm");
  CHECK(make_model("brn_classifier", g)->child("backbone.stem.norm")->type_name() == "BatchRenorm2d");
  for (const ModelEntry& entry : models::models()) {
    const std::string text = concat(*make_model(entry.name, g, {.norm_options = {.eps = 0.25}}));
    CAPTURE(text);
    CHECK(text.find("eps=0.25") != std::string::npos);
    CHECK(text.find("eps=1e-05") == std::string::npos);
  }
  CHECK(make_model("resnet18", g, {.input_size = {64, 80}})->child("maxpool")->type_name() == "MaxPool2d");
  CHECK(make_model("resnet18", g, {.input_size = {64, 63}})->child("maxpool")->type_name() == "Identity");
  CHECK_THROWS_WITH(make_model("resnet", g),
                    "make_model: there is no model 'resnet'; known: small_cnn, fc_bn, cnn_bn, brn_classifier, "
                    "frozen_se_resnet, ws_gn, small_bn_net, resnet20, resnet32, resnet56, resnet18");
  CHECK_THROWS_WITH(make_model("fc_bn", g, {.norm = "rms"}), Contains("'rms' takes input of 2 spatial dims"));
}

TEST_CASE("the same seed gives the same weights") {
  Generator a(7);
  Generator b(7);
  const auto first = make_model("cnn_bn", a, {.in_channels = 1, .input_size = 8});
  const auto second = make_model("cnn_bn", b, {.in_channels = 1, .input_size = 8});
  const auto state = second->state_dict();
  for (std::size_t i = 0; i < state.size(); ++i) {
    if (state[i].second.dtype() == DType::float32) {
      CHECK(first->state_dict()[i].second.to_vector<float>() == state[i].second.to_vector<float>());
    }
  }
}

TEST_CASE("a training step asks the system for no memory after the first") {
  for (const char* name : {"small_cnn", "cnn_bn", "fc_bn", "resnet20", "brn_classifier"}) {
    for (const int threads : {1, 2}) {
      CAPTURE(name);
      CAPTURE(threads);
      const ThreadsGuard guard(threads);
      empty_cache();
      Generator generator(1);
      const bool flat = std::string_view(name) == "fc_bn";
      const auto model = make_model(name, generator, {.in_channels = flat ? 1 : 3, .input_size = flat ? 28 : 32});
      optim::SGD optimizer(model->parameters(), {.lr = 0.01, .momentum = 0.9});
      const Tensor x = randn(flat ? Shape{5, 784} : Shape{5, 3, 32, 32}, generator);
      const Tensor target = randint(0, 10, {5}, generator);
      const auto step = [&] {
        optimizer.zero_grad();
        cross_entropy((*model)(x), target).backward();
        optimizer.step();
      };
      const std::uint64_t before = memory_stats().system_allocations;
      step();
      const std::uint64_t first = memory_stats().system_allocations;
      CHECK(first > before);
      for (int i = 0; i < 3; ++i) {
        step();
      }
      CHECK(memory_stats().system_allocations == first);
    }
  }
}
