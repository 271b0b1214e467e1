// The networks of residual and other blocks: names and shapes in their state dicts, parameter counts, what their
// options do, and what they refuse. Their values are compared with PyTorch's in trajectory_test.cpp.

#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/loss.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/models/brn_networks.hpp"
#include "evenkeel/models/cifar_resnet.hpp"
#include "evenkeel/models/frozen_se_resnet.hpp"
#include "evenkeel/models/resnet.hpp"
#include "evenkeel/models/seed_networks.hpp"
#include "evenkeel/models/ws_gn_networks.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/norm/convert.hpp"
#include "evenkeel/nn/norm/fuse.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/squeeze_excitation.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <optional>

using namespace evenkeel;
using namespace evenkeel::models;
using doctest::Contains;

namespace {

using Names = std::vector<std::string>;
using Made = std::unique_ptr<nn::Layer>;

Names keys(const nn::Module& module) {
  Names names;
  for (const auto& [name, value] : module.state_dict()) {
    names.push_back(name);
  }
  return names;
}

Shape shape_of(const nn::Module& module, const std::string& key) {
  for (const auto& [name, value] : module.state_dict()) {
    if (name == key) {
      return value.shape();
    }
  }
  FAIL("no entry " << key);
  return {};
}

void append_bn(Names& names, const std::string& name) {
  for (const char* entry : {".weight", ".bias", ".running_mean", ".running_var", ".num_batches_tracked"}) {
    names.push_back(name + entry);
  }
}

/// The keys of torchvision's ResNet of BasicBlocks. projections: every stage but the first begins with a downsample.
Names torchvision_keys(const std::vector<int>& blocks, bool projections) {
  Names names = {"conv1.weight"};
  append_bn(names, "bn1");
  for (std::size_t stage = 0; stage < blocks.size(); ++stage) {
    for (int b = 0; b < blocks[stage]; ++b) {
      const std::string block = "layer" + std::to_string(stage + 1) + "." + std::to_string(b);
      names.push_back(block + ".conv1.weight");
      append_bn(names, block + ".bn1");
      names.push_back(block + ".conv2.weight");
      append_bn(names, block + ".bn2");
      if (projections && stage > 0 && b == 0) {
        names.push_back(block + ".downsample.0.weight");
        append_bn(names, block + ".downsample.1");
      }
    }
  }
  names.insert(names.end(), {"fc.weight", "fc.bias"});
  return names;
}

/// One training step; every parameter gets a finite gradient.
void check_trains(nn::Layer& model, const Shape& input) {
  Generator generator(8);
  const Tensor y = model(randn(input, generator));
  CHECK(y.shape() == Shape{input[0], 10});
  cross_entropy(y, randint(0, 10, {input[0]}, generator)).backward();
  for (const auto& [key, parameter] : model.named_parameters()) {
    const std::string name = key;
    CAPTURE(name);
    REQUIRE(parameter.grad().defined());
    CHECK(std::isfinite(norm(parameter.grad()).item()));
  }
}

Made small_brn(Generator& g, const std::string& norm) {
  return std::make_unique<BRNClassifier>(g, 10, BRNBackboneOptions{.widths = {8, 16}, .blocks = {1, 2}, .norm = norm});
}

Made small_frozen_se(Generator& g, const std::string& norm) {
  return std::make_unique<FrozenSEResNet>(
      g,
      FrozenSEResNetOptions{.stem_width = 8, .widths = {4, 8}, .blocks = {2, 1}, .small_images = true, .norm = norm});
}

Made small_ws_gn(Generator& g, const std::string& norm) {
  return std::make_unique<WS_GN_Classifier>(g, WSGNClassifierOptions{.widths = {8, 16}, .block = {.norm = norm}});
}

Made small_bn(Generator& g, const std::string& norm) {
  return std::make_unique<SmallBNNet>(g, SmallBNNetOptions{.num_classes = 10, .norm = norm});
}

Made small_cifar(Generator& g, const std::string& norm) {
  return std::make_unique<CifarResNet>(g, CifarResNetOptions{.depth = 8, .width = 4, .norm = norm});
}

Made small_resnet(Generator& g, const std::string& norm) {
  return std::make_unique<ResNet>(
      g, ResNetOptions{.num_classes = 10, .layers = {1, 1}, .width = 8, .small_images = true, .norm = norm});
}

struct Small {
  std::string name;
  Made (*make)(Generator& generator, const std::string& norm);
};

const std::vector<Small> kSmall = {
    {"BRNClassifier", small_brn}, {"FrozenSEResNet", small_frozen_se}, {"WS_GN_Classifier", small_ws_gn},
    {"SmallBNNet", small_bn},     {"CifarResNet", small_cifar},        {"ResNet", small_resnet},
};

}  // namespace

