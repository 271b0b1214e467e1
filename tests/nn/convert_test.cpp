#include "evenkeel/nn/norm/convert.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/norm/fuse.hpp"
#include "evenkeel/nn/norm/ghost_batch_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/sync_batch_norm.hpp"
#include "evenkeel/nn/norm/weight_norm.hpp"
#include "tests/support/values.hpp"

#include <doctest/doctest.h>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using test::doubles;

namespace {

Tensor random(const Shape& shape, unsigned seed, DType dtype = DType::float32) {
  return test::random(shape, seed, dtype);
}

/// Parameters and buffers that are no defaults.
void randomize(Module& model) {
  unsigned seed = 100;
  for (auto [name, parameter] : model.named_parameters()) {
    parameter.mutable_array().copy_((random(parameter.shape(), seed++) + 0.2).array());
  }
  for (auto [name, buffer] : model.named_buffers()) {
    if (is_floating(buffer.dtype())) {
      buffer.mutable_array().copy_((random(buffer.shape(), seed++) * 0.5 + 1.0).array());
    }
  }
}

/// y = relu(bn(conv(x)) + x); with `twice`, the convolution's output is used once more, behind the norm's back.
class Block : public Layer {
 public:
  Block(Generator& generator, bool twice)
      : conv(add<Conv2d>("conv", 4, 4, generator, Conv2dOptions{.kernel_size = 3, .padding = 1})),
        bn(add<BatchNorm2d>("bn", 4)),
        twice_(twice) {}
  Tensor forward(const Tensor& x) override {
    const Tensor c = conv(x);
    return relu(twice_ ? bn(c) + c : bn(c) + x);
  }

  Child<Conv2d> conv;
  Child<BatchNorm2d> bn;

 private:
  bool twice_;
};

/// conv, BatchNorm2d, ReLU, then a nested Sequential of Block and BatchNorm2d without affine.
std::unique_ptr<Sequential> network(bool twice = false) {
  Generator generator(3);
  auto inner = std::make_unique<Sequential>();
  inner->append<Block>(generator, twice);
  inner->append<BatchNorm2d>(4, BatchNormOptions{.eps = 0.01, .affine = false});
  auto net = std::make_unique<Sequential>();
  net->append<Conv2d>(3, 4, generator, Conv2dOptions{.kernel_size = 3, .bias = false});
  net->append<BatchNorm2d>(4).append<ReLU>();
  net->append(std::move(inner));
  randomize(*net);
  return net;
}

const Shape kInput{2, 3, 6, 5};

std::vector<std::string> texts(const Conversions& conversions) {
  std::vector<std::string> result;
  for (const auto& [name, from, to] : conversions) {
    result.push_back(concat(name, ": ", from, " -> ", to));
  }
  return result;
}
using Texts = std::vector<std::string>;

/// One norm of each kind for 6 channels, with an input for it.
struct Kind {
  std::string frozen;
  std::unique_ptr<Layer> norm;
  Shape input;
};
std::vector<Kind> every_kind() {
  std::vector<Kind> kinds;
  const auto add = [&](const char* frozen, std::unique_ptr<Layer> norm, const Shape& input) {
    kinds.push_back({frozen, std::move(norm), input});
  };
  const BatchNormOptions bare{.eps = 0.1, .affine = false};
  add("FrozenBatchNorm1d", std::make_unique<BatchNorm1d>(6), {4, 6});
  add("FrozenBatchNorm1d", std::make_unique<BatchNorm1d>(6, bare), {3, 6, 5});
  add("FrozenBatchNorm2d", std::make_unique<BatchNorm2d>(6, bare), {3, 6, 2, 5});
  add("FrozenBatchNorm3d", std::make_unique<BatchNorm3d>(6), {2, 6, 1, 2, 3});
  add("FrozenBatchNorm", std::make_unique<SyncBatchNorm>(6), {2, 6, 3, 2});
  add("FrozenBatchNorm", std::make_unique<GhostBatchNorm>(6), {3, 6, 4});
  add("FrozenBatchNorm1d", std::make_unique<BatchRenorm1d>(6), {4, 6});
  add("FrozenBatchNorm2d",
      std::make_unique<BatchRenorm2d>(6, BatchRenormOptions{.eps = 0.01, .statistics = RenormStatistics::deviation}),
      {3, 6, 2, 5});
  add("FrozenBatchNorm2d",
      std::make_unique<BatchRenorm2d>(6, BatchRenormOptions{.statistics = RenormStatistics::keras}), {3, 6, 2, 5});
  return kinds;
}

}  // namespace

