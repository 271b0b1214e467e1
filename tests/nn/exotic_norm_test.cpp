// EvoNorm, SwitchableNorm, PowerNorm, ExtendedBatchNorm, BatchGroupNorm and UnitNorm against a second derivation of
// their formulas (tests/fixtures/make_norms_exotic.py has layers of the same names), and what their docs say.

#include "autograd/ops.hpp"
#include "nn/norm/batch_group_norm.hpp"
#include "nn/norm/batch_norm.hpp"
#include "nn/norm/evo_norm.hpp"
#include "nn/norm/extended_batch_norm.hpp"
#include "nn/norm/group_norm.hpp"
#include "nn/norm/power_norm.hpp"
#include "nn/norm/switchable_norm.hpp"
#include "nn/norm/unit_norm.hpp"
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

}  // namespace

TEST_CASE("every layer equals the second derivation, forward, backward, buffers, train and eval") {
  const Fixture fixture("norms_exotic.safetensors");
  for (const auto& [name, make] : kLayers) {
    check_layer(fixture, name, *make(), DType::float64, 1e-12);
    check_layer(fixture, name, *make(), DType::float32, 2e-5);
  }
}

TEST_CASE("every case of the fixture file is compared") {
  std::set<std::string> in_file, in_table;
  for (const auto& [name, array] : Fixture("norms_exotic.safetensors").under("")) {
    in_file.insert(name.substr(0, name.find('/')));
  }
  for (const auto& [name, make] : kLayers) {
    in_table.insert(name);
  }
  CHECK(in_file == in_table);
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