TEST_CASE("parameter counts are those that the headers state") {
  Generator g(1);
  CHECK(BRNBackbone(g).num_parameters() == 695328);
  CHECK(BRNClassifier(g).num_parameters() == 696618);
  CHECK(FrozenSEResNet(g).num_parameters() == 26141162);
  CHECK(WS_GN_Classifier(g).num_parameters() == 39498);
  CHECK(SmallBNNet(g).num_parameters() == 5136);
  CHECK(SmallBNNet(g, {.num_classes = 10}).num_parameters() == 5466);
  CHECK(resnet18(g)->num_parameters() == 11689512);
  CHECK(resnet18(g, {.num_classes = 10, .small_images = true})->num_parameters() == 11173962);
  CHECK(resnet20(g)->num_parameters() == 269722);
  CHECK(resnet32(g)->num_parameters() == 464154);
  CHECK(resnet56(g)->num_parameters() == 853018);
  CHECK(resnet20(g, {.shortcut = Shortcut::projection})->num_parameters() == 272474);
  CHECK(resnet32(g, {.shortcut = Shortcut::projection})->num_parameters() == 466906);
  CHECK(resnet56(g, {.shortcut = Shortcut::projection})->num_parameters() == 855770);
  CHECK(FCNetworkWithBatchNorm(g, {.bias_before_norm = false}).num_parameters() == 235530);
  CHECK(CNNWithBatchNorm(g, {.bias_before_norm = false}).num_parameters() == 2176074);
}

TEST_CASE("every network takes every norm of the registry") {
  for (const Small& small : kSmall) {
    for (const nn::NormEntry& entry : nn::norms()) {
      const std::string norm(entry.name);
      CAPTURE(small.name);
      CAPTURE(norm);
      Generator g(2);
      check_trains(*small.make(g, norm), {3, 3, 9, 7});
    }
    Generator g(2);
    CHECK_THROWS_WITH(small.make(g, "nope"), Contains("nope"));
  }
}

TEST_CASE("fully connected networks take every norm that has a form for (N, C)") {
  int refused = 0;
  for (const nn::NormEntry& entry : nn::norms()) {
    const std::string norm(entry.name);
    CAPTURE(norm);
    Generator g(3);
    if (entry.min_spatial_dims == 0) {
      FCNetworkWithBatchNorm fc(g, {.in_features = 6, .norm = norm});
      check_trains(fc, {3, 6});
      CNNWithBatchNorm cnn(g, {.input_size = {4, 5}, .norm = norm});
      check_trains(cnn, {3, 3, 4, 5});
    } else {
      CHECK_THROWS_WITH(FCNetworkWithBatchNorm(g, {.norm = norm}), Contains(entry.name.data()));
      ++refused;
    }
  }
  CHECK(refused > 0);
}

TEST_CASE("networks leave out their activation behind a norm that is one") {
  int checked = 0;
  for (const nn::NormEntry& entry : nn::norms()) {
    if (!entry.activates) {
      continue;
    }
    const std::string norm(entry.name);
    CAPTURE(norm);
    Generator g(3);
    CHECK(small_brn(g, norm)->child("backbone.stem.act")->type_name() == "Identity");
    CHECK(small_ws_gn(g, norm)->child("blocks.0.act")->type_name() == "Identity");
    CHECK(small_bn(g, norm)->child("net.2")->type_name() == "Identity");
    CHECK(small_resnet(g, norm)->child("relu")->type_name() == "Identity");
    CHECK(small_cifar(g, norm)->child("layer1.0.relu")->type_name() == "ReLU");  // behind the sum
    CHECK((*conv_block(3, 8, g, {.norm = norm}))[2]->type_name() == "Identity");
    // Between the convolutions of a block there is the norm alone.
    BasicBlock block(4, 4, g, {.norm = norm});
    const Tensor x = randn({2, 4, 5, 6}, g);
    const Tensor y = relu(block.bn2(block.conv2(block.bn1(block.conv1(x)))) + x);
    block.train();
    CHECK(block(x).to_vector<float>() == y.to_vector<float>());
    ++checked;
  }
  CHECK(checked > 0);
}

