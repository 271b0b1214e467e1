// EvoNorm, SwitchableNorm, PowerNorm, ExtendedBatchNorm, BatchGroupNorm, UnitNorm and their like against a second
// derivation of their formulas (tests/fixtures/make_norms_exotic.py has layers of the same names), and what their docs
// say.

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/gradcheck.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/norm/act_norm.hpp"
#include "evenkeel/nn/norm/adaptive_instance_norm.hpp"
#include "evenkeel/nn/norm/batch_group_norm.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/cross_iteration_conv.hpp"
#include "evenkeel/nn/norm/domain_batch_norm.hpp"
#include "evenkeel/nn/norm/evo_norm.hpp"
#include "evenkeel/nn/norm/extended_batch_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/ibn.hpp"
#include "evenkeel/nn/norm/iter_norm.hpp"
#include "evenkeel/nn/norm/power_norm.hpp"
#include "evenkeel/nn/norm/switchable_norm.hpp"
#include "evenkeel/nn/norm/unit_norm.hpp"
#include "tests/support/fixture.hpp"
#include "tests/support/reference.hpp"

#include <functional>
#include <set>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using evenkeel::test::check_close;
using evenkeel::test::Fixture;

namespace {

using MakeLayer = std::function<std::unique_ptr<Layer>()>;

template <class T, class... Args>
MakeLayer layer(Args... args) {
  return [=] { return std::make_unique<T>(args...); };
}

MakeLayer cross_iteration(std::int64_t in, std::int64_t out, const CrossIterationOptions& options) {
  return [=] {
    Generator generator(1);
    return std::make_unique<CrossIterationConv2d>(
        in, out, generator, Conv2dOptions{.kernel_size = 3, .padding = 1, .bias = false}, options);
  };
}

/// What an optimizer would do between two steps, so that the window has something to make up for.
void move_conv_weight(Layer& layer) {
  if (auto* cross = dynamic_cast<CrossIterationConv2d*>(&layer)) {
    Array& weight = cross->conv->weight.mutable_array();
    weight.copy_((Tensor(weight.clone()) * 0.75 - 0.0625).array());
  }
}

const std::vector<std::pair<std::string, MakeLayer>> kLayers = {
    {"evo_norm_s0", layer<EvoNormS0>(6, EvoNormS0Options{.num_groups = 2})},
    {"evo_norm_s0_batch1", layer<EvoNormS0>(7, EvoNormS0Options{.eps = 0.01, .affine = false})},
    {"evo_norm_b0", layer<EvoNormB0>(5)},
    {"evo_norm_b0_cumulative",
     layer<EvoNormB0>(3, EvoNormB0Options{.eps = 0.1, .momentum = std::nullopt, .affine = false})},
    {"switchable_norm2d", layer<SwitchableNorm2d>(5)},
    {"switchable_norm2d_unbiased",
     layer<SwitchableNorm2d>(3,
                             SwitchableNormOptions{.eps = 0.02, .momentum = 0.3, .affine = false, .unbiased = true})},
    {"power_norm", layer<PowerNorm>(5, PowerNormOptions{.warmup_steps = 0})},
    {"power_norm_warm", layer<PowerNorm>(3, PowerNormOptions{.momentum = 0.3, .warmup_steps = 100})},
    {"power_norm_mixed",
     layer<PowerNorm>(4, PowerNormOptions{.eps = 0.1, .momentum = std::nullopt, .affine = false, .warmup_steps = 1})},
    {"extended_batch_norm", layer<ExtendedBatchNorm>(5)},
    {"extended_batch_norm_2d",
     layer<ExtendedBatchNorm>(4, ExtendedBatchNormOptions{.eps = 0.1, .momentum = std::nullopt, .affine = false})},
    {"batch_group_norm", layer<BatchGroupNorm>(6, BatchGroupNormOptions{.num_groups = 3})},
    {"batch_group_norm_3d",
     layer<BatchGroupNorm>(4, BatchGroupNormOptions{.num_groups = 1, .eps = 0.1, .momentum = 0.4, .affine = false})},
    {"unit_norm", layer<UnitNorm>()},
    {"unit_norm_p1", layer<UnitNorm>(UnitNormOptions{.p = 1, .dim = -1, .eps = 1})},
    {"unit_norm_p3", layer<UnitNorm>(UnitNormOptions{.p = 3, .dim = 0})},
    {"act_norm", layer<ActNorm>(5)},
    {"act_norm_2d", layer<ActNorm>(3, ActNormOptions{.eps = 0.1})},
    {"ibn", layer<IBN>(5)},
    {"ibn_mostly_instance", layer<IBN>(5, IBNOptions{.ratio = 0.8})},
    {"domain_batch_norm2d", layer<DomainBatchNorm2d>(2, 5, DomainBatchNormOptions{.cycle = true})},
    {"cross_iteration_conv2d", cross_iteration(4, 5, {.window = 3})},
    {"cross_iteration_conv2d_burn_in",
     cross_iteration(2, 3, {.eps = 0.1, .momentum = std::nullopt, .affine = false, .window = 2, .burn_in = 1})},
    {"iter_norm", layer<IterNorm>(4)},
    {"iter_norm_groups",
     layer<IterNorm>(
         6, IterNormOptions{.num_groups = 2, .iterations = 3, .eps = 0.01, .momentum = std::nullopt, .affine = false})},
};

NamedArrays converted(NamedArrays state, DType dtype) {
  for (auto& [name, array] : state) {
    array = is_floating(array.dtype()) ? array.to(dtype) : array;
  }
  return state;
}

/// Three training steps, each with its backward (PowerNorm's moves a buffer), then eval.
void check_layer(const Fixture& fixture, const std::string& name, Layer& layer, DType dtype, double tolerance) {
  CAPTURE(name);
  CAPTURE(dtype);
  layer.to(dtype);
  layer.load_state_dict(converted(fixture.under(name + "/before/"), dtype));
  Tensor x, y;
  for (int step = 0; step < 3; ++step) {
    layer.zero_grad();
    x = Tensor(fixture.at(concat(name, "/x", step)).to(dtype), true);
    y = layer(x);
    y.backward(Tensor(fixture.at(concat(name, "/dy", step)).to(dtype)));
    if (step < 2) {
      move_conv_weight(layer);
    }
  }
  check_close(y.array(), fixture.at(name + "/y"), tolerance, "y");
  check_close(x.grad().array(), fixture.at(name + "/dx"), tolerance, "dx");
  for (const auto& [key, parameter] : layer.named_parameters()) {
    check_close(parameter.grad().array(), fixture.at(name + "/grad/" + key), tolerance, "gradient of " + key);
  }
  CHECK(layer.state_dict().size() == fixture.under(name + "/after/").size());
  for (const auto& [key, value] : layer.state_dict()) {
    check_close(value, fixture.at(name + "/after/" + key), tolerance, key + " after training");
  }
  layer.eval();
  x.zero_grad();
  y = layer(x);
  y.backward(Tensor(fixture.at(name + "/dy2").to(dtype)));
  check_close(y.array(), fixture.at(name + "/y_eval"), tolerance, "y in eval mode");
  check_close(x.grad().array(), fixture.at(name + "/dx_eval"), tolerance, "dx in eval mode");
  for (const auto& [key, value] : layer.state_dict()) {
    check_close(value, fixture.at(name + "/after/" + key), tolerance, key + " after eval");
  }
}

Tensor random(const Shape& shape, unsigned seed, DType dtype = DType::float64) {
  return Tensor(Array::from(reference::random_values(numel(shape), seed), shape).to(dtype));
}

/// Channel c becomes channel c + 1, the last one the first.
Tensor roll_channels(const Tensor& x) {
  return cat({slice(x, 1, x.size(1) - 1, x.size(1)), slice(x, 1, 0, x.size(1) - 1)}, 1);
}

}  // namespace

