// Convolutions and linear layers that compute their weight from other parameters, or normalize what they give.

#include "evenkeel/nn/norm/cross_iteration_conv.hpp"
#include "evenkeel/nn/norm/weight_norm.hpp"
#include "evenkeel/nn/norm/ws_conv.hpp"
#include "tests/support/layer_cases.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using Keys = std::vector<std::string>;
using Mode = WeightStandardization;

template <class T, class... Args>
std::function<std::unique_ptr<Layer>(Generator&)> drawn(std::int64_t in, std::int64_t out, Args... args) {
  return [=](Generator& generator) { return std::make_unique<T>(in, out, generator, args...); };
}

template <class T, class Options>
std::function<std::unique_ptr<Layer>(Generator&)> weight_normed(std::int64_t in, std::int64_t out, Options options,
                                                                std::optional<std::int64_t> dim) {
  return [=](Generator& generator) {
    auto layer = std::make_unique<T>(in, out, generator, options);
    weight_norm(*layer, dim);
    return layer;
  };
}

LayerCase mode_row(const std::string& name, Mode mode, double gamma, const std::string& shown, const Keys& state) {
  return {.layer = "WSConv2d",
          .variant = name,
          .make = drawn<WSConv2d>(2, 3, Conv2dOptions{.kernel_size = {3, 2}}, WSOptions{.mode = mode, .gamma = gamma}),
          .input = {2, 2, 4, 3},
          .output = {2, 3, 2, 2},
          .printed = "WSConv2d(2, 3, kernel_size=(3, 2), stride=(1, 1)" + shown + ")",
          .state = state,
          .macs = 24 * 12};
}

const LayerCaseFile ws_mode_rows{[]() -> LayerCases {
  const Keys plain_state = {"weight", "bias"};
  const Keys gain_state = {"weight", "bias", "gain"};
  return {
      mode_row("seed", Mode::seed, 1, "", plain_state),
      mode_row("bcn", Mode::bcn, 1, ", standardization=bcn", plain_state),
      mode_row("tensorflow", Mode::tensorflow, 1, ", standardization=tensorflow", plain_state),
      mode_row("timm", Mode::timm, 1, ", standardization=timm", plain_state),
      mode_row("chainer", Mode::chainer, 1, ", standardization=chainer", plain_state),
      mode_row("aws", Mode::aws, 1, ", standardization=aws", {"weight", "bias", "weight_gamma", "weight_beta"}),
      mode_row("scaled", Mode::scaled, 1.5, ", standardization=scaled, gamma=1.5", gain_state),
      mode_row("nfnet", Mode::nfnet, 1.5, ", standardization=nfnet, gamma=1.5", gain_state),
  };
}};