TEST_CASE("every network converts: frozen and fused it is what it was, with GroupNorm it trains") {
  for (const Small& small : kSmall) {
    CAPTURE(small.name);
    Generator g(16);
    const Tensor x = randn({3, 3, 9, 7}, g);
    const auto trained = [&] {
      Made model = small.make(g, "bn");
      for (int step = 0; step < 3; ++step) {
        (*model)(randn({3, 3, 9, 7}, g) * 2.0 + 1.0);
      }
      model->eval();
      return model;
    };
    const Made frozen = trained();
    const std::vector<float> before = (*frozen)(x).to_vector<float>();
    const std::size_t norms = nn::convert_bn_to_frozen(*frozen).size();
    CHECK((*frozen)(x).to_vector<float>() == before);
    frozen->train();
    CHECK((*frozen)(x).to_vector<float>() == before);

    const Made fused = trained();
    const std::vector<float> whole = (*fused)(x).to_vector<float>();
    const std::size_t pairs = nn::fuse_conv_bn(*fused, x).size();
    CHECK(pairs > 0);
    const std::vector<float> folded = (*fused)(x).to_vector<float>();
    for (std::size_t i = 0; i < whole.size(); ++i) {
      CHECK(folded[i] == doctest::Approx(whole[i]).epsilon(1e-4));
    }

    const Made grouped = trained();
    CHECK(nn::convert_bn_to_gn(*grouped).size() == norms);
    grouped->train();
    check_trains(*grouped, {1, 3, 9, 7});
  }
}

TEST_CASE("networks refuse what is no batch of their images, by name and shape") {
  Generator g(4);
  for (const Small& small : kSmall) {
    const Made model = small.make(g, "gn");
    const std::string network = small.name == "BRNClassifier" ? "BRNBackbone (backbone)" : small.name;
    CHECK_THROWS_WITH((*model)(ones({2, 4, 8, 9})),
                      concat(network, ": input has shape [2, 4, 8, 9], expected (N, 3, H, W)").c_str());
    CHECK_THROWS_WITH((*model)(ones({3, 8, 9})),
                      concat(network, ": input has shape [3, 8, 9], expected (N, 3, H, W)").c_str());
    CHECK_THROWS_WITH((*model)(Tensor()), concat(network, ": the input is an undefined tensor").c_str());
  }
  FCNetworkWithBatchNorm fc(g);
  CHECK_THROWS_WITH(fc(ones({2, 3, 28, 28})),
                    "FCNetworkWithBatchNorm: input has shape [2, 3, 28, 28], expected 784 features per sample");
  CHECK_THROWS_WITH(fc(ones({784})), Contains("[784]"));
}

TEST_CASE("networks refuse options that make none") {
  Generator g(5);
  CHECK_THROWS_WITH(CifarResNet(g, {.depth = 18}), "CifarResNet: depth must be 6 n + 2 (20, 32, 56), got 18");
  CHECK_THROWS_WITH(CifarResNet(g, {.depth = 2}), Contains("got 2"));
  CHECK_THROWS_WITH(ResNet(g, {.layers = {}}), "ResNet: layers must name at least one stage");
  CHECK_THROWS_WITH(ResNet(g, {.layers = {1, 0}, .width = 2}), Contains("at least one block, got 0"));
  CHECK_THROWS_WITH(BRNBackbone(g, {.widths = {8, 8}, .blocks = {1}}),
                    "BRNBackbone: widths and blocks must name the same stages, at least one, got 2 and 1");
  CHECK_THROWS_WITH(BRNBackbone(g, {.widths = {8}, .blocks = {0}}), "BRNBackbone: widths and blocks must be positive");
  CHECK_THROWS_WITH(FrozenSEResNet(g, {.widths = {}, .blocks = {}}), Contains("got 0 and 0"));
  CHECK_THROWS_WITH(FrozenSEResNet(g, {.stem_width = 1}), "FrozenSEResNet: stem_width must be at least 2, got 1");
  CHECK_THROWS_WITH(WS_GN_Classifier(g, {.widths = {}}), Contains("widths must name at least one block"));
  CHECK_THROWS_WITH(
      BasicBlock(4, 7, g, {.shortcut = Shortcut::padded}),
      "BasicBlock: a padded shortcut adds an even number of channels, half on each side, got 4 in and 7 out");
  CHECK_THROWS_WITH(BasicBlock(6, 4, g, {.shortcut = Shortcut::padded}), Contains("got 6 in and 4 out"));
}