TEST_CASE("every layer equals the second derivation, forward, backward, buffers, train and eval") {
  const Fixture fixture("norms_exotic.safetensors");
  for (const auto& [name, make] : kLayers) {
    check_layer(fixture, name, *make(), DType::float64, 1e-12);
    check_layer(fixture, name, *make(), DType::float32, 2e-5);
  }
}

TEST_CASE("every case of the fixture file is compared") {
  std::set<std::string> in_table;
  for (const auto& [name, make] : kLayers) {
    in_table.insert(name);
  }
  CHECK(Fixture("norms_exotic.safetensors").cases() == in_table);
}

TEST_CASE("EvoNormS0 chooses its groups as choose_gn_groups does") {
  CHECK(EvoNormS0(64).num_groups == 32);
  CHECK(EvoNormS0(48).num_groups == 16);
  CHECK(EvoNormS0(7).num_groups == 1);
}

TEST_CASE("EvoNormS0 gives a sample the same result in any batch, in train and eval") {
  EvoNormS0 norm(6);
  norm.to(DType::float64);
  const Tensor x = random({4, 6, 3, 2}, 3);
  const Tensor all = norm(x);
  norm.eval();
  for (std::int64_t n = 0; n < 4; ++n) {
    const Tensor one = norm(slice(x, 0, n, n + 1));
    CHECK(one.to_vector<double>() == slice(all, 0, n, n + 1).to_vector<double>());
  }
}

