#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/dropout.hpp"
#include "evenkeel/nn/flatten.hpp"
#include "evenkeel/nn/identity.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/pool.hpp"
#include "evenkeel/nn/squeeze_excitation.hpp"
#include "tests/support/layer_cases.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

/// For layers made without a generator.
LayerCases linear_rows() {
  return {
      {.layer = "Linear",
       .make = [](Generator& g) { return std::make_unique<Linear>(4, 3, g); },
       .input = {2, 4},
       .output = {2, 3},
       .printed = "Linear(in_features=4, out_features=3, bias=True)",
       .state = {"weight", "bias"},
       .macs = 24},
      {.layer = "Linear",
       .variant = "no bias, rank 3",
       .make = [](Generator& g) { return std::make_unique<Linear>(4, 5, g, LinearOptions{.bias = false}); },
       .input = {2, 3, 4},
       .output = {2, 3, 5},
       .printed = "Linear(in_features=4, out_features=5, bias=False)",
       .state = {"weight"},
       .macs = 120},
      {.layer = "Identity", .make = plain<Identity>(), .input = {2, 3}, .printed = "Identity()"},
      {.layer = "Flatten",
       .make = plain<Flatten>(),
       .input = {2, 3, 4},
       .output = {2, 12},
       .printed = "Flatten(start_dim=1, end_dim=-1)"},
      {.layer = "Flatten",
       .variant = "front",
       .make = plain<Flatten>(0, 1),
       .input = {2, 3, 4},
       .output = {6, 4},
       .printed = "Flatten(start_dim=0, end_dim=1)"},
      {.layer = "Sequential",
       .make =
           [](Generator& g) {
             auto net = std::make_unique<Sequential>();
             net->append<Linear>(4, 3, g).append<Tanh>();
             return net;
           },
       .input = {2, 4},
       .output = {2, 3},
       .printed = "Sequential(\n  (0): Linear(in_features=4, out_features=3, bias=True)\n  (1): Tanh()\n)",
       .state = {"0.weight", "0.bias"}},
      {.layer = "Sequential",
       .variant = "empty",
       .make = plain<Sequential>(),
       .input = {2, 3},
       .printed = "Sequential()"},
  };
}

LayerCases conv_rows() {
  return {
      {.layer = "Conv2d",
       .make =
           [](Generator& g) {
             return std::make_unique<Conv2d>(2, 3, g, Conv2dOptions{.kernel_size = 3, .padding = 1});
           },
       .input = {1, 2, 4, 5},
       .output = {1, 3, 4, 5},
       .printed = "Conv2d(2, 3, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
       .state = {"weight", "bias"},
       .macs = 60 * 18},
      {.layer = "Conv2d",
       .variant = "uneven",
       .make =
           [](Generator& g) {
             return std::make_unique<Conv2d>(4, 6, g,
                                             Conv2dOptions{.kernel_size = {3, 2},
                                                           .stride = {2, 1},
                                                           .padding = {1, 0},
                                                           .dilation = {1, 2},
                                                           .groups = 2,
                                                           .bias = false});
           },
       .input = {1, 4, 5, 3},
       .output = {1, 6, 3, 1},
       .printed = "Conv2d(4, 6, kernel_size=(3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2, "
                  "bias=False)",
       .state = {"weight"},
       .macs = 18 * 2 * 6},
      {.layer = "Conv2d",
       .variant = "same",
       .make =
           [](Generator& g) {
             return std::make_unique<Conv2d>(1, 2, g, Conv2dOptions{.kernel_size = 2, .padding = "same"});
           },
       .input = {2, 1, 3, 4},
       .output = {2, 2, 3, 4},
       .printed = "Conv2d(1, 2, kernel_size=(2, 2), stride=(1, 1), padding=same)",
       .state = {"weight", "bias"},
       .macs = 48 * 4},
      {.layer = "ConvTranspose2d",
       .make =
           [](Generator& g) {
             return std::make_unique<ConvTranspose2d>(
                 2, 3, g, ConvTranspose2dOptions{.kernel_size = 3, .stride = 2, .padding = 1, .output_padding = 1});
           },
       .input = {1, 2, 3, 2},
       .output = {1, 3, 6, 4},
       .printed = "ConvTranspose2d(2, 3, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), output_padding=(1, 1))",
       .state = {"weight", "bias"},
       .macs = 12 * 3 * 9},
      {.layer = "ConvTranspose2d",
       .variant = "groups",
       .make =
           [](Generator& g) {
             return std::make_unique<ConvTranspose2d>(4, 2, g,
                                                      ConvTranspose2dOptions{.kernel_size = {2, 1},
                                                                             .stride = {1, 2},
                                                                             .output_padding = {1, 0},
                                                                             .dilation = 2,
                                                                             .groups = 2,
                                                                             .bias = false});
           },
       .input = {1, 4, 3, 2},
       .output = {1, 2, 6, 3},
       .printed = "ConvTranspose2d(4, 2, kernel_size=(2, 1), stride=(1, 2), dilation=(2, 2), output_padding=(1, 0), "
                  "groups=2, bias=False)",
       .state = {"weight"},
       .macs = 24 * 1 * 2},
  };
}