TEST_CASE("frozen: every kind, as a model of its own, gives the bits of eval in train and eval, in both dtypes") {
  for (const DType dtype : {DType::float32, DType::float64}) {
    for (auto& [expected_type, norm, input] : every_kind()) {
      const std::string frozen = expected_type;
      CAPTURE(frozen);
      randomize(*norm);
      norm->to(dtype);
      const std::string kind = norm->type_name();
      const Tensor x = random(input, 1, dtype) * 2.0;
      norm->eval();
      const std::vector<double> expected = doubles((*norm)(x));
      norm->train();
      CHECK(texts(convert_bn_to_frozen(norm)) == Texts{concat(": ", kind, " -> ", frozen)});
      CHECK(norm->type_name() == frozen);
      CHECK(norm->training());
      CHECK(norm->parameters().empty());
      CHECK(doubles((*norm)(x)) == expected);
      norm->eval();
      CHECK(doubles((*norm)(x)) == expected);
      CHECK(convert_bn_to_frozen(norm).empty());
    }
  }
}

TEST_CASE("frozen: nested modules; the model's eval output bit for bit; names and order of what changed") {
  const auto net = network();
  const Tensor x = random(kInput, 1);
  (*net)(x);
  net->eval();
  const std::vector<double> expected = doubles((*net)(x));
  Slot& slot = net->child("3.0.bn");
  const std::vector<std::string> parameters_before = {"0.weight", "3.0.conv.weight", "3.0.conv.bias"};
  CHECK(texts(convert_bn_to_frozen(*net)) == Texts{"1: BatchNorm2d -> FrozenBatchNorm2d",
                                                   "3.0.bn: BatchNorm2d -> FrozenBatchNorm2d",
                                                   "3.1: BatchNorm2d -> FrozenBatchNorm2d"});
  CHECK(slot->type_name() == "FrozenBatchNorm2d");
  CHECK(doubles((*net)(x)) == expected);
  net->train();
  CHECK(doubles((*net)(x)) == expected);
  std::vector<std::string> names;
  for (const auto& [name, parameter] : net->named_parameters()) {
    names.push_back(name);
  }
  CHECK(names == parameters_before);
}

TEST_CASE("frozen: an old optimizer's handles no longer reach the values; reset gives 1 and 0") {
  std::unique_ptr<Layer> norm = std::make_unique<BatchNorm2d>(2);
  randomize(*norm);
  std::vector<Tensor> old = norm->parameters();
  const std::vector<double> weight = doubles(old[0]);
  old.push_back(norm->get_buffer("running_var"));
  const std::vector<double> var = doubles(old[2]);
  convert_bn_to_frozen(norm);
  old[0].mutable_array().fill_(99);
  old[2].mutable_array().fill_(99);
  CHECK(doubles(norm->get_buffer("running_var")) == var);
  CHECK(doubles(norm->get_buffer("weight")) == weight);

  Sequential net;
  net.append<BatchNorm2d>(2);
  randomize(net);
  const std::vector<double> mean = doubles(net.get_buffer("0.running_mean"));
  convert_bn_to_frozen(net, AffineValues::reset);
  CHECK(doubles(net.get_buffer("0.weight")) == std::vector<double>{1, 1});
  CHECK(doubles(net.get_buffer("0.bias")) == std::vector<double>{0, 0});
  CHECK(doubles(net.get_buffer("0.running_mean")) == mean);
}

TEST_CASE("frozen: without running statistics an error that names the place, and nothing has changed") {
  Sequential net;
  net.append<BatchNorm2d>(2).append<BatchNorm2d>(2, BatchNormOptions{.track_running_stats = false});
  CHECK_THROWS_WITH(convert_bn_to_frozen(net),
                    "BatchNorm2d (1): has no running statistics to freeze "
                    "(track_running_stats=False)");
  CHECK(net[0]->type_name() == "BatchNorm2d");
}

