#include "evenkeel/nn/summary.hpp"

#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/dropout.hpp"
#include "evenkeel/nn/flatten.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/batch_channel_norm.hpp"
#include "evenkeel/nn/norm/batch_group_norm.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/evo_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/pool.hpp"

#include <doctest/doctest.h>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;

namespace {

/// Counts its training calls in a buffer, as BatchNorm does.
class Counting : public Layer {
 public:
  Tensor forward(const Tensor& x) override {
    if (training()) {
      add_(count, ones({}));
    }
    return x * 1.0;
  }

  Tensor& count = buffer("count", Array::zeros({}));
};

void build(Sequential& net, Generator& g) {
  net.append<Conv2d>(3, 8, g, Conv2dOptions{.kernel_size = 3, .padding = 1})  // 0
      .append<Counting>()
      .append<ReLU>(ActivationOptions{.inplace = true})
      .append<MaxPool2d>(2)
      .append<Conv2d>(8, 4, g, Conv2dOptions{.kernel_size = {1, 3}, .groups = 2, .bias = false})  // 4
      .append<Flatten>()
      .append<Dropout>(0.5, g)
      .append<Linear>(4 * 3 * 2, 5, g);  // 7
}

}  // namespace

TEST_CASE("numbers of a small network, counted by hand") {
  Generator g(1);
  Sequential net;
  build(net, g);
  const Summary s = summary(net, {2, 3, 6, 8});
  REQUIRE(s.layers.size() == 9);
  CHECK(s.layers[0].type == "Sequential");
  CHECK(s.layers[0].name.empty());
  CHECK(s.layers[0].outputs == std::vector<Shape>{{2, 5}});
  CHECK(s.layers[0].parameters == 0);

  const LayerSummary& conv = s.layers[1];
  CHECK(conv.name == "0");
  CHECK(conv.outputs == std::vector<Shape>{{2, 8, 6, 8}});
  CHECK(conv.parameters == 8 * 3 * 9 + 8);
  CHECK(conv.macs == 2 * 8 * 6 * 8 * 3 * 9);
  CHECK(conv.output_bytes == 2 * 8 * 6 * 8 * 4);
  CHECK(s.layers[2].parameter_bytes == 4);  // a buffer
  CHECK(s.layers[2].parameters == 0);
  CHECK(s.layers[3].output_bytes == 0);  // in place
  CHECK(s.layers[4].outputs == std::vector<Shape>{{2, 8, 3, 4}});
  CHECK(s.layers[5].outputs == std::vector<Shape>{{2, 4, 3, 2}});
  CHECK(s.layers[5].macs == 2 * 4 * 3 * 2 * 4 * 3);
  CHECK(s.layers[5].parameters == 4 * 4 * 3);
  CHECK(s.layers[6].output_bytes == 0);  // a view
  CHECK(s.layers[8].macs == 2 * 5 * 24);
  CHECK(s.total(&LayerSummary::parameters) == 224 + 48 + 125);
  CHECK(s.total(&LayerSummary::parameters) == net.num_parameters());
  CHECK(s.total(&LayerSummary::macs) == 20736 + 576 + 240);
  CHECK(s.total(&LayerSummary::parameter_bytes) == 4 * (224 + 48 + 125) + 4);
  CHECK(s.trainable_parameters == 397);
}

TEST_CASE("nothing changes: modes, buffers, generators, gradients, dtype") {
  Generator g(1);
  Sequential net;
  build(net, g);
  net.to(DType::float64);
  net[0]->eval();
  const StateDict generators = net.generator_state();
  const Summary s = summary(net, {1, 3, 6, 8});
  CHECK(s.layers[1].output_bytes == 8 * 6 * 8 * 8);
  CHECK(net.training());
  CHECK_FALSE(net[0]->training());
  CHECK(net[1]->training());
  CHECK(net.get_buffer("1.count").item() == 0);
  CHECK(net.generator_state()[0].second.to_vector<std::int64_t>() == generators[0].second.to_vector<std::int64_t>());
  CHECK_FALSE(net.parameters()[0].grad().defined());
  CHECK_THROWS_WITH(summary(net, {1, 5, 6, 8}), Contains("5"));
  CHECK(net.training());
  const Summary again = summary(net, {1, 3, 6, 8});
  CHECK(again.layers[1].calls == 1);  // no hook was left behind
}

namespace {

/// Calls one child twice and another never; two weights are one.
class Odd : public Layer {
 public:
  explicit Odd(Generator& g) : twice(add<Linear>("twice", 3, 3, g)), never(add<Linear>("never", 3, 3, g)) {
    never->weight = twice->weight;
  }
  Tensor forward(const Tensor& x) override { return twice(twice(x)); }

  Child<Linear> twice, never;
};

}  // namespace

namespace {

/// A norm that runs its activation, one that does not, one whose output goes two ways, and a Sequential.
class Pairs : public Layer {
 public:
  Pairs()
      : one(add<BatchNorm2d>("one", 3)),
        two(add<GroupNorm>("two", 1, 3)),
        both(add<BatchNorm2d>("both", 3)),
        act(add<SiLU>("act", {.inplace = true})),
        net(add<Sequential>("net")) {
    net->append<BatchNorm2d>(3).append<ReLU>().append<BatchNorm2d>(3).append<Tanh>();
  }
  Tensor forward(const Tensor& x) override {
    const Tensor y = relu(two(one(x, relu)));
    const Tensor z = both(y);
    return net(act(net(relu(z) + z)));
  }
  Child<BatchNorm2d> one;
  Child<GroupNorm> two;
  Child<BatchNorm2d> both;
  Child<SiLU> act;
  Child<Sequential> net;
};

/// The activation as a child of its own, in place.
class Apart : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return act(norm(x)); }
  Child<BatchNorm2d> norm = add<BatchNorm2d>("norm", 3);
  Child<SiLU> act = add<SiLU>("act", {.inplace = true});
};

}  // namespace