LayerCases activation_rows() {
  const Shape shape = {2, 3, 4};
  const ActivationOptions inplace{.inplace = true};
  return {
      {.layer = "ReLU", .make = plain<ReLU>(), .input = shape, .printed = "ReLU()"},
      {.layer = "ReLU",
       .variant = "in place, behind Linear",
       .make =
           [inplace](Generator& g) {
             auto net = std::make_unique<Sequential>();
             net->append<Linear>(4, 3, g).append<ReLU>(inplace);
             return net;
           },
       .input = {2, 4},
       .output = {2, 3},
       .printed = "Sequential(\n  (0): Linear(in_features=4, out_features=3, bias=True)\n  (1): ReLU(inplace=True)\n)",
       .state = {"0.weight", "0.bias"}},
      {.layer = "SiLU", .make = plain<SiLU>(), .input = shape, .printed = "SiLU()"},
      {.layer = "SiLU",
       .variant = "in place, behind Linear",
       .make =
           [inplace](Generator& g) {
             auto net = std::make_unique<Sequential>();
             net->append<Linear>(4, 3, g).append<SiLU>(inplace);
             return net;
           },
       .input = {2, 4},
       .output = {2, 3},
       .printed = "Sequential(\n  (0): Linear(in_features=4, out_features=3, bias=True)\n  (1): SiLU(inplace=True)\n)",
       .state = {"0.weight", "0.bias"}},
      {.layer = "Sigmoid", .make = plain<Sigmoid>(), .input = shape, .printed = "Sigmoid()"},
      {.layer = "Tanh", .make = plain<Tanh>(), .input = shape, .printed = "Tanh()"},
      {.layer = "GELU", .make = plain<GELU>(), .input = shape, .printed = "GELU(approximate='none')"},
      {.layer = "GELU",
       .variant = "tanh",
       .make = plain<GELU>(GeluApproximation::tanh),
       .input = shape,
       .printed = "GELU(approximate='tanh')"},
      {.layer = "LeakyReLU", .make = plain<LeakyReLU>(), .input = shape, .printed = "LeakyReLU(negative_slope=0.01)"},
      {.layer = "LeakyReLU",
       .variant = "0.2",
       .make = plain<LeakyReLU>(0.2),
       .input = shape,
       .printed = "LeakyReLU(negative_slope=0.2)"},
      {.layer = "ELU", .make = plain<ELU>(), .input = shape, .printed = "ELU(alpha=1.0)"},
      {.layer = "ELU", .variant = "1.5", .make = plain<ELU>(1.5), .input = shape, .printed = "ELU(alpha=1.5)"},
      {.layer = "Hardswish", .make = plain<Hardswish>(), .input = shape, .printed = "Hardswish()", .range = 4.5},
      {.layer = "Softplus", .make = plain<Softplus>(), .input = shape, .printed = "Softplus(beta=1, threshold=20)"},
      {.layer = "Softplus",
       .variant = "both sides of the threshold",
       .make = plain<Softplus>(2.5, 3.0),
       .input = shape,
       .printed = "Softplus(beta=2.5, threshold=3)"},
      {.layer = "Softmax", .make = plain<Softmax>(1), .input = shape, .printed = "Softmax(dim=1)"},
      {.layer = "LogSoftmax", .make = plain<LogSoftmax>(-1), .input = shape, .printed = "LogSoftmax(dim=-1)"},
      {.layer = "Dropout",
       .make = [](Generator& g) { return std::make_unique<Dropout>(0.5, g); },
       .input = shape,
       .printed = "Dropout(p=0.5, inplace=False)"},
      {.layer = "Dropout2d",
       .make = [](Generator& g) { return std::make_unique<Dropout2d>(0.25, g); },
       .input = {2, 5, 3, 1},
       .printed = "Dropout2d(p=0.25, inplace=False)"},
  };
}

