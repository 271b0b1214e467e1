// LayerNorm, InstanceNorm, GroupNorm, LocalResponseNorm and BatchNorm3d against PyTorch's values, DynamicTanh and
// DynamicErf against their formulas: a training step, four if there are buffers, each with its gradients and buffers,
// then eval mode.
// tests/fixtures/make_norms_layer.py has the layers of the same names.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/dynamic_tanh.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/instance_norm.hpp"
#include "evenkeel/nn/norm/layer_norm.hpp"
#include "evenkeel/nn/norm/local_response_norm.hpp"
#include "tests/support/fixture.hpp"

#include <functional>
#include <set>

using namespace evenkeel;
using namespace evenkeel::nn;
using evenkeel::test::check_close;
using evenkeel::test::Fixture;

namespace {

using MakeLayer = std::function<std::unique_ptr<Layer>()>;

template <class T, class... Args>
MakeLayer layer(Args... args) {
  return [=] { return std::make_unique<T>(args...); };
}

const InstanceNormOptions kAll = {.affine = true, .track_running_stats = true};

const std::vector<std::pair<std::string, MakeLayer>> kLayers = {
    {"layer_norm", layer<LayerNorm>(5)},
    {"layer_norm_1d", layer<LayerNorm>(7, LayerNormOptions{.eps = 1e-3})},
    {"layer_norm_2_dims", layer<LayerNorm>(Shape{3, 4})},
    {"layer_norm_3_dims", layer<LayerNorm>(Shape{5, 3, 4})},
    {"layer_norm_5d_no_affine", layer<LayerNorm>(6, LayerNormOptions{.elementwise_affine = false})},
    {"layer_norm_wide", layer<LayerNorm>(301)},
    {"layer_norm_one_element", layer<LayerNorm>(1)},
    {"instance_norm1d", layer<InstanceNorm1d>(3)},
    {"instance_norm1d_one_sample", layer<InstanceNorm1d>(3, InstanceNormOptions{.affine = true})},
    {"instance_norm1d_tracking",
     layer<InstanceNorm1d>(4, InstanceNormOptions{.momentum = 0.3, .track_running_stats = true})},
    {"instance_norm2d", layer<InstanceNorm2d>(3)},
    {"instance_norm2d_affine", layer<InstanceNorm2d>(3, InstanceNormOptions{.eps = 1e-3, .affine = true})},
    {"instance_norm2d_all", layer<InstanceNorm2d>(4, kAll)},
    {"instance_norm2d_momentum1",
     layer<InstanceNorm2d>(4, InstanceNormOptions{.momentum = 1, .track_running_stats = true})},
    {"instance_norm2d_momentum0",
     layer<InstanceNorm2d>(4, InstanceNormOptions{.momentum = 0, .track_running_stats = true})},
    {"instance_norm2d_one_sample", layer<InstanceNorm2d>(4, kAll)},
    {"instance_norm2d_large", layer<InstanceNorm2d>(2, InstanceNormOptions{.affine = true})},
    {"instance_norm3d", layer<InstanceNorm3d>(3, kAll)},
    {"instance_norm3d_one_sample", layer<InstanceNorm3d>(3)},
    {"group_norm_2d_batch1", layer<GroupNorm>(1, 6)},
    {"group_norm_3d", layer<GroupNorm>(3, 6)},
    {"group_norm_4d_large", layer<GroupNorm>(2, 4)},
    {"group_norm_5d", layer<GroupNorm>(4, 8, GroupNormOptions{.eps = 1e-3})},
    {"local_response_norm", layer<LocalResponseNorm>(5)},
    {"local_response_norm_alexnet",
     layer<LocalResponseNorm>(5, LocalResponseNormOptions{.alpha = 0.7, .beta = 0.5, .k = 2})},
    {"local_response_norm_even", layer<LocalResponseNorm>(4, LocalResponseNormOptions{.alpha = 0.9})},
    {"local_response_norm_2", layer<LocalResponseNorm>(2, LocalResponseNormOptions{.alpha = 0.9, .k = 0.5})},
    {"local_response_norm_wider_than_channels", layer<LocalResponseNorm>(8, LocalResponseNormOptions{.alpha = 0.9})},
    {"local_response_norm_size1", layer<LocalResponseNorm>(1, LocalResponseNormOptions{.alpha = 0.9, .beta = 1.5})},
    {"batch_norm3d", layer<BatchNorm3d>(3)},
    {"batch_norm3d_cumulative", layer<BatchNorm3d>(2, BatchNormOptions{.momentum = std::nullopt, .affine = false})},
    {"batch_norm3d_no_tracking", layer<BatchNorm3d>(2, BatchNormOptions{.track_running_stats = false})},
    {"dynamic_tanh", layer<DynamicTanh>(4)},
    {"dynamic_tanh_channels_last", layer<DynamicTanh>(4, DynamicTanhOptions{.alpha = 1.5, .channels_last = true})},
    {"dynamic_erf", layer<DynamicErf>(4)},
    {"dynamic_erf_no_affine",
     layer<DynamicErf>(4, DynamicTanhOptions{.alpha = 0.8, .affine = false, .channels_last = true})},
};

NamedArrays converted(NamedArrays state, DType dtype) {
  for (auto& [name, array] : state) {
    array = is_floating(array.dtype()) ? array.to(dtype) : array;
  }
  return state;
}

void check_state(const Fixture& fixture, const std::string& prefix, const Layer& layer, double tolerance) {
  CHECK(layer.state_dict().size() == fixture.under(prefix).size());
  for (const auto& [key, value] : layer.state_dict()) {
    check_close(value, fixture.at(prefix + key), tolerance, prefix + key);
  }
}

void check_layer(const Fixture& fixture, const std::string& name, Layer& layer, DType dtype, double tolerance) {
  CAPTURE(name);
  CAPTURE(dtype);
  layer.to(dtype);
  layer.load_state_dict(converted(fixture.under(name + "/before/"), dtype));
  Tensor x, dy;
  int step = 0;
  for (; fixture.has(concat(name, "/", step, "/x")); ++step) {
    const std::string at = concat(name, "/", step, "/");
    layer.zero_grad();
    x = Tensor(fixture.at(at + "x").to(dtype), true);
    dy = Tensor(fixture.at(at + "dy").to(dtype));
    const Tensor y = layer(x);
    y.backward(dy);
    check_close(y.array(), fixture.at(at + "y"), tolerance, at + "y");
    check_close(x.grad().array(), fixture.at(at + "dx"), tolerance, at + "dx");
    for (const auto& [key, parameter] : layer.named_parameters()) {
      check_close(parameter.grad().array(), fixture.at(concat(at, "grad/", key)), tolerance,
                  concat(at, "gradient of ", key));
    }
    check_state(fixture, at + "state/", layer, tolerance);
  }
  CHECK(step == (layer.named_buffers().empty() ? 1 : 4));
  layer.eval();
  x.zero_grad();
  const Tensor y = layer(x);
  y.backward(dy);
  check_close(y.array(), fixture.at(name + "/y_eval"), tolerance, name + ": y in eval mode");
  check_close(x.grad().array(), fixture.at(name + "/dx_eval"), tolerance, name + ": dx in eval mode");
  check_state(fixture, concat(name, "/", step - 1, "/state/"), layer, tolerance);
}

}  // namespace

TEST_CASE("every step of every layer, to 1e-10 in float64 and 1e-5 in float32") {
  const Fixture fixture("norms_layer.safetensors");
  for (const auto& [name, make] : kLayers) {
    check_layer(fixture, name, *make(), DType::float64, 1e-10);
    check_layer(fixture, name, *make(), DType::float32, 1e-5);
  }
}

TEST_CASE("every case of the fixture file is compared") {
  std::set<std::string> in_table = {"far_off"};
  for (const auto& [name, make] : kLayers) {
    in_table.insert(name);
  }
  CHECK(Fixture("norms_layer.safetensors").cases() == in_table);
}