TEST_CASE("ResNet18 and the CIFAR ResNets have torchvision's names and shapes") {
  Generator g(6);
  const auto net = resnet18(g);
  CHECK(keys(*net) == torchvision_keys({2, 2, 2, 2}, true));
  CHECK(shape_of(*net, "conv1.weight") == Shape{64, 3, 7, 7});
  CHECK(shape_of(*net, "layer1.1.conv2.weight") == Shape{64, 64, 3, 3});
  CHECK(shape_of(*net, "layer2.0.conv1.weight") == Shape{128, 64, 3, 3});
  CHECK(shape_of(*net, "layer2.0.downsample.0.weight") == Shape{128, 64, 1, 1});
  CHECK(shape_of(*net, "layer4.0.downsample.1.running_var") == Shape{512});
  CHECK(shape_of(*net, "layer4.1.bn2.num_batches_tracked") == Shape{});
  CHECK(shape_of(*net, "fc.weight") == Shape{1000, 512});
  CHECK(keys(*resnet20(g)) == torchvision_keys({3, 3, 3}, false));
  CHECK(keys(*resnet32(g, {.shortcut = Shortcut::projection})) == torchvision_keys({5, 5, 5}, true));
  CHECK(keys(*resnet56(g)) == torchvision_keys({9, 9, 9}, false));
  // A first stage that keeps the width has no downsample, in either form.
  CHECK(keys(ResNet(g, {.layers = {1, 1}, .width = 2, .small_images = true})) == torchvision_keys({1, 1}, true));
  CHECK(shape_of(ResNet(g, {.layers = {1}, .width = 2, .small_images = true}), "conv1.weight") == Shape{2, 3, 3, 3});
}

