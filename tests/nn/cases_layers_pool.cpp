// Pools of one and three axes, adaptive maxima, power averages and Upsample.

#include "evenkeel/nn/pool.hpp"
#include "evenkeel/nn/upsample.hpp"
#include "tests/support/layer_cases.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

LayerCases window_rows() {
  return {
      {.layer = "MaxPool1d",
       .make = plain<MaxPool1d>(2),
       .input = {2, 3, 5},
       .output = {2, 3, 2},
       .printed = "MaxPool1d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"},
      {.layer = "MaxPool3d",
       .make = plain<MaxPool3d>(MaxPool3dOptions{.kernel_size = {1, 2, 3}, .stride = 1, .padding = {0, 1, 0}}),
       .input = {1, 2, 3, 4, 5},
       .output = {1, 2, 3, 5, 3},
       .printed = "MaxPool3d(kernel_size=(1, 2, 3), stride=1, padding=(0, 1, 0), dilation=1, ceil_mode=False)"},
      {.layer = "AvgPool1d",
       .make = plain<AvgPool1d>(2),
       .input = {2, 3, 5},
       .output = {2, 3, 2},
       .printed = "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))"},
      {.layer = "AvgPool3d",
       .make = plain<AvgPool3d>(AvgPool3dOptions{.padding = {1, 0, 1}, .ceil_mode = true, .count_include_pad = false}),
       .input = {1, 2, 3, 5, 4},
       .output = {1, 2, 2, 3, 3},
       .printed = "AvgPool3d(kernel_size=2, stride=2, padding=(1, 0, 1))"},
      {.layer = "LPPool1d",
       .make = plain<LPPool1d>(2.0, 3),
       .input = {2, 3, 7},
       .output = {2, 3, 2},
       .printed = "LPPool1d(norm_type=2, kernel_size=3, stride=None, ceil_mode=False)"},
      {.layer = "LPPool2d",
       .make = plain<LPPool2d>(LPPool2dOptions{.norm_type = 4, .kernel_size = {2, 3}, .stride = 1, .ceil_mode = true}),
       .input = {2, 1, 3, 4},
       .output = {2, 1, 2, 2},
       .printed = "LPPool2d(norm_type=4, kernel_size=(2, 3), stride=1, ceil_mode=True)"},
      {.layer = "LPPool3d",
       .make = plain<LPPool3d>(2.0, 2),
       .input = {1, 2, 2, 3, 4},
       .output = {1, 2, 1, 1, 2},
       .printed = "LPPool3d(norm_type=2, kernel_size=2, stride=None, ceil_mode=False)"},
  };
}

LayerCases adaptive_rows() {
  return {
      {.layer = "AdaptiveAvgPool1d",
       .make = plain<AdaptiveAvgPool1d>(3),
       .input = {2, 3, 5},
       .output = {2, 3, 3},
       .printed = "AdaptiveAvgPool1d(output_size=3)"},
      {.layer = "AdaptiveAvgPool3d",
       .make = plain<AdaptiveAvgPool3d>(SizeND<3>(1, 0, 2)),
       .input = {1, 2, 3, 4, 5},
       .output = {1, 2, 1, 4, 2},
       .printed = "AdaptiveAvgPool3d(output_size=(1, None, 2))"},
      {.layer = "AdaptiveMaxPool1d",
       .make = plain<AdaptiveMaxPool1d>(0),
       .input = {2, 3, 5},
       .printed = "AdaptiveMaxPool1d(output_size=None)"},
      {.layer = "AdaptiveMaxPool2d",
       .make = plain<AdaptiveMaxPool2d>(3),
       .input = {1, 2, 5, 4},
       .output = {1, 2, 3, 3},
       .printed = "AdaptiveMaxPool2d(output_size=3)"},
      {.layer = "AdaptiveMaxPool3d",
       .make = plain<AdaptiveMaxPool3d>(SizeND<3>(2, 1, 3)),
       .input = {1, 2, 3, 4, 5},
       .output = {1, 2, 2, 1, 3},
       .printed = "AdaptiveMaxPool3d(output_size=(2, 1, 3))"},
  };
}

LayerCases upsample_rows() {
  return {
      {.layer = "Upsample",
       .make = plain<Upsample>(InterpolateOptions{.size = {3, 5}}),
       .input = {1, 2, 2, 3},
       .output = {1, 2, 3, 5},
       .printed = "Upsample(size=(3, 5), mode='nearest')"},
      {.layer = "Upsample",
       .variant = "trilinear",
       .make = plain<Upsample>(InterpolateOptions{.scale_factor = {2}, .mode = Interpolation::trilinear}),
       .input = {1, 2, 1, 3, 2},
       .output = {1, 2, 2, 6, 4},
       .printed = "Upsample(scale_factor=2.0, mode='trilinear')"},
      {.layer = "Upsample",
       .variant = "one size",
       .make = plain<Upsample>(InterpolateOptions{.size = {4}, .mode = Interpolation::nearest_exact}),
       .input = {2, 3, 5},
       .output = {2, 3, 4},
       .printed = "Upsample(size=4, mode='nearest-exact')"},
      {.layer = "UpsamplingNearest2d",
       .make = plain<UpsamplingNearest2d>(UpsamplingOptions{.scale_factor = {2, 1.5}}),
       .input = {1, 2, 3, 4},
       .output = {1, 2, 6, 6},
       .printed = "UpsamplingNearest2d(scale_factor=(2.0, 1.5), mode='nearest')"},
      {.layer = "UpsamplingBilinear2d",
       .make = plain<UpsamplingBilinear2d>(UpsamplingOptions{.size = {4}}),
       .input = {1, 2, 3, 5},
       .output = {1, 2, 4, 4},
       .printed = "UpsamplingBilinear2d(size=4, mode='bilinear')"},
  };
}

const LayerCaseFile window_file{window_rows};
const LayerCaseFile adaptive_file{adaptive_rows};
const LayerCaseFile upsample_file{upsample_rows};

}  // namespace
}  // namespace evenkeel::test