TEST_CASE("norms that could run the activation behind them and do not are marked") {
  Pairs net;
  const Summary s = summary(net, {2, 3, 4, 5});
  for (const LayerSummary& layer : s.layers) {
    CAPTURE(layer.name);
    CHECK(layer.apart == (layer.name == "two" ? "relu" : ""));
  }
  CHECK(concat(s).find("  two: GroupNorm *  ") != std::string::npos);
  CHECK(concat(s).ends_with("\n* two could run the relu behind it in its own op: norm(x, nn::relu)\n"));
  const Summary child = summary(*std::make_unique<Apart>(), {1, 3, 2, 2});
  CHECK(child.layers[1].apart == "silu");
  CHECK(child.layers[2].output_bytes == 0);  // in place
}

TEST_CASE("layers called twice or never, tied weights, and the printed table") {
  Generator g(1);
  Odd net(g);
  net.get_parameter("never.bias").requires_grad_(false);
  const Summary s = summary(net, {1000, 3});
  CHECK(s.layers[1].calls == 2);
  CHECK(s.layers[1].macs == 2 * 9000);
  CHECK(s.layers[2].calls == 0);
  CHECK(s.layers[2].parameters == 3);
  CHECK(concat(s) ==
        "Layer            Output shape  Parameters    MACs    Memory\n"
        "-----------------------------------------------------------\n"
        "Odd              [1000, 3]              0       0   0.0 KiB\n"
        "  twice: Linear  [1000, 3]             12  18,000  23.5 KiB\n"
        "  never: Linear  -                      3       0   0.0 KiB\n"
        "-----------------------------------------------------------\n"
        "Input [1000, 3]; 15 parameters, 12 trainable; 18,000 MACs\n"
        "Parameters and buffers 0.1 KiB, layer outputs 23.4 KiB\n");
}

TEST_CASE("norms of single channels and frozen layers are marked, counted, and seen where the model is printed") {
  Generator g(1);
  Sequential net;
  net.append<Conv2d>(3, 8, g, Conv2dOptions{.kernel_size = 1}).append<GroupNorm>(8, 8).append<GroupNorm>(4, 8);
  net.append<BatchNorm2d>(8)
      .append<BatchNorm2d>(8)
      .append<GroupNorm>(8, 8)
      .append<Conv2d>(8, 2, g, Conv2dOptions{.kernel_size = 1})
      .append<ReLU>();
  net.child<BatchNorm2d>("3")->freeze_statistics();
  net[0]->requires_grad_(false);
  net[4]->requires_grad_(false);
  net[6]->get_parameter("bias").requires_grad_(false);  // its weight learns
  const std::vector<std::string> counts = {
      "BatchNorm2d: 1 of 2 have parameters frozen", "BatchNorm2d: 1 of 2 have statistics frozen before the first batch",
      "Conv2d: 1 of 2 have parameters frozen", "GroupNorm: 2 of 3 have one channel per group, as InstanceNorm"};
  CHECK(remark_counts(net) == counts);
  const std::string table = concat(summary(net, {2, 3, 4, 4}));
  for (const std::string& line : counts) {
    CHECK(table.find("\n+ " + line + "\n") != std::string::npos);
  }
  for (const char* row : {"0: Conv2d +  ", "1: GroupNorm +  ", "2: GroupNorm  ", "3: BatchNorm2d +  ",
                          "4: BatchNorm2d +  ", "5: GroupNorm +  ", "6: Conv2d  ", "7: ReLU  "}) {
    CAPTURE(row);
    CHECK(table.find(row) != std::string::npos);
  }
  const std::string text = concat(net);
  CHECK(text.find("GroupNorm(8, 8, eps=1e-05, affine=True)  # one channel per group, as InstanceNorm\n") !=
        std::string::npos);
  CHECK(text.find("GroupNorm(4, 8, eps=1e-05, affine=True)\n") != std::string::npos);
  CHECK(text.find("track_running_stats=True)  # statistics frozen before the first batch\n") != std::string::npos);
  CHECK(text.find("track_running_stats=True)  # parameters frozen\n") != std::string::npos);
  CHECK(text.find("(0): Conv2d(3, 8, kernel_size=(1, 1), stride=(1, 1))  # parameters frozen\n") != std::string::npos);

  net.eval();
  net.child<BatchNorm2d>("4")->train();
  (*net.child<BatchNorm2d>("4"))(ones({2, 8, 2, 2}));
  net.child<BatchNorm2d>("4")->freeze_statistics();
  CHECK(net[4]->remark() == "statistics frozen");
  CHECK(remarks(*net[4]) == "statistics frozen, parameters frozen");
  net.child<BatchNorm2d>("4")->freeze_statistics(false);
  net.requires_grad_();
  CHECK(remarks(*net[4]).empty());
}

TEST_CASE("a norm of groups says where it is a norm of channels") {
  CHECK(GroupNorm(1, 1).remark().empty());
  CHECK(BatchGroupNorm(16).remark() == "one channel per group, as BatchNorm");
  CHECK(BatchGroupNorm(64).remark().empty());
  CHECK(BatchChannelNorm(4, 4).remark() == "one channel per group, as InstanceNorm");
  CHECK(EvoNormS0(32).remark() == "one channel per group, as InstanceNorm");
  CHECK(EvoNormS0(33).remark().empty());
}