TEST_CASE("SwitchableNorm2d with all its weight on one kind is that kind") {
  const Tensor x = random({3, 4, 5, 2}, 1);
  const auto with_weight = [&](std::int64_t kind) {
    SwitchableNorm2d norm(4);
    norm.to(DType::float64);
    for (Tensor* weights : {&norm.mean_weight, &norm.var_weight}) {
      weights->mutable_array().fill_(-1000);
      weights->mutable_array().mutable_data<double>()[kind] = 0;
    }
    return norm(x);
  };
  const auto same = [&](Layer&& norm, std::int64_t kind) {
    norm.to(DType::float64);
    check_close(with_weight(kind).array(), norm(x).array(), 1e-12, norm.type_name());
  };
  same(GroupNorm(4, 4), 0);
  same(GroupNorm(1, 4), 1);
  same(BatchNorm2d(4), 2);
}

TEST_CASE("PowerNorm: the backward moves running_nu, the forward running_phi, eval neither") {
  PowerNorm norm(2, {.eps = 0, .momentum = 0.25, .warmup_steps = 0});
  norm.to(DType::float64);
  const auto values = [](const Tensor& t) { return t.to_vector<double>(); };
  Tensor x = tensor<double>({1, 2, 3, -2}, {2, 2}, true);
  const Tensor y = norm(x);
  CHECK(values(y) == std::vector<double>{1, 2, 3, -2});  // phi from before this step: 1
  CHECK(values(norm.running_phi) == std::vector<double>{0.75 + 0.25 * 5, 0.75 + 0.25 * 4});
  CHECK(values(norm.running_nu) == std::vector<double>{0, 0});
  y.backward(tensor<double>({1, 0, 1, 1}, {2, 2}), true);
  CHECK(values(x.grad()) == std::vector<double>{1, 0, 1, 1});  // nu was 0
  CHECK(values(norm.running_nu) == std::vector<double>{0.25 * 2, 0.25 * -1});
  x.zero_grad();
  y.backward(tensor<double>({1, 0, 1, 1}, {2, 2}));
  CHECK(values(x.grad()) == std::vector<double>{1 - 0.5, 0.25 * 2, 1 - 0.5 * 3, 1 + 0.25 * -2});
  norm.eval();
  norm(x).backward(ones({2, 2}, {.dtype = DType::float64}));
  CHECK(values(norm.running_phi) == std::vector<double>{2, 1.75});
  CHECK(norm.num_batches_tracked.array().item_int64() == 1);
}

TEST_CASE("PowerNorm has no second derivative after its warm-up, and is exact before") {
  PowerNorm norm(2, {.warmup_steps = 1});
  Tensor x = random({3, 2}, 1, DType::float32).requires_grad_();
  CHECK_NOTHROW(sum(norm(x)).backward({}, true, true));
  x.zero_grad();
  CHECK_THROWS_WITH(sum(norm(x)).backward({}, true, true), Contains("power_norm"));
}

TEST_CASE("ExtendedBatchNorm keeps the channels' relative scale and removes their means") {
  ExtendedBatchNorm norm(2, {.eps = 0});
  norm.to(DType::float64);
  const Tensor y = norm(tensor<double>({1, 30, 3, 10}, {2, 2}));
  const double deviation = std::sqrt((100 + 361 + 64 + 1) / 4.0);  // around the mean of all, 11
  const std::vector<double> expected = {-1 / deviation, 10 / deviation, 1 / deviation, -10 / deviation};
  check_close(y.array(), Array::from(expected, {2, 2}), 1e-14, "y");
}