TEST_CASE("a root that is itself the layer: by unique_ptr or Slot; through a reference it is an error") {
  BatchNorm2d norm(4);
  CHECK_THROWS_WITH(convert_bn_to_gn(norm), Contains("the model is itself a BatchNorm2d, which can't be replaced "
                                                     "through a reference"));
  Sequential net;
  net.append<BatchNorm2d>(4).append<BatchNorm2d>(4);
  CHECK(texts(convert_bn_to_gn(net[1])) == Texts{": BatchNorm2d -> GroupNorm"});
  CHECK(net[0]->type_name() == "BatchNorm2d");
  CHECK(net[1]->type_name() == "GroupNorm");
  std::unique_ptr<Layer> owner = network();
  CHECK(convert_bn_to_gn(owner).size() == 3);
  CHECK(owner->type_name() == "Sequential");
  owner.reset();
  CHECK_THROWS_WITH(convert_bn_to_gn(owner), "ConversionRoot: the unique_ptr is empty");
}

TEST_CASE("gn: the largest divisor up to num_groups, for every count of channels") {
  const auto groups = [](std::int64_t channels, std::int64_t num_groups) {
    std::unique_ptr<Layer> norm = std::make_unique<BatchNorm2d>(channels);
    convert_bn_to_gn(norm, num_groups);
    return dynamic_cast<GroupNorm&>(*norm).num_groups;
  };
  CHECK(groups(64, 32) == 32);
  CHECK(groups(48, 32) == 24);
  CHECK(groups(16, 32) == 16);
  CHECK(groups(7, 32) == 7);
  CHECK(groups(37, 32) == 1);
  CHECK(groups(30, 8) == 6);
  CHECK(groups(1, 32) == 1);
  CHECK_THROWS_WITH(groups(8, 0), "convert_bn_to_gn: num_groups must be positive, got 0");
  std::unique_ptr<Layer> flat = std::make_unique<BatchNorm1d>(16);
  convert_bn_to_gn(flat);
  CHECK(dynamic_cast<GroupNorm&>(*flat).num_groups == 8);  // pairs of channels: alone each would be its own mean
  CHECK_NOTHROW((*flat)(random({1, 16}, 1)));
  std::unique_ptr<Layer> one = std::make_unique<BatchNorm1d>(1);
  convert_bn_to_gn(one);
  CHECK(dynamic_cast<GroupNorm&>(*one).num_groups == 1);
}

TEST_CASE("gn: keep takes over the handles of weight and bias, reset makes new ones") {
  const auto net = network();
  net->to(DType::float64);
  const Tensor weight = net->get_parameter("1.weight"), bias = net->get_parameter("3.0.bn.bias");
  CHECK(texts(convert_bn_to_gn(*net, 2)) ==
        Texts{"1: BatchNorm2d -> GroupNorm", "3.0.bn: BatchNorm2d -> GroupNorm", "3.1: BatchNorm2d -> GroupNorm"});
  CHECK(net->get_parameter("1.weight").is(weight));
  CHECK(net->get_parameter("3.0.bn.bias").is(bias));
  CHECK(net->named_buffers().empty());
  const auto& last = *net->child<GroupNorm>("3.1");
  CHECK_FALSE(last.weight.defined());  // the BatchNorm had no affine part
  CHECK(last.options.eps == 0.01);
  CHECK(last.num_groups == 2);
  CHECK_NOTHROW((*net)(random(kInput, 1, DType::float64)));

  const auto other = network();
  other->to(DType::float64);
  convert_bn_to_gn(*other, 2, AffineValues::reset);
  CHECK(doubles(other->get_parameter("1.weight")) == std::vector<double>(4, 1));
  CHECK(doubles(other->get_parameter("3.1.bias")) == std::vector<double>(4, 0));
  CHECK(other->get_parameter("3.1.bias").dtype() == DType::float64);
}

TEST_CASE("gn: every kind converts, and the result is GroupNorm's") {
  for (auto& [frozen, norm, input] : every_kind()) {
    const std::string kind = norm->type_name();
    CAPTURE(kind);
    randomize(*norm);
    const bool affine = !norm->parameters().empty();
    const double eps = dynamic_cast<BatchNormBase&>(*norm).options.eps;
    GroupNorm expected(3, 6, {.eps = eps, .affine = affine});
    if (affine) {
      expected.weight = norm->get_parameter("weight");
      expected.bias = norm->get_parameter("bias");
    }
    convert_bn_to_gn(norm, 3);
    const Tensor x = random(input, 1);
    CHECK(doubles((*norm)(x)) == doubles(expected(x)));
  }
}

