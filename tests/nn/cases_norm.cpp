#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "tests/support/layer_cases.hpp"

namespace evenkeel::testing {
namespace {

using namespace evenkeel::nn;

const std::vector<std::string> kBatchNormState = {"weight", "bias", "running_mean", "running_var",
                                                  "num_batches_tracked"};

const LayerCaseFile norm_rows{[]() -> LayerCases {
  return {
      {.layer = "BatchNorm1d",
       .make = plain<BatchNorm1d>(3),
       .input = {5, 3},
       .output = {5, 3},
       .printed = "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
       .state = kBatchNormState},
      {.layer = "BatchNorm1d",
       .variant = "(N, C, L), cumulative average",
       .make = plain<BatchNorm1d>(3, BatchNormOptions{.eps = 0.01, .momentum = std::nullopt}),
       .input = {2, 3, 4},
       .output = {2, 3, 4},
       .printed = "BatchNorm1d(3, eps=0.01, momentum=None, affine=True, track_running_stats=True)",
       .state = kBatchNormState},
      {.layer = "BatchNorm2d",
       .make = plain<BatchNorm2d>(2),
       .input = {4, 2, 3, 5},
       .output = {4, 2, 3, 5},
       .printed = "BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
       .state = kBatchNormState},
      {.layer = "BatchNorm2d",
       .variant = "no affine",
       .make = plain<BatchNorm2d>(3, BatchNormOptions{.affine = false}),
       .input = {2, 3, 4, 1},
       .output = {2, 3, 4, 1},
       .printed = "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=False, track_running_stats=True)",
       .state = {"running_mean", "running_var", "num_batches_tracked"}},
      {.layer = "BatchNorm2d",
       .variant = "no running statistics",
       .make = plain<BatchNorm2d>(3, BatchNormOptions{.track_running_stats = false}),
       .input = {1, 3, 4, 2},
       .output = {1, 3, 4, 2},
       .printed = "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=False)",
       .state = {"weight", "bias"}},
      {.layer = "BatchNorm3d",
       .make = plain<BatchNorm3d>(3, BatchNormOptions{.momentum = 0.25}),
       .input = {2, 3, 1, 2, 4},
       .output = {2, 3, 1, 2, 4},
       .printed = "BatchNorm3d(3, eps=1e-05, momentum=0.25, affine=True, track_running_stats=True)",
       .state = kBatchNormState},
      {.layer = "GroupNorm",
       .make = plain<GroupNorm>(2, 6),
       .input = {3, 6, 1, 4},
       .output = {3, 6, 1, 4},
       .printed = "GroupNorm(2, 6, eps=1e-05, affine=True)",
       .state = {"weight", "bias"}},
      {.layer = "GroupNorm",
       .variant = "2-D",
       .make = plain<GroupNorm>(2, 10, GroupNormOptions{.eps = 0.1}),
       .input = {3, 10},
       .output = {3, 10},
       .printed = "GroupNorm(2, 10, eps=0.1, affine=True)",
       .state = {"weight", "bias"}},
      {.layer = "GroupNorm",
       .variant = "5-D, no affine, batch 1",
       .make = plain<GroupNorm>(3, 6, GroupNormOptions{.affine = false}),
       .input = {1, 6, 2, 1, 3},
       .output = {1, 6, 2, 1, 3},
       .printed = "GroupNorm(3, 6, eps=1e-05, affine=False)"},
  };
}};

}  // namespace
}  // namespace evenkeel::testing
