// convert_norms: every pair of the registry, what goes over, what stays and why. convert_test.cpp has the conversions
// with names of their own.

#include "evenkeel/nn/norm/convert_norms.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/communicator.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/norm/act_norm.hpp"
#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/norm/ghost_batch_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/ibn.hpp"
#include "evenkeel/nn/norm/instance_norm.hpp"
#include "evenkeel/nn/norm/layer_norm.hpp"
#include "evenkeel/nn/norm/sync_batch_norm.hpp"
#include "evenkeel/nn/pool.hpp"
#include "tests/support/values.hpp"

#include <map>
#include <set>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using test::doubles;

namespace {

using Texts = std::vector<std::string>;

/// Numbers that are no defaults in all parameters and buffers.
void randomize(Module& model) {
  unsigned seed = 100;
  const auto fill = [&](Tensor value) {
    if (is_floating(value.dtype())) {
      value.mutable_array().copy_((test::random(value.shape(), seed++) * 0.5 + 1.0).array().to(value.dtype()));
    } else {
      value.mutable_array().fill_(5);
    }
  };
  for (const auto& [name, value] : model.named_parameters()) {
    fill(value);
  }
  for (const auto& [name, value] : model.named_buffers()) {
    fill(value);
  }
}

std::map<std::string, std::vector<double>> values_of(const Layer& layer) {
  std::map<std::string, std::vector<double>> values;
  for (const auto& [name, value] : layer.state_dict()) {
    values[name] = doubles(value);
  }
  return values;
}

std::map<std::string, Shape> shapes_of(const Layer& layer) {
  std::map<std::string, Shape> shapes;
  for (const auto& [name, value] : layer.state_dict()) {
    shapes[name] = value.shape();
  }
  return shapes;
}

/// The whole model's norm converted to `name`; what is left unsaid is the rule's.
Conversions convert(std::unique_ptr<Layer>& norm, const std::string& name,
                    const std::function<void(NormOptions&)>& change = {}) {
  return convert_norms(norm, norms_to(name, change));
}

}  // namespace

TEST_CASE("every pair of the registry: what has the same name and shape goes over, or the norm stays with a reason") {
  constexpr std::int64_t kChannels = 6;
  std::set<std::string> sources;
  int converted = 0, kept = 0;
  for (const NormEntry& from : norms()) {
    for (const NormEntry& to : norms()) {
      CAPTURE(from.name);
      CAPTURE(to.name);
      auto norm = make_norm(from.name, kChannels, {.eps = 0.25});
      randomize(*norm);
      norm->eval();
      const auto before = values_of(*norm);
      const auto shapes = shapes_of(*norm);
      const std::string printed = concat(*norm);
      const Conversions done = convert(norm, to.name);
      if (done.empty()) {
        kept += done.kept.empty() ? 0 : 1;
        CHECK(concat(*norm) == printed);
        CHECK(values_of(*norm) == before);
        continue;
      }
      ++converted;
      sources.insert(from.name);
      CHECK(done.kept.empty());
      CHECK(norm->type_name() == make_norm(to.name, kChannels)->type_name());
      CHECK_FALSE(norm->training());
      const auto after = values_of(*norm);
      for (const auto& [name, shape] : shapes_of(*norm)) {
        const auto old = shapes.find(name);
        if (old != shapes.end() && old->second == shape) {
          CHECK(after.at(name) == before.at(name));
        }
      }
      for (const char* name : {"weight", "bias"}) {
        CHECK((!before.contains(name) || after.contains(name)));
      }
      CHECK_NOTHROW((*norm)(test::random({2, kChannels, 3, 4}, 1, DType::float32)));
    }
  }
  CHECK(converted > 250);
  CHECK(kept > 200);
  CHECK(sources.contains("bn"));
  CHECK_FALSE(sources.contains("none"));
}