TEST_CASE("sync: 1d, 2d and 3d become SyncBatchNorm with the same handles; others stay") {
  Sequential net;
  net.append<BatchNorm1d>(2).append<BatchNorm2d>(3, BatchNormOptions{.eps = 0.5, .momentum = std::nullopt});
  net.append<BatchNorm3d>(2, BatchNormOptions{.affine = false}).append<GhostBatchNorm>(2).append<BatchRenorm2d>(2);
  net.append<BatchNorm2d>(2, BatchNormOptions{.track_running_stats = false}).append<GroupNorm>(1, 2);
  net.to(DType::float64);
  const StateDict before = net.state_dict();
  const std::vector<Tensor> parameters = net.parameters();
  net.child<BatchNorm1d>("0")->freeze_statistics();
  const auto ranks = local_communicator();
  CHECK(texts(convert_sync_batchnorm(net, ranks)) ==
        Texts{"0: BatchNorm1d -> SyncBatchNorm", "1: BatchNorm2d -> SyncBatchNorm", "2: BatchNorm3d -> SyncBatchNorm",
              "5: BatchNorm2d -> SyncBatchNorm"});
  const StateDict after = net.state_dict();
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    CHECK(after[i].first == before[i].first);
    CHECK(after[i].second.dtype() == before[i].second.dtype());
  }
  const std::vector<Tensor> now = net.parameters();
  REQUIRE(now.size() == parameters.size());
  for (std::size_t i = 0; i < now.size(); ++i) {
    CHECK(now[i].is(parameters[i]));
  }
  const auto& second = *net.child<SyncBatchNorm>("1");
  CHECK(second.options.eps == 0.5);
  CHECK_FALSE(second.options.momentum.has_value());
  CHECK(second.communicator == ranks);
  CHECK(net.child<SyncBatchNorm>("0")->statistics_frozen());
  CHECK_FALSE(net.child<SyncBatchNorm>("0")->training());
  CHECK(convert_sync_batchnorm(net, ranks).empty());
  ThreadGroup group(2);
  CHECK(convert_sync_batchnorm(net, group.communicator(0)).size() == 4);
  CHECK_THROWS_WITH(convert_sync_batchnorm(net, nullptr), "convert_sync_batchnorm: the communicator is null");
}

TEST_CASE("sync: converted models on two ranks train as the original on the whole batch") {
  const Array values = random({5, 3, 6, 5}, 1, DType::float64).array();
  const auto original = network();
  original->to(DType::float64);
  std::vector<std::vector<double>> outputs(2);
  std::vector<double> running;
  ThreadGroup(2).run([&](const std::shared_ptr<Communicator>& self) {
    const auto net = network();
    net->to(DType::float64);
    convert_sync_batchnorm(*net, self);
    const Tensor x(values.slice(0, self->rank() == 0 ? 0 : 1, self->rank() == 0 ? 1 : 5).clone());
    outputs[static_cast<std::size_t>(self->rank())] = doubles((*net)(x));
    if (self->rank() == 0) {
      running = doubles(net->get_buffer("3.0.bn.running_var"));
    }
  });
  outputs[0].insert(outputs[0].end(), outputs[1].begin(), outputs[1].end());
  CHECK(reference::worst_error(outputs[0], doubles((*original)(Tensor(values)))) < 1e-12);
  CHECK(reference::worst_error(running, doubles(original->get_buffer("3.0.bn.running_var"))) < 1e-12);
}

TEST_CASE("sync: eval gives the same bits, reset starts weight and bias anew") {
  std::unique_ptr<Layer> norm = std::make_unique<BatchNorm2d>(3);
  randomize(*norm);
  norm->eval();
  const Tensor x = random({2, 3, 2, 2}, 1);
  const std::vector<double> expected = doubles((*norm)(x));
  convert_sync_batchnorm(norm, local_communicator());
  CHECK_FALSE(norm->training());
  CHECK(doubles((*norm)(x)) == expected);
  std::unique_ptr<Layer> other = std::make_unique<BatchNorm2d>(3);
  randomize(*other);
  const std::vector<double> var = doubles(other->get_buffer("running_var"));
  convert_sync_batchnorm(other, local_communicator(), AffineValues::reset);
  CHECK(doubles(other->get_parameter("weight")) == std::vector<double>{1, 1, 1});
  CHECK(doubles(other->get_buffer("running_var")) == var);
}

