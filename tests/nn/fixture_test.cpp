// Every layer against PyTorch's values: three training steps, the buffers after them, gradients, eval mode; in float64
// to 1e-10 and in float32 to 1e-5. tests/fixtures/make_fixtures.py has the layers of the same names.

#include "tests/support/fixture.hpp"

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/flatten.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/pool.hpp"

#include <functional>
#include <set>

using namespace evenkeel;
using namespace evenkeel::nn;
using evenkeel::test::check_close;
using evenkeel::test::Fixture;

namespace {

Generator generator(0);

template <class T, class... Args>
std::function<std::unique_ptr<Layer>()> layer(Args... args) {
  return [=] { return std::make_unique<T>(args...); };
}

template <class T, class Options>
std::function<std::unique_ptr<Layer>()> drawn(std::int64_t in, std::int64_t out, Options options) {
  return [=] { return std::make_unique<T>(in, out, generator, options); };
}

using MakeLayer = std::function<std::unique_ptr<Layer>()>;

const std::vector<std::pair<std::string, MakeLayer>> kLayers = {
    {"linear", drawn<Linear>(7, 5, LinearOptions{})},
    {"linear_4d_no_bias", drawn<Linear>(4, 3, LinearOptions{.bias = false})},
    {"conv2d", drawn<Conv2d>(3, 5, Conv2dOptions{.kernel_size = 3, .padding = 1})},
    {"conv2d_uneven",
     drawn<Conv2d>(
         4, 6,
         Conv2dOptions{.kernel_size = {3, 2}, .stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}, .groups = 2})},
    {"conv2d_1x1", drawn<Conv2d>(6, 4, Conv2dOptions{.kernel_size = 1})},
    {"conv2d_1x1_stride2", drawn<Conv2d>(6, 4, Conv2dOptions{.kernel_size = 1, .stride = 2, .bias = false})},
    {"conv2d_depthwise", drawn<Conv2d>(4, 8, Conv2dOptions{.kernel_size = 3, .padding = 1, .groups = 4})},
    {"conv2d_same", drawn<Conv2d>(2, 3, Conv2dOptions{.kernel_size = 4, .padding = "same"})},
    {"conv2d_stride_over_kernel", drawn<Conv2d>(2, 3, Conv2dOptions{.kernel_size = 2, .stride = 3})},
    {"conv_transpose2d",
     drawn<ConvTranspose2d>(4, 6,
                            ConvTranspose2dOptions{.kernel_size = 3, .stride = 2, .padding = 1, .output_padding = 1})},
    {"conv_transpose2d_groups",
     drawn<ConvTranspose2d>(
         4, 6,
         ConvTranspose2dOptions{
             .kernel_size = {2, 3}, .stride = {1, 3}, .dilation = {2, 1}, .groups = 2, .bias = false})},
    {"batch_norm1d", layer<BatchNorm1d>(5)},
    {"batch_norm1d_3d", layer<BatchNorm1d>(5, BatchNormOptions{.momentum = std::nullopt})},
    {"batch_norm2d", layer<BatchNorm2d>(6)},
    {"batch_norm2d_batch1", layer<BatchNorm2d>(3, BatchNormOptions{.eps = 1e-3, .momentum = 0.3})},
    {"batch_norm2d_no_affine", layer<BatchNorm2d>(3, BatchNormOptions{.affine = false})},
    {"batch_norm2d_no_tracking", layer<BatchNorm2d>(3, BatchNormOptions{.track_running_stats = false})},
    {"group_norm", layer<GroupNorm>(4, 12)},
    {"group_norm_1", layer<GroupNorm>(1, 6)},
    {"group_norm_c", layer<GroupNorm>(6, 6, GroupNormOptions{.eps = 1e-3})},
    {"group_norm_2d", layer<GroupNorm>(2, 6)},
    {"group_norm_5d_no_affine", layer<GroupNorm>(3, 6, GroupNormOptions{.affine = false})},
    {"relu", layer<ReLU>()},
    {"silu", layer<SiLU>()},
    {"sigmoid", layer<Sigmoid>()},
    {"tanh", layer<Tanh>()},
    {"gelu", layer<GELU>()},
    {"gelu_tanh", layer<GELU>(GeluApproximation::tanh)},
    {"leaky_relu", layer<LeakyReLU>(0.2)},
    {"elu", layer<ELU>(1.3)},
    {"hardswish", layer<Hardswish>()},
    {"softplus", layer<Softplus>(2.0, 3.0)},
    {"softmax", layer<Softmax>(1)},
    {"log_softmax", layer<LogSoftmax>(-1)},
    {"max_pool2d", layer<MaxPool2d>(Size2(2))},
    {"max_pool2d_overlap",
     layer<MaxPool2d>(MaxPool2dOptions{.kernel_size = 3, .stride = Size2(2), .padding = 1, .ceil_mode = true})},
    {"max_pool2d_dilation", layer<MaxPool2d>(MaxPool2dOptions{
                                .kernel_size = {2, 3}, .stride = Size2(1, 2), .padding = {1, 0}, .dilation = {2, 1}})},
    {"avg_pool2d", layer<AvgPool2d>(Size2(2))},
    {"avg_pool2d_ceil",
     layer<AvgPool2d>(AvgPool2dOptions{.kernel_size = 3, .stride = Size2(2), .padding = 1, .ceil_mode = true})},
    {"avg_pool2d_exclude_pad",
     layer<AvgPool2d>(AvgPool2dOptions{
         .kernel_size = {3, 2}, .stride = Size2(2), .padding = 1, .ceil_mode = true, .count_include_pad = false})},
    {"avg_pool2d_divisor", layer<AvgPool2d>(AvgPool2dOptions{.kernel_size = 3, .divisor_override = 2})},
    {"adaptive_avg_pool2d_global", layer<AdaptiveAvgPool2d>(Size2(1))},
    {"adaptive_avg_pool2d", layer<AdaptiveAvgPool2d>(Size2(3, 5))},
    {"flatten", layer<Flatten>()},
};