TEST_CASE("a BasicBlock prints as torchvision's") {
  Generator g(7);
  CHECK(concat(BasicBlock(2, 4, g, {.stride = 2})) == R"(BasicBlock(
  (conv1): Conv2d(2, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
  (bn1): BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
  (relu): ReLU(inplace=True)
  (conv2): Conv2d(4, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
  (bn2): BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
  (downsample): Sequential(
    (0): Conv2d(2, 4, kernel_size=(1, 1), stride=(2, 2), bias=False)
    (1): BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
  )
))");
}

TEST_CASE("a padded shortcut takes every second pixel and puts zeros around the channels") {
  Generator g(8);
  BasicBlock block(1, 3, g, {.stride = 2, .shortcut = Shortcut::padded, .norm = "none"});
  for (Tensor& parameter : block.parameters()) {
    parameter.mutable_array().copy_(Array::zeros(parameter.shape()));
  }
  const Tensor x = Tensor(Array::from<float>({1, 2, 3, 4, 5, 6}, {1, 1, 2, 3}));
  const Tensor y = block(x);
  CHECK(y.shape() == Shape{1, 3, 1, 2});
  CHECK(y.to_vector<float>() == std::vector<float>{0, 0, 1, 3, 0, 0});
}

TEST_CASE("ResNets start as torchvision's do") {
  Generator g(9);
  const auto net = resnet18(g, {.zero_init_residual = true});
  const auto& conv = *net->child<nn::Conv2d>("layer3.1.conv1");
  const double n = static_cast<double>(conv.weight.numel());
  const double deviation = norm(conv.weight.detach()).item() / std::sqrt(n);
  CHECK(deviation == doctest::Approx(std::sqrt(2 / (256 * 9.0))).epsilon(0.01));  // 590,000 values: 0.1 % expected
  CHECK(norm(net->get_parameter("layer3.1.bn2.weight").detach()).item() == 0);
  CHECK(norm(net->get_parameter("layer3.1.bn1.weight").detach()).item() == 16);
  // With bn2's weight 0 a block is relu(x).
  nn::Slot& block = net->child("layer1.0");
  const Tensor x = randn({2, 64, 3, 4}, g);
  CHECK(block(x).to_vector<float>() == relu(x).to_vector<float>());
  const auto plain = resnet18(g);
  CHECK(norm(plain->get_parameter("layer3.1.bn2.weight").detach()).item() == 16);
}

TEST_CASE("BatchRenorm's networks") {
  Generator g(10);
  BRNClassifier net(g);
  CHECK(net.child("backbone.stem.norm")->type_name() == "BatchRenorm2d");
  CHECK(net.child("backbone.stages.1.0")->type_name() == "ResidualBRNBlock");
  CHECK(net.child("backbone.stages.1.0.downsample")->type_name() == "ConvBRNAct");
  CHECK(net.child("backbone.stages.1.0.conv2.act")->type_name() == "Identity");
  CHECK(keys(net).front() == "backbone.stem.conv.weight");
  CHECK(keys(net).back() == "fc.bias");
  CHECK(shape_of(net, "backbone.stages.2.0.downsample.conv.weight") == Shape{128, 64, 1, 1});
  CHECK(net.backbone(ones({2, 3, 9, 14})).shape() == Shape{2, 128, 3, 4});
  CHECK(ConvBRNAct(3, 5, g, {.stride = 2, .norm = "gn"})(ones({2, 3, 7, 4})).shape() == Shape{2, 5, 4, 2});
  CHECK(keys(ConvBRNAct(3, 5, g, {.norm = "none"})) == Names{"conv.weight", "conv.bias"});
  CHECK(ConvBRNAct(3, 5, g, {.stride = 2}).child("norm")->type_name() == "BatchRenorm2d");
  CHECK(ConvBRNAct(3, 5, g, {.stride = 2}).options.norm == "brn");
  CHECK(ConvNormAct(3, 5, g, {.stride = 2}).child("norm")->type_name() == "BatchNorm2d");
  const ResidualBRNBlock same(4, 4, g);
  CHECK_FALSE(same.downsample);
  ResidualBRNBlock smaller(4, 6, g, {.stride = 2});
  CHECK(smaller(ones({2, 4, 5, 6})).shape() == Shape{2, 6, 3, 3});
}

TEST_CASE("bottlenecks with squeeze-and-excitation, and their network") {
  Generator g(11);
  FrozenSEResNet net(g, {.stem_width = 8, .widths = {4, 8}, .blocks = {1, 2}, .expansion = 3});
  CHECK(keys(net)[0] == "stem.0.conv.weight");
  CHECK(shape_of(net, "stem.1.conv.weight") == Shape{4, 4, 3, 3});
  CHECK(shape_of(net, "stages.1.0.se.fc1.weight") == Shape{6, 24, 1, 1});
  CHECK(shape_of(net, "stages.1.0.se.fc2.bias") == Shape{24});
  CHECK(shape_of(net, "stages.1.0.downsample.conv.weight") == Shape{24, 12, 1, 1});
  CHECK(shape_of(net, "head_norm.running_var") == Shape{24});
  CHECK(net.child<nn::Conv2d>("stages.1.0.conv2.conv")->options.stride == Size2(2));
  CHECK(net(ones({2, 3, 33, 17})).shape() == Shape{2, 10});
  CHECK(net.stages(net.pool(net.stem(ones({2, 3, 33, 17})))).shape() == Shape{2, 24, 5, 3});
  const Bottleneck plain(8, 2, g, {.se_ratio = 0});
  CHECK(plain.se->type_name() == "Identity");
  CHECK_FALSE(plain.downsample);
  const Bottleneck wider(8, 4, g);
  CHECK(bool(wider.downsample));
}

TEST_CASE("squeeze-and-excitation scales each channel of each sample") {
  Generator g(12);
  nn::SqueezeExcitation se(6, g, {.ratio = 0.5});
  CHECK(se.squeezed_channels == 3);
  const Tensor x = randn({2, 6, 4, 5}, g);
  const std::vector<float> xs = x.to_vector<float>();
  const std::vector<float> ys = se(x).to_vector<float>();
  const auto w1 = se.fc1->weight.to_vector<float>();
  const auto b1 = se.fc1->bias.to_vector<float>();
  const auto w2 = se.fc2->weight.to_vector<float>();
  const auto b2 = se.fc2->bias.to_vector<float>();
  for (std::size_t n = 0; n < 2; ++n) {
    std::vector<double> hidden(b1.begin(), b1.end());
    for (std::size_t c = 0; c < 6; ++c) {
      double mean = 0;
      for (std::size_t i = 0; i < 20; ++i) {
        mean += static_cast<double>(xs[(n * 6 + c) * 20 + i]) / 20;
      }
      for (std::size_t h = 0; h < 3; ++h) {
        hidden[h] += static_cast<double>(w1[h * 6 + c]) * mean;
      }
    }
    for (std::size_t c = 0; c < 6; ++c) {
      double z = b2[c];
      for (std::size_t h = 0; h < 3; ++h) {
        z += static_cast<double>(w2[c * 3 + h]) * std::max(0.0, hidden[h]);
      }
      for (std::size_t i = 0; i < 20; ++i) {
        const std::size_t at = (n * 6 + c) * 20 + i;
        CHECK(ys[at] == doctest::Approx(static_cast<double>(xs[at]) / (1 + std::exp(-z))).epsilon(1e-5));
      }
    }
  }
  CHECK(nn::SqueezeExcitation(3, g).squeezed_channels == 1);
  CHECK(nn::SqueezeExcitation(64, g, {.ratio = 1.0 / 16}).squeezed_channels == 4);
  CHECK_THROWS_WITH(nn::SqueezeExcitation(0, g), "SqueezeExcitation: channels must be positive, got 0");
  CHECK_THROWS_WITH(nn::SqueezeExcitation(8, g, {.ratio = 1.5}),
                    "SqueezeExcitation: ratio must lie in (0, 1], got 1.5");
  CHECK_THROWS_WITH(se(ones({6, 4})), Contains("expected 4D input (got 2D input of shape [6, 4])"));
}

TEST_CASE("WS_GN_Block takes the first group number that divides, unless one is given") {
  Generator g(13);
  const auto groups = [&](std::int64_t out, std::optional<std::int64_t> given) {
    return WS_GN_Block(3, out, g, {.groups = given}).child<nn::GroupNorm>("gn")->num_groups;
  };
  CHECK(groups(64, {}) == 32);
  CHECK(groups(48, {}) == 16);
  CHECK(groups(20, {}) == 4);
  CHECK(groups(7, {}) == 1);
  CHECK(groups(48, 12) == 12);
  CHECK(groups(7, 7) == 7);
  CHECK_THROWS_WITH(groups(48, 32), Contains("got 48 channels and 32 groups"));
  WS_GN_Block block(3, 8, g);
  CHECK(keys(block) == Names{"conv.weight", "gn.weight", "gn.bias"});
  CHECK(block.conv->type_name() == "WSConv2d");
  CHECK(block(randn({1, 3, 5, 4}, g)).shape() == Shape{1, 8, 5, 4});
  // The filters' scale and offset mean nothing to a standardized convolution.
  const Tensor x = randn({2, 3, 5, 4}, g);
  const std::vector<float> before = block(x).to_vector<float>();
  Tensor& weight = block.get_parameter("conv.weight");
  weight.mutable_array().copy_((weight.detach() * 3 + 0.5).array());
  const std::vector<float> after = block(x).to_vector<float>();
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK(after[i] == doctest::Approx(before[i]).epsilon(1e-3));
  }
}