LayerCases pool_rows() {
  return {
      {.layer = "MaxPool2d",
       .make = plain<MaxPool2d>(2),
       .input = {1, 2, 5, 4},
       .output = {1, 2, 2, 2},
       .printed = "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"},
      {.layer = "MaxPool2d",
       .variant = "uneven",
       .make = plain<MaxPool2d>(MaxPool2dOptions{
           .kernel_size = {3, 2}, .stride = Size2(1, 2), .padding = 1, .dilation = 2, .ceil_mode = true}),
       .input = {1, 2, 5, 4},
       .output = {1, 2, 3, 3},
       .printed = "MaxPool2d(kernel_size=(3, 2), stride=(1, 2), padding=1, dilation=2, ceil_mode=True)"},
      {.layer = "AvgPool2d",
       .make = plain<AvgPool2d>(2),
       .input = {1, 2, 5, 4},
       .output = {1, 2, 2, 2},
       .printed = "AvgPool2d(kernel_size=2, stride=2, padding=0)"},
      {.layer = "AvgPool2d",
       .variant = "uneven",
       .make = plain<AvgPool2d>(
           AvgPool2dOptions{.kernel_size = {3, 2}, .stride = 1, .padding = {1, 0}, .count_include_pad = false}),
       .input = {1, 2, 5, 4},
       .output = {1, 2, 5, 3},
       .printed = "AvgPool2d(kernel_size=(3, 2), stride=1, padding=(1, 0))"},
      {.layer = "AdaptiveAvgPool2d",
       .make = plain<AdaptiveAvgPool2d>(1),
       .input = {2, 3, 5, 4},
       .output = {2, 3, 1, 1},
       .printed = "AdaptiveAvgPool2d(output_size=1)"},
      {.layer = "AdaptiveAvgPool2d",
       .variant = "(None, 3)",
       .make = plain<AdaptiveAvgPool2d>(Size2(0, 3)),
       .input = {1, 2, 4, 5},
       .output = {1, 2, 4, 3},
       .printed = "AdaptiveAvgPool2d(output_size=(None, 3))"},
      {.layer = "SqueezeExcitation",
       .make = [](Generator& g) { return std::make_unique<SqueezeExcitation>(6, g, SqueezeExcitationOptions{0.5}); },
       .input = {2, 6, 3, 1},
       .state = {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}},
  };
}

const LayerCaseFile linear_file{linear_rows};
const LayerCaseFile conv_file{conv_rows};
const LayerCaseFile activation_file{activation_rows};
const LayerCaseFile pool_file{pool_rows};

}  // namespace
}  // namespace evenkeel::test