const LayerCaseFile ws_rows{[]() -> LayerCases {
  return {
      {.layer = "WSConv2d",
       .variant = "groups, uneven, batch 5, no bias, large eps",
       .make = drawn<WSConv2d>(
           4, 6, Conv2dOptions{.kernel_size = {1, 2}, .stride = {2, 1}, .padding = {1, 0}, .groups = 2, .bias = false},
           WSOptions{.eps = 0.5}),
       .input = {5, 4, 1, 3},
       .output = {5, 6, 2, 2},
       .printed = "WSConv2d(4, 6, kernel_size=(1, 2), stride=(2, 1), padding=(1, 0), groups=2, bias=False, eps=0.5)",
       .state = {"weight"},
       .macs = 120 * 4},
      {.layer = "WSConv2d",
       .variant = "depthwise, batch 1",
       .make = drawn<WSConv2d>(3, 3, Conv2dOptions{.kernel_size = {2, 3}, .groups = 3}),
       .input = {1, 3, 5, 4},
       .output = {1, 3, 4, 2},
       .state = {"weight", "bias"},
       .macs = 24 * 6},
      {.layer = "WSConvTranspose2d",
       .make = drawn<WSConvTranspose2d>(4, 6, ConvTranspose2dOptions{.kernel_size = {2, 3}, .stride = 2, .groups = 2}),
       .input = {1, 4, 3, 2},
       .output = {1, 6, 6, 5},
       .state = {"weight", "bias"},
       .macs = 24 * 18},
      {.layer = "WSConvTranspose2d",
       .variant = "scaled, no bias",
       .make = drawn<WSConvTranspose2d>(2, 3, ConvTranspose2dOptions{.kernel_size = 2, .bias = false},
                                        WSOptions{.mode = Mode::scaled}),
       .input = {2, 2, 1, 3},
       .output = {2, 3, 2, 4},
       .printed = "WSConvTranspose2d(2, 3, kernel_size=(2, 2), stride=(1, 1), bias=False, standardization=scaled)",
       .state = {"weight", "gain"},
       .macs = 12 * 12},
      {.layer = "WSLinear",
       .make = drawn<WSLinear>(3, 4),
       .input = {5, 3},
       .output = {5, 4},
       .printed = "WSLinear(in_features=3, out_features=4, bias=True)",
       .state = {"weight", "bias"},
       .macs = 60},
      {.layer = "ScaledStdConv2d",
       .make = drawn<ScaledStdConv2d>(2, 3, Conv2dOptions{.kernel_size = 2}),
       .input = {1, 2, 4, 3},
       .output = {1, 3, 3, 2},
       .printed = "ScaledStdConv2d(2, 3, kernel_size=(2, 2), stride=(1, 1), standardization=scaled)",
       .state = {"weight", "bias", "gain"},
       .macs = 18 * 8},
      {.layer = "ScaledStdConv2d",
       .variant = "nfnet, before SiLU",
       .make = drawn<ScaledStdConv2d>(3, 2, Conv2dOptions{.kernel_size = 1, .bias = false},
                                      WSOptions{.mode = Mode::nfnet, .gamma = kGammaSilu}),
       .input = {2, 3, 1, 4},
       .output = {2, 2, 1, 4},
       .state = {"weight", "gain"},
       .macs = 16 * 3},
  };
}};

const LayerCaseFile weight_norm_rows{[]() -> LayerCases {
  const Keys with_bias = {"bias", "parametrizations.weight.original0", "parametrizations.weight.original1"};
  return {
      {.layer = "Linear",
       .variant = "weight_norm",
       .make = weight_normed<Linear>(3, 4, LinearOptions{}, 0),
       .input = {2, 3},
       .output = {2, 4},
       .state = with_bias,
       .macs = 24},
      {.layer = "Conv2d",
       .variant = "weight_norm of the whole weight",
       .make = weight_normed<Conv2d>(4, 2, Conv2dOptions{.kernel_size = 2, .groups = 2, .bias = false}, std::nullopt),
       .input = {1, 4, 3, 5},
       .output = {1, 2, 2, 4},
       .state = {"parametrizations.weight.original0", "parametrizations.weight.original1"},
       .macs = 16 * 8},
      {.layer = "ConvTranspose2d",
       .variant = "weight_norm per output channel",
       .make = weight_normed<ConvTranspose2d>(2, 3, ConvTranspose2dOptions{.kernel_size = 2}, 1),
       .input = {5, 2, 1, 3},
       .output = {5, 3, 2, 4},
       .state = with_bias,
       .macs = 30 * 12},
  };
}};

const LayerCaseFile cross_iteration_rows{[]() -> LayerCases {
  return {
      {.layer = "CrossIterationConv2d",  // in the table without a window: cross_iteration_conv_test.cpp has it
       .make =
           [](Generator& g) {
             return std::make_unique<CrossIterationConv2d>(
                 2, 3, g, Conv2dOptions{.kernel_size = {3, 2}, .stride = 2, .bias = false},
                 CrossIterationOptions{.window = 1});
           },
       .input = {2, 2, 7, 5},
       .output = {2, 3, 3, 2},
       .printed = R"(CrossIterationConv2d(
  eps=1e-05, momentum=0.1, affine=True, window=1, burn_in=0
  (conv): Conv2d(2, 3, kernel_size=(3, 2), stride=(2, 2), bias=False)
))",
       .state = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked", "conv.weight"}},
  };
}};

}  // namespace
}  // namespace evenkeel::test