TEST_CASE("SmallBNNet is the note's network, with a head if there are classes") {
  Generator g(14);
  SmallBNNet net(g);
  CHECK(concat(net) == R"(SmallBNNet(
  (net): Sequential(
    (0): Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (1): BatchNorm2d(16, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
    (2): ReLU()
    (3): Conv2d(16, 32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (4): BatchNorm2d(32, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
    (5): ReLU()
  )
))");
  CHECK(net(ones({2, 3, 4, 5})).shape() == Shape{2, 32, 4, 5});
  SmallBNNet classifier(g, {.num_classes = 7});
  CHECK(classifier(ones({2, 3, 4, 5})).shape() == Shape{2, 7});
  CHECK(keys(classifier).back() == "fc.bias");
}

TEST_CASE("no bias before BatchNorm: it would change nothing and get no gradient") {
  Generator g(15);
  const Names lean = keys(FCNetworkWithBatchNorm(g, {.bias_before_norm = false}));
  CHECK(std::count(lean.begin(), lean.end(), "network.0.bias") == 0);
  CHECK(std::count(lean.begin(), lean.end(), "network.3.bias") == 0);
  CHECK(std::count(lean.begin(), lean.end(), "network.6.bias") == 1);
  CHECK(keys(*conv_block(2, 8, g, {.bias_before_norm = false})).size() == 6);
  CHECK(keys(*fc_block(2, 8, g, {.norm = "gn", .bias_before_norm = false})) == Names{"0.weight", "1.weight", "1.bias"});
  FCNetworkWithBatchNorm net(g, {.in_features = 5});
  net.to(DType::float64);
  const Tensor x = Tensor(randn({6, 5}, g).array().to(DType::float64));
  const std::vector<double> before = net(x).to_vector<double>();
  Tensor& bias = net.get_parameter("network.0.bias");
  bias.mutable_array().copy_((bias.detach() + 3).array());
  const Tensor y = net(x);
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK(y.to_vector<double>()[i] == doctest::Approx(before[i]).epsilon(1e-9));
  }
  sum(y * y).backward();
  CHECK(norm(bias.grad()).item() < 1e-12 * norm(net.get_parameter("network.1.bias").grad()).item());
}