TEST_CASE("BatchGroupNorm with a group per channel is BatchNorm") {
  BatchGroupNorm groups(3, {.num_groups = 3});
  BatchNorm2d norm(3);
  for (const bool training : {true, false}) {
    groups.train(training);
    norm.train(training);
    const Tensor x = random({2, 3, 4, 5}, 1, DType::float32);
    CHECK(groups(x).to_vector<float>() == norm(x).to_vector<float>());
    CHECK(groups.running_var.to_vector<float>() == norm.running_var.to_vector<float>());
  }
}

TEST_CASE("UnitNorm of a zero vector: 0, and a finite gradient") {
  UnitNorm norm;
  Tensor x = zeros({2, 3}, {.requires_grad = true});
  const Tensor y = norm(x);
  CHECK(y.to_vector<float>() == std::vector<float>(6, 0));
  y.backward(full({2, 3}, 2));
  for (const float g : x.grad().to_vector<float>()) {
    CHECK(g == doctest::Approx(2e12));
  }
}

TEST_CASE("ActNorm starts from the first training batch, once, and not again after loading") {
  ActNorm norm(3, {.eps = 0});
  norm.to(DType::float64);
  const Tensor x = random({4, 3, 5, 2}, 1) * 3.0 + 2.0;
  norm.eval();
  check_close(norm(x).array(), x.array(), 0, "before the first batch");
  norm.train();
  norm(zeros({0, 3, 5, 2}, {.dtype = DType::float64}));
  CHECK(norm.initialized.array().item_int64() == 0);
  const Tensor y = norm(x);
  check_close(mean(y, {0, 2, 3}).array(), Array::zeros({3}), 1e-14, "mean");
  check_close(var(y, {0, 2, 3}, 0).array(), Array::ones({3}), 1e-13, "variance");
  const Tensor second = norm(x * 2.0);
  check_close(second.array(), (x * reshape(norm.weight * 2.0, {1, 3, 1, 1}) + reshape(norm.bias, {1, 3, 1, 1})).array(),
              1e-14, "the second batch");
  ActNorm loaded(3);
  loaded.to(DType::float64);
  loaded.load_state_dict(norm.state_dict());
  check_close(loaded(x * 7.0).array(), norm(x * 7.0).array(), 0, "after loading");
  CHECK_THROWS_WITH(ActNorm(3)(ones({1, 3})), Contains("ActNorm: Expected more than 1 value per channel"));
}

TEST_CASE("IBN splits the channels, and refuses a split that leaves a part empty") {
  IBN norm(7);
  CHECK(norm.instance_features == 3);
  CHECK(norm.batch->num_features == 4);
  CHECK_THROWS_WITH(IBN(1), Contains("IBN: ratio 0.5 of 1 channels"));
  CHECK_THROWS_WITH(IBN(8, {.ratio = 1}), Contains("ratio 1"));
}

TEST_CASE("DomainBatchNorm2d keeps statistics per domain, chosen by hand for a whole model") {
  Sequential net;
  net.append<DomainBatchNorm2d>(3, 2).append<Sequential>().append<DomainBatchNorm2d>(3, 2);
  auto& first = *net.child<DomainBatchNorm2d>("0");
  CHECK(set_domain(net, 2) == 2);
  net(random({3, 2, 4, 5}, 1, DType::float32) + 5.0);
  for (const char* name : {"0", "1", "2"}) {
    const bool seen = name == std::string("2");
    CHECK(first.child<BatchNorm2d>(name)->num_batches_tracked.array().item_int64() == (seen ? 1 : 0));
  }
  CHECK(first.domain() == 2);
  CHECK_THROWS_WITH(set_domain(net, 3), "DomainBatchNorm2d: there is no domain 3, only 0 to 2");
  CHECK_THROWS_WITH(first.set_domain(-1), Contains("there is no domain -1"));
  CHECK_THROWS_WITH(DomainBatchNorm2d(0, 2), Contains("number of domains must be positive, got 0"));
}

