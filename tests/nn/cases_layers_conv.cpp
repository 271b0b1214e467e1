// Convolutions over lines and volumes and with every padding_mode, padding layers, Unfold and Fold.

#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/pad.hpp"
#include "evenkeel/nn/unfold.hpp"
#include "tests/support/layer_cases.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

template <class T>
auto drawn(std::int64_t in, std::int64_t out, const typename T::Options& options) {
  return [=](Generator& g) { return std::make_unique<T>(in, out, g, options); };
}

LayerCases conv_rows() {
  return {
      {.layer = "Conv1d",
       .make = drawn<Conv1d>(2, 4, {.kernel_size = 3, .stride = 2, .padding = 1, .dilation = 2}),
       .input = {3, 2, 7},
       .output = {3, 4, 3},
       .printed = "Conv1d(2, 4, kernel_size=(3,), stride=(2,), padding=(1,), dilation=(2,))",
       .state = {"weight", "bias"},
       .macs = 36 * 2 * 3},
      {.layer = "Conv2d",
       .variant = "circular",
       .make = drawn<Conv2d>(
           2, 4, {.kernel_size = 3, .padding = 1, .groups = 2, .bias = false, .padding_mode = PadMode::circular}),
       .input = {1, 2, 3, 4},
       .output = {1, 4, 3, 4},
       .printed = "Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), groups=2, bias=False, "
                  "padding_mode=circular)",
       .state = {"weight"},
       .macs = 48 * 9},
      {.layer = "Conv3d",
       .make = drawn<Conv3d>(2, 3, {.kernel_size = {1, 2, 3}, .padding = "same", .padding_mode = PadMode::reflect}),
       .input = {1, 2, 3, 2, 4},
       .output = {1, 3, 3, 2, 4},
       .printed = "Conv3d(2, 3, kernel_size=(1, 2, 3), stride=(1, 1, 1), padding=same, padding_mode=reflect)",
       .state = {"weight", "bias"},
       .macs = 72 * 2 * 6},
      {.layer = "ConvTranspose1d",
       .make = drawn<ConvTranspose1d>(2, 4, {.kernel_size = 3, .stride = 2, .output_padding = 1}),
       .input = {3, 2, 5},
       .output = {3, 4, 12},
       .printed = "ConvTranspose1d(2, 4, kernel_size=(3,), stride=(2,), output_padding=(1,))",
       .state = {"weight", "bias"},
       .macs = 30 * 4 * 3},
      {.layer = "ConvTranspose3d",
       .make = drawn<ConvTranspose3d>(2, 4,
                                      {.kernel_size = {2, 1, 3},
                                       .stride = {1, 2, 1},
                                       .padding = {1, 0, 0},
                                       .output_padding = {0, 1, 0},
                                       .groups = 2,
                                       .bias = false}),
       .input = {1, 2, 3, 2, 1},
       .output = {1, 4, 2, 4, 3},
       .printed = "ConvTranspose3d(2, 4, kernel_size=(2, 1, 3), stride=(1, 2, 1), padding=(1, 0, 0), "
                  "output_padding=(0, 1, 0), groups=2, bias=False)",
       .state = {"weight"},
       .macs = 12 * 2 * 6},
      {.layer = "Unfold",
       .make = plain<Unfold>(UnfoldOptions{.kernel_size = {2, 3}, .dilation = 2, .padding = {1, 0}}),
       .input = {2, 1, 3, 5},
       .output = {2, 6, 3},
       .printed = "Unfold(kernel_size=(2, 3), dilation=2, padding=(1, 0), stride=1)"},
      {.layer = "Fold",
       .make = plain<Fold>(Size2(4, 5), UnfoldOptions{.kernel_size = {2, 3}, .stride = 2}),
       .input = {2, 6, 4},
       .output = {2, 1, 4, 5},
       .printed = "Fold(output_size=(4, 5), kernel_size=(2, 3), dilation=1, padding=0, stride=2)"},
  };
}

/// All classes of a mode, padded by 1 on every side.
template <template <int> class Pad, class... Value>
LayerCases pad_rows(const std::string& name, const std::string& before, const std::string& after, Value... value) {
  return {
      {.layer = name + "1d",
       .make = plain<Pad<1>>(1, value...),
       .input = {2, 3, 4},
       .output = {2, 3, 6},
       .printed = name + "1d(" + before + "(1, 1)" + after + ")"},
      {.layer = name + "2d",
       .make = plain<Pad<2>>(SizeND<4>(1, 0, 2, 1), value...),
       .input = {1, 2, 3, 2},
       .output = {1, 2, 6, 3},
       .printed = name + "2d(" + before + "(1, 0, 2, 1)" + after + ")"},
      {.layer = name + "3d",
       .make = plain<Pad<3>>(SizeND<6>(0, 1, 1, 2, 1, 0), value...),
       .input = {2, 1, 2, 3, 2},
       .output = {2, 1, 3, 6, 3},
       .printed = name + "3d(" + before + "(0, 1, 1, 2, 1, 0)" + after + ")"},
  };
}

const LayerCaseFile conv_file{conv_rows};
const LayerCaseFile constant_file{[] { return pad_rows<ConstantPad>("ConstantPad", "padding=", ", value=2.5", 2.5); }};
const LayerCaseFile zero_file{[] { return pad_rows<ZeroPad>("ZeroPad", "", ""); }};
const LayerCaseFile reflection_file{[] { return pad_rows<ReflectionPad>("ReflectionPad", "", ""); }};
const LayerCaseFile replication_file{[] { return pad_rows<ReplicationPad>("ReplicationPad", "", ""); }};
const LayerCaseFile circular_file{[] { return pad_rows<CircularPad>("CircularPad", "", ""); }};

}  // namespace
}  // namespace evenkeel::test