TEST_CASE("ws: every plain Conv2d, nested or alone, takes its parameters along") {
  const auto net = network();
  const std::vector<Tensor> parameters = net->parameters();
  CHECK(texts(convert_conv_to_ws(*net)) == Texts{"0: Conv2d -> WSConv2d", "3.0.conv: Conv2d -> WSConv2d"});
  CHECK(convert_conv_to_ws(*net).empty());
  const std::vector<Tensor> now = net->parameters();
  REQUIRE(now.size() == parameters.size());
  for (std::size_t i = 0; i < now.size(); ++i) {
    CHECK(now[i].is(parameters[i]));
  }
  Generator generator(1);
  std::unique_ptr<Layer> conv = std::make_unique<Conv2d>(2, 3, generator, Conv2dOptions{.kernel_size = 3});
  const Tensor x = random({1, 2, 5, 4}, 1);
  const Tensor w = conv->get_parameter("weight"), b = conv->get_parameter("bias");
  const Tensor centred = w - mean(w, {1, 2, 3}, true);
  const Tensor expected = conv2d(x, centred / (evenkeel::std(w, {1, 2, 3}, 1, true) + 1e-5), b);
  CHECK(texts(convert_conv_to_ws(conv)) == Texts{": Conv2d -> WSConv2d"});
  CHECK(reference::worst_error(doubles((*conv)(x)), doubles(expected)) < 1e-5);
}

TEST_CASE("ws: a predicate selects, mode aws keeps the function, gains are new parameters") {
  const auto net = network();
  net->eval();
  const Tensor x = random(kInput, 1);
  const std::vector<double> before = doubles((*net)(x));
  const auto third = [](const std::string& name, const Conv2d&) { return name.starts_with("3."); };
  CHECK(texts(convert_conv_to_ws(*net, {.mode = WeightStandardization::aws}, third)) ==
        Texts{"3.0.conv: Conv2d -> WSConv2d"});
  CHECK(reference::worst_error(doubles((*net)(x)), before) < 1e-5);
  const std::size_t count = net->parameters().size();
  CHECK(convert_conv_to_ws(*net, {.mode = WeightStandardization::scaled}).size() == 1);
  CHECK(net->parameters().size() == count + 1);
}

TEST_CASE("ws: fan-in 1 and parametrized weights: an error that names the place, nothing has changed") {
  Generator generator(1);
  Sequential net;
  net.append<Conv2d>(4, 4, generator, Conv2dOptions{.kernel_size = 3});
  net.append<Conv2d>(4, 4, generator, Conv2dOptions{.kernel_size = 1, .groups = 4});
  CHECK_THROWS_WITH(convert_conv_to_ws(net), Contains("WSConv2d (1): a filter of fan-in 1"));
  CHECK(net[0]->type_name() == "Conv2d");
  Sequential other;
  other.append<Conv2d>(4, 4, generator, Conv2dOptions{.kernel_size = 3});
  weight_norm(*other[0]);
  CHECK_THROWS_WITH(convert_conv_to_ws(other), Contains("WSConv2d (0): the Conv2d's weight has a "
                                                        "parametrization"));
}

TEST_CASE("fuse: convolutions of all kinds with every norm that has given statistics") {
  Generator generator(1);
  std::vector<std::pair<std::unique_ptr<WeightedLayer>, Shape>> fronts;
  fronts.emplace_back(
      std::make_unique<Conv2d>(4, 6, generator, Conv2dOptions{.kernel_size = {3, 2}, .stride = 2, .groups = 2}),
      Shape{2, 4, 7, 5});
  fronts.emplace_back(std::make_unique<Conv2d>(3, 6, generator, Conv2dOptions{.kernel_size = 1, .bias = false}),
                      Shape{2, 3, 1, 5});
  fronts.emplace_back(std::make_unique<WSConv2d>(3, 6, generator, Conv2dOptions{.kernel_size = 2}), Shape{1, 3, 4, 5});
  fronts.emplace_back(std::make_unique<ConvTranspose2d>(
                          4, 6, generator, ConvTranspose2dOptions{.kernel_size = {2, 3}, .stride = 2, .groups = 2}),
                      Shape{2, 4, 2, 3});
  fronts.emplace_back(std::make_unique<Linear>(5, 6, generator), Shape{3, 5});
  for (auto& [front, input] : fronts) {
    front->to(DType::float64);
    const Tensor x = random(input, 1, DType::float64);
    const bool flat = input.rank() == 2;
    for (auto& [frozen, norm, shape] : every_kind()) {
      if (flat ? shape.rank() != 2 : shape.rank() != 4) {
        continue;
      }
      const std::string pair = concat(front->type_name(), " and ", norm->type_name());
      CAPTURE(pair);
      randomize(*norm);
      norm->to(DType::float64).eval();
      const std::vector<double> expected = doubles((*norm)((*front)(x)));
      CHECK(reference::worst_error(doubles((*fused_conv_bn(*front, *norm))(x)), expected) < 1e-12);
      convert_bn_to_frozen(norm);
      CHECK(reference::worst_error(doubles((*fused_conv_bn(*front, *norm))(x)), expected) < 1e-12);
    }
  }
}