TEST_CASE("bn -> brn -> bn -> frozen -> bn: eval stays bit for bit, the handles stay until they are frozen") {
  std::unique_ptr<Layer> norm = std::make_unique<BatchNorm2d>(4, BatchNormOptions{.eps = 0.01, .momentum = 0.25});
  randomize(*norm);
  norm->to(DType::float64);
  const Tensor weight = norm->get_parameter("weight");
  const Tensor x = test::random({3, 4, 2, 5}, 1);
  const auto eval = [&] {
    norm->eval();
    const std::vector<double> y = doubles((*norm)(x));
    norm->train();
    return y;
  };
  const std::vector<double> expected = eval();
  const auto check = [&](const char* name, const char* type) {
    const Conversions done = convert(norm, name);
    CHECK(done.size() == 1);
    CHECK(norm->type_name() == type);
    CHECK(norm->training());
    CHECK(eval() == expected);
    return done;
  };
  CHECK(check("brn", "BatchRenorm2d").notes.empty());
  const auto& renorm = dynamic_cast<BatchRenorm2d&>(*norm);
  CHECK(renorm.options.eps == 0.01);
  CHECK(renorm.options.momentum == 0.25);
  CHECK(renorm.num_batches_tracked.array().item_int64() == 5);
  check("ghost_bn", "GhostBatchNorm");
  check("sync_bn", "SyncBatchNorm");
  check("bn", "BatchNorm2d");
  CHECK(norm->get_parameter("weight").is(weight));
  CHECK(check("frozen_bn", "FrozenBatchNorm2d").removed_parameters == 2);
  CHECK(check("bn", "BatchNorm2d").new_parameters == 2);
  CHECK(norm->get_parameter("weight").requires_grad());
  CHECK_FALSE(norm->get_parameter("weight").is(weight));
  CHECK(norm->get_parameter("weight").dtype() == DType::float64);
}

TEST_CASE("gn, in and ln, where they are the same function, give the same numbers") {
  const Tensor x = test::random({2, 6, 3, 4}, 1);
  std::unique_ptr<Layer> norm = std::make_unique<GroupNorm>(6, 6, GroupNormOptions{.eps = 0.5});
  randomize(*norm);
  norm->to(DType::float64);
  const std::vector<double> one_each = doubles((*norm)(x));
  CHECK(convert(norm, "in").size() == 1);
  CHECK(norm->type_name() == "InstanceNorm2d");
  test::check_close(doubles((*norm)(x)), one_each, 1e-12);
  CHECK(convert(norm, "ln").notes.empty());
  const std::vector<double> all = doubles((*norm)(x));
  const Conversions back = convert(norm, "gn", [](NormOptions& options) { options.num_groups = 6; });
  CHECK(back.notes == Texts{"1 of 1 GroupNorms have one channel per group, as InstanceNorm"});
  test::check_close(doubles((*norm)(x)), one_each, 1e-12);
  convert(norm, "gn", [](NormOptions& options) {
    options.num_groups.reset();
    options.channels_per_group = 6;
  });
  CHECK(doubles((*norm)(x)) == all);
  CHECK_THROWS_WITH(convert(norm, "gn", [](NormOptions& options) { options.num_groups = 4; }),
                    Contains("num_channels must be divisible by num_groups, got 6 channels and 4 groups"));
}

TEST_CASE("the rule sees path, layer, channels and options, and chooses for each") {
  Sequential net;
  net.append<BatchNorm1d>(4, BatchNormOptions{.eps = 0.5, .momentum = std::nullopt, .affine = false});
  net.append<BatchNorm2d>(6, BatchNormOptions{.track_running_stats = false}).append<GroupNorm>(2, 8);
  net.append<InstanceNorm3d>(3).append<FrozenBatchNorm3d>(5).append<LayerNorm2d>(7).append<MaxPool2d>(2);
  Texts seen;
  const Conversions done = convert_norms(net, [&](const FoundNorm& found) -> std::optional<NormTarget> {
    const NormOptions& o = found.options;
    seen.push_back(concat(found.path, " ", found.layer.type_name(), " ", found.channels, " eps ", *o.eps, " momentum ",
                          o.momentum.value_or(-1), o.affine ? " affine" : "", " groups ", o.num_groups.value_or(0),
                          o.track_running_stats ? " untracked" : "", " dims ", o.spatial_dims));
    return found.path == "2" ? std::optional(NormTarget{.name = "bgn"}) : std::nullopt;
  });
  CHECK(seen == Texts{"0 BatchNorm1d 4 eps 0.5 momentum -1 groups 0 dims 0",
                      "1 BatchNorm2d 6 eps 1e-05 momentum 0.1 affine groups 0 untracked dims 2",
                      "2 GroupNorm 8 eps 1e-05 momentum 0.1 affine groups 2 dims 2",
                      "3 InstanceNorm3d 3 eps 1e-05 momentum 0.1 groups 0 dims 3",
                      "4 FrozenBatchNorm3d 5 eps 1e-05 momentum 0.1 affine groups 0 dims 3",
                      "5 LayerNorm2d 7 eps 1e-06 momentum 0.1 affine groups 0 dims 2"});
  CHECK(to_string(done) ==
        "2: GroupNorm -> BatchGroupNorm\n0: BatchNorm1d stays: the rule leaves it\n"
        "1: BatchNorm2d stays: the rule leaves it\n3: InstanceNorm3d stays: the rule leaves it\n"
        "4: FrozenBatchNorm3d stays: the rule leaves it\n5: LayerNorm2d stays: the rule leaves it\n"
        "note: the running statistics of 1 of 1 norms start anew: train before eval(); the first: 2\n");
  // By a class of norms; what tracked nothing goes on tracking nothing; forms of other ranks.
  CHECK(convert_norms(net, norms_to<BatchNormBase>("bn")).kept.size() == 6);
  convert_norms(net, norms_to<BatchNormBase>("sync_bn"));
  CHECK_FALSE(net.child<SyncBatchNorm>("1")->running_mean.defined());
  convert_norms(net, norms_to<FrozenBatchNorm>("bn"));
  CHECK(net[4]->type_name() == "BatchNorm3d");
}