NamedArrays converted(NamedArrays state, DType dtype) {
  for (auto& [name, array] : state) {
    array = is_floating(array.dtype()) ? array.to(dtype) : array;
  }
  return state;
}

void check_layer(const Fixture& fixture, const std::string& name, Layer& layer, DType dtype, double tolerance) {
  CAPTURE(name);
  CAPTURE(dtype);
  layer.to(dtype);
  layer.load_state_dict(converted(fixture.under(name + "/before/"), dtype));
  const Tensor dy(fixture.at(name + "/dy").to(dtype));
  Tensor x, y;
  for (int step = 0; step < 3; ++step) {
    layer.zero_grad();
    x = Tensor(fixture.at(concat(name, "/x", step)).to(dtype), true);
    y = layer(x);
  }
  y.backward(dy);
  check_close(y.array(), fixture.at(name + "/y"), tolerance, "y");
  check_close(x.grad().array(), fixture.at(name + "/dx"), tolerance, "dx");
  for (const auto& [key, parameter] : layer.named_parameters()) {
    check_close(parameter.grad().array(), fixture.at(name + "/grad/" + key), tolerance, "gradient of " + key);
  }
  const NamedArrays after = fixture.under(name + "/after/");
  CHECK(layer.state_dict().size() == after.size());
  for (const auto& [key, value] : layer.state_dict()) {
    check_close(value, fixture.at(name + "/after/" + key), tolerance, key + " after training");
  }
  layer.eval();
  x.zero_grad();
  y = layer(x);
  y.backward(dy);
  check_close(y.array(), fixture.at(name + "/y_eval"), tolerance, "y in eval mode");
  check_close(x.grad().array(), fixture.at(name + "/dx_eval"), tolerance, "dx in eval mode");
}

}  // namespace

TEST_CASE("every layer equals PyTorch's") {
  const Fixture fixture("layers.safetensors");
  for (const auto& [name, make] : kLayers) {
    check_layer(fixture, name, *make(), DType::float64, 1e-10);
    check_layer(fixture, name, *make(), DType::float32, 1e-5);
  }
}

TEST_CASE("every case of the fixture file is compared") {
  std::set<std::string> in_table;
  for (const auto& [name, make] : kLayers) {
    in_table.insert(name);
  }
  CHECK(Fixture("layers.safetensors").cases() == in_table);
}