TEST_CASE("fuse: a model with nested pairs and a residual; what is no pair stays") {
  for (const DType dtype : {DType::float32, DType::float64}) {
    const auto net = network();
    net->to(dtype).eval();
    const Tensor x = random({3, 3, 7, 6}, 5, dtype);
    const std::vector<double> expected = doubles((*net)(x));
    CHECK(texts(fuse_conv_bn(*net, random(kInput, 1, dtype))) ==
          Texts{"0: Conv2d -> Conv2d", "1: BatchNorm2d -> Identity", "3.0.conv: Conv2d -> Conv2d",
                "3.0.bn: BatchNorm2d -> Identity"});
    CHECK(net->child("3.1")->type_name() == "BatchNorm2d");
    CHECK_FALSE(net->child("1")->training());
    CHECK(reference::worst_error(doubles((*net)(x)), expected) < (dtype == DType::float32 ? 1e-5 : 1e-12));
    CHECK(fuse_conv_bn(*net, x).empty());
  }
}

TEST_CASE("fuse: a forward that uses the convolution's output twice is noticed, and everything put back") {
  const auto net = network(true);
  net->eval();
  const Tensor x = random(kInput, 1);
  const std::vector<double> expected = doubles((*net)(x));
  CHECK_THROWS_WITH(fuse_conv_bn(*net, x), Contains("the model's output changed"));
  CHECK(doubles((*net)(x)) == expected);
  CHECK(net->child("1")->type_name() == "BatchNorm2d");
}

TEST_CASE("fuse: what is called twice, is read by another layer, or is in training stays") {
  Generator generator(1);
  class Shared : public Layer {
   public:
    explicit Shared(Generator& g)
        : conv(add<Conv2d>("conv", 2, 2, g, Conv2dOptions{.kernel_size = 1})),
          bn(add<BatchNorm2d>("bn", 2)),
          other(add<ReLU>("other")) {}
    Tensor forward(const Tensor& x) override {
      const Tensor c = conv(x);
      return by_relu ? bn(c) + other(c) : bn(conv(bn(c)));
    }
    Child<Conv2d> conv;
    Child<BatchNorm2d> bn;
    Child<ReLU> other;
    bool by_relu = false;
  };
  Shared net(generator);
  randomize(net);
  net.eval();
  const Tensor x = random({2, 2, 3, 3}, 1);
  CHECK(fuse_conv_bn(net, x).empty());
  net.by_relu = true;
  CHECK(fuse_conv_bn(net, x).empty());
  net.train();
  CHECK_THROWS_WITH(fuse_conv_bn(net, x),
                    "fuse_conv_bn: the model is in training mode; fusing is for inference: call eval()");
}

TEST_CASE("fuse: bad input") {
  Generator generator(1);
  Conv2d conv(2, 3, generator, {.kernel_size = 1});
  BatchNorm2d training(3), other(4);
  GroupNorm group(1, 3);
  CHECK_THROWS_WITH(fused_conv_bn(conv, training), Contains("a BatchNorm2d in training mode was given"));
  CHECK_THROWS_WITH(fused_conv_bn(conv, group), Contains("a GroupNorm was given, expected a FrozenBatchNorm"));
  other.eval();
  CHECK_THROWS_WITH(fused_conv_bn(conv, other), "fused_conv_bn: Conv2d has 3 output channels, BatchNorm2d 4");
}