TEST_CASE("what does not fit stays, with the reason") {
  const auto why = [](std::unique_ptr<Layer> norm, const std::string& name) {
    const std::string type = norm->type_name();
    const Conversions done = convert(norm, name);
    CHECK(done.empty());
    CHECK(norm->type_name() == type);
    REQUIRE(done.kept.size() == 1);
    CHECK(done.kept[0].type == type);
    CHECK(to_string(done) == concat("the model: ", type, " stays: ", done.kept[0].why, "\n"));
    return done.kept[0].why;
  };
  CHECK(why(std::make_unique<BatchNorm2d>(4), "bn") == "it is one already");
  CHECK(why(std::make_unique<BatchNorm2d>(4), "rms") == "a RMSNorm2d has no bias to take its own");
  CHECK(why(std::make_unique<BatchNorm2d>(4), "unit") == "a UnitNorm has no bias to take its own");
  CHECK(why(std::make_unique<BatchNorm2d>(4), "bcn") == "its bias has shape [4], a BatchChannelNorm's [1, 4, 1]");
  CHECK(why(make_norm("evonorm_s0", 4), "bn") == "a BatchNorm2d has no v to take its own");
  CHECK(why(make_norm("ibn", 4), "bn") == "a BatchNorm2d has no BN.bias to take its own");
  CHECK(why(std::make_unique<GroupNorm>(2, 4), "frozen_bn") == "it has no running statistics to freeze");
  CHECK(why(std::make_unique<BatchNorm2d>(4, BatchNormOptions{.track_running_stats = false}), "frozen_bn") ==
        "it has no running statistics to freeze");
  CHECK(why(std::make_unique<BatchNorm1d>(4), "in") == "'in' takes no input of 0 spatial dims after (N, C)");
  CHECK(why(std::make_unique<BatchNorm3d>(4), "brn") == "'brn' takes no input of 3 spatial dims after (N, C)");
  CHECK(why(std::make_unique<BatchNorm2d>(4), "actnorm") ==
        "an ActNorm draws its weight and bias from its first batch");
}

TEST_CASE("what a norm consists of is asked for where the rule leaves the whole") {
  Sequential net;
  net.append(make_norm("ibn", 4)).append(make_norm("bcn", 4));
  const Conversions whole = convert_norms(net, norms_to("bn"));
  CHECK(to_string(whole) ==
        "0: IBN stays: a BatchNorm2d has no BN.bias to take its own\n"
        "1: BatchChannelNorm stays: its bias has shape [1, 4, 1], a BatchNorm2d's [4]\n");
  const Conversions parts = convert_norms(net, norms_to<BatchNormBase>("frozen_bn"));
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].name == "0.BN");
  CHECK(parts[1].name == "1.bn");
  CHECK(parts.kept.size() == 3);  // the wholes, and the InstanceNorm
  CHECK_NOTHROW(net(test::random({2, 4, 3, 3}, 1, DType::float32)));
}

TEST_CASE("reset takes no parameter along: then what has another weight, or none, can be had, too") {
  for (const char* name : {"rms", "unit", "none", "actnorm", "bcn", "bn"}) {
    CAPTURE(name);
    std::unique_ptr<Layer> norm = std::make_unique<BatchRenorm2d>(4);
    randomize(*norm);
    norm->requires_grad_(false);
    const std::vector<double> mean = doubles(norm->get_buffer("running_mean"));
    const Conversions done =
        convert_norms(norm, [&](const FoundNorm&) { return NormTarget{.name = name, .affine = AffineValues::reset}; });
    CHECK(done.size() == 1);
    for (const auto& [key, parameter] : norm->named_parameters()) {
      if (key == "weight" && name != std::string("bcn")) {
        CHECK(doubles(parameter) == std::vector<double>(4, 1));
        CHECK_FALSE(parameter.requires_grad());
      }
    }
    if (name == std::string("bn")) {
      CHECK(doubles(norm->get_buffer("running_mean")) == mean);
    }
  }
}