TEST_CASE("IterNorm: the output's covariance comes near to I, in one group and in three") {
  const Tensor noise = random({50, 6, 4, 3}, 1);
  const Tensor x = noise + roll_channels(noise) * 0.4 + 10.0;
  for (const std::int64_t groups : {1, 3}) {
    CAPTURE(groups);
    IterNorm norm(6, {.num_groups = groups, .iterations = 12, .eps = 0});
    norm.to(DType::float64);
    const Tensor rows = reshape(transpose(norm(x), 0, 1), {groups, 6 / groups, 600});
    const Tensor covariance = matmul(rows, transpose(rows, 1, 2)) / 600.0;
    for (std::int64_t g = 0; g < groups; ++g) {
      for (std::int64_t i = 0; i < 6 / groups; ++i) {
        for (std::int64_t j = 0; j < 6 / groups; ++j) {
          CHECK(select(select(select(covariance, 0, g), 0, i), 0, j).item() ==
                doctest::Approx(i == j ? 1.0 : 0.0).epsilon(1e-6));
        }
      }
    }
  }
  CHECK_THROWS_WITH(IterNorm(6, {.num_groups = 4}), Contains("IterNorm: the number of channels must be divisible"));
  CHECK_THROWS_WITH(IterNorm(6, {.iterations = -1}), Contains("iterations must be at least 0, got -1"));
}

TEST_CASE("CrossIterationConv2d: the gradient with a full window; what keeps the window as it is; bad options") {
  const Tensor x0 = random({2, 3, 4, 2}, 1), x1 = random({3, 3, 4, 2}, 2).requires_grad_();
  const MakeLayer make = cross_iteration(3, 2, {.window = 2});
  const auto after_one_step = [&] {
    auto layer = make();
    layer->to(DType::float64);
    (*layer)(x0);
    move_conv_weight(*layer);
    return layer;
  };
  const auto f = [&](const std::vector<Tensor>& in) { return (*after_one_step())(in[0]); };
  const GradcheckReport report = gradcheck(f, {x1}, {.raise = false});
  CHECK_MESSAGE(report.ok, report.text);

  const auto layer = after_one_step();
  const Array expected = (*after_one_step())(x1).array();
  no_grad([&] { return (*layer)(x0 * 3.0); });
  layer->eval();
  (*layer)(x0);
  layer->train();
  check_close((*layer)(x1).array(), expected, 0, "after forwards that do not count");

  Generator g(1);
  const Conv2dOptions how{.kernel_size = 1, .bias = false};
  CHECK_THROWS_WITH(CrossIterationConv2d(2, 3, g, {.kernel_size = 1}), Contains("must have no bias"));
  CHECK_THROWS_WITH(CrossIterationConv2d(2, 3, g, how, {.window = 0}), Contains("window must be at least 1, got 0"));
  CHECK_THROWS_WITH(CrossIterationConv2d(2, 3, g, how, {.burn_in = -1}), Contains("burn_in"));
  CHECK_THROWS_WITH(CrossIterationConv2d(2, 3, g, how)(ones({1, 2, 1, 1})),
                    Contains("CrossIterationConv2d: Expected more than 1 value per channel when training"));
}

TEST_CASE("adaptive_instance_norm gives the content the style's statistics, and is differentiable in both") {
  const Tensor x = random({2, 3, 4, 5}, 1).requires_grad_(), style = random({2, 3, 6, 2}, 2).requires_grad_();
  const Tensor y = functional::adaptive_instance_norm(x, style, 0);
  CHECK(y.shape() == x.shape());
  check_close(mean(y, {2, 3}).array(), mean(style, {2, 3}).array(), 1e-14, "mean");
  check_close(var(y, {2, 3}).array(), var(style, {2, 3}).array(), 1e-13, "variance");
  const auto f = [](const std::vector<Tensor>& in) { return functional::adaptive_instance_norm(in[0], in[1]); };
  const GradcheckReport report = gradcheck(f, {x, style}, {.raise = false});
  CHECK_MESSAGE(report.ok, report.text);
  const Tensor one = random({1, 3, 5}, 3);
  CHECK(functional::adaptive_instance_norm(x, one).shape() == x.shape());
  CHECK_THROWS_WITH(functional::adaptive_instance_norm(x, ones({3, 3, 4, 5})),
                    "adaptive_instance_norm: a style of shape [3, 3, 4, 5] does not fit content of shape [2, 3, 4, 5]");
  CHECK_THROWS_WITH(functional::adaptive_instance_norm(ones({2, 3}), one), Contains("at least 3 dims"));
  CHECK_THROWS_WITH(functional::adaptive_instance_norm(x, ones({1, 3, 1})), Contains("more than 1 spatial element"));
}
