// A network that is refused has drawn nothing, and one that is not draws as ever.

#include "evenkeel/models/brn_networks.hpp"
#include "evenkeel/models/cifar_resnet.hpp"
#include "evenkeel/models/frozen_se_resnet.hpp"
#include "evenkeel/models/registry.hpp"
#include "evenkeel/models/resnet.hpp"
#include "evenkeel/models/seed_networks.hpp"
#include "evenkeel/models/small_cnn.hpp"
#include "evenkeel/models/ws_gn_networks.hpp"

#include <doctest/doctest.h>

using namespace evenkeel;
using namespace evenkeel::models;

namespace {

/// Makes a network by `make(generator)`, which must throw and leave the generator as it was.
template <class Make>
void check_refused(const Make& make) {
  Generator generator(3);
  generator.below(10);
  const auto before = generator.state();
  CHECK_THROWS_AS(make(generator), ValueError);
  CHECK(generator.state().seed == before.seed);
  CHECK(generator.state().counter == before.counter);
}

/// A network of one class with the norm "nope", and with groups that divide nothing.
template <class M, class Options, class... Sizes>
void check_class(const Sizes&... sizes) {
  CAPTURE(nn::class_name(typeid(M)));
  Options unknown, groups;
  unknown.norm = "nope";
  groups.norm = "gn";
  groups.norm_options.num_groups = 7;
  check_refused([&](Generator& g) { return std::make_unique<M>(sizes..., g, unknown); });
  check_refused([&](Generator& g) { M model(sizes..., g, groups); });
}

}  // namespace

TEST_CASE("a network with a norm that is refused leaves the generator as it was, however it is made") {
  check_class<SmallBNNet, SmallBNNetOptions>();
  check_class<CNNWithBatchNorm, CNNOptions>();
  check_class<FCNetworkWithBatchNorm, FCNetworkOptions>();
  check_class<CifarResNet, CifarResNetOptions>();
  check_class<ResNet, ResNetOptions>();
  check_class<FrozenSEResNet, FrozenSEResNetOptions>();
  check_class<BasicBlock, BasicBlockOptions>(std::int64_t{8}, std::int64_t{16});
  check_class<Bottleneck, BottleneckOptions>(std::int64_t{8}, std::int64_t{16});
  check_class<ConvNormAct, ConvNormActOptions>(std::int64_t{8}, std::int64_t{16});
  check_class<ConvBRNAct, ConvNormActOptions>(std::int64_t{8}, std::int64_t{16});
  check_class<ResidualBRNBlock, BRNBlockOptions>(std::int64_t{8}, std::int64_t{16});
  check_class<BRNBackbone, BRNBackboneOptions>();
  check_refused([](Generator& g) { return BRNClassifier(g, 10, {.norm = "nope"}).training(); });
  check_refused([](Generator& g) { return SmallCNN(g, {.norm = "nope"}).training(); });
  check_refused([](Generator& g) { return SmallCNN_GN(g, {.g1 = 7}).training(); });
  check_refused([](Generator& g) { return WS_GN_Classifier(g, {.block = {.norm = "nope"}}).training(); });
  check_refused([](Generator& g) { return WS_GN_Block(3, 8, g, {.groups = 7}).training(); });
  check_refused([](Generator& g) { return fc_block(4, 8, g, {.norm = "nope"})->training(); });
  check_refused([](Generator& g) { return conv_block(4, 8, g, {.norm = "nope"})->training(); });
  check_refused([](Generator& g) { return resnet20(g, {.norm = "nope"})->training(); });
  for (const ModelEntry& entry : models::models()) {
    CAPTURE(entry.name);
    check_refused([&](Generator& g) { return make_model(entry.name, g, {.norm = "nope"})->training(); });
  }
}

TEST_CASE("a network made while an exception is handled keeps what it drew") {
  Generator generator(3), same(3);
  try {
    throw StateError("test", "thrown");
  } catch (const StateError&) {
    const SmallCNN model(generator);
  }
  const SmallCNN model(same);
  CHECK(generator.state().counter == same.state().counter);
  CHECK(generator.state().counter > 0);
}