TEST_CASE("frozen statistics, requires_grad and notes") {
  Sequential net;
  net.append<BatchNorm2d>(4).append<BatchNorm2d>(4).append<GroupNorm>(1, 4);
  net[0]->requires_grad_(false);
  net.child<BatchNorm2d>("0")->freeze_statistics();
  const Conversions done = convert_norms(net, norms_to<BatchNormBase>("brn"));
  CHECK(done.size() == 2);
  CHECK(net.child<BatchRenorm2d>("0")->statistics_frozen());
  CHECK_FALSE(net.child<BatchRenorm2d>("1")->statistics_frozen());
  CHECK_FALSE(net.get_parameter("0.weight").requires_grad());
  CHECK(net.get_parameter("1.weight").requires_grad());
  CHECK(convert_norms(net, norms_to<GroupNorm>("bn")).notes ==
        Texts{"the running statistics of 1 of 1 norms start anew: train before eval(); the first: 2"});
  CHECK(convert_norms(net, norms_to<BatchNormBase>("evonorm_s1")).notes ==
        Texts{"the activation is part of 3 of 3 norms, what stands behind them stays; the first: 0"});
}

TEST_CASE("a layer that the rule made; and nothing changes when it throws") {
  Sequential net;
  net.append<BatchNorm2d>(4).append<BatchNorm2d>(6);
  randomize(net);
  const auto ranks = local_communicator();
  const std::vector<double> var = doubles(net.get_buffer("1.running_var"));
  const auto rule = [&](const FoundNorm& found) -> std::optional<NormTarget> {
    return NormTarget{.layer = std::make_unique<SyncBatchNorm>(found.channels, BatchNormOptions{.eps = 0.5}, ranks)};
  };
  CHECK(convert_norms(net, rule).size() == 2);
  CHECK(net.child<SyncBatchNorm>("1")->communicator == ranks);
  CHECK(net.child<SyncBatchNorm>("1")->options.eps == 0.5);
  CHECK(doubles(net.get_buffer("1.running_var")) == var);
  const auto throws = [](const FoundNorm& found) -> std::optional<NormTarget> {
    return NormTarget{.name = found.channels == 6 ? "bnn" : "gn"};
  };
  CHECK_THROWS_WITH(convert_norms(net, throws), Contains("no norm is called 'bnn'; there are bn, "));
  CHECK(net[0]->type_name() == "SyncBatchNorm");
  CHECK_THROWS_WITH(convert_norms(net, NormRule()), "convert_norms: the rule is an empty function");
  BatchNorm2d whole(4);
  CHECK_THROWS_WITH(convert_norms(whole, norms_to("gn")),
                    Contains("convert_norms: the model is itself a BatchNorm2d, which can't be replaced"));
}

TEST_CASE("a norm that stays of its kind keeps its settings; one without numbers takes the model's dtype") {
  Sequential net;
  net.append<BatchRenorm2d>(4, {.rmax = 2, .dmax = 1, .warmup_steps = 10})
      .append<GhostBatchNorm>(4, {.virtual_batch_size = 8});
  net.append<InstanceNorm2d>(4, {.track_running_stats = true});
  CHECK(convert_norms(net, norms_to<BatchRenorm2d>("brn")).empty());
  CHECK(convert_norms(net, norms_to<GhostBatchNorm>("ghost_bn")).empty());
  CHECK(convert_norms(net, norms_to<InstanceNorm2d>("in")).empty());
  Generator generator(1);
  Sequential plain;
  plain.append<Conv2d>(3, 4, generator, {.kernel_size = 1}).append<InstanceNorm2d>(4);
  plain.to(DType::float64);
  convert_norms(plain, norms_to("gn", [](NormOptions& o) { o.affine = true; }));
  CHECK(plain[1]->parameters().at(0).dtype() == DType::float64);
  convert_norms(plain, norms_to("gn", [](NormOptions& o) { o.channels_per_group = 4; }));
  CHECK(to_string(*plain[1]).starts_with("GroupNorm(1, 4"));
}
