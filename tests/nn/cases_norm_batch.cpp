#include "nn/norm/batch_renorm.hpp"
#include "nn/norm/frozen_batch_norm.hpp"
#include "nn/norm/ghost_batch_norm.hpp"
#include "nn/norm/sync_batch_norm.hpp"
#include "tests/support/layer_cases.hpp"

namespace evenkeel::testing {
namespace {

using namespace evenkeel::nn;
using Keys = std::vector<std::string>;

template <class T, class... Args>
std::function<std::unique_ptr<Layer>(Generator&)> plain(Args... args) {
  return [args...](Generator&) { return std::make_unique<T>(args...); };
}

const Keys kTracked = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"};
const Keys kBuffers = {"running_mean", "running_var", "num_batches_tracked"};
const Keys kFour = {"weight", "bias", "running_mean", "running_var"};

/// Every channel of the rows' input is clipped in r and d: constants of the gradient that do not move with x either, so
/// that central differences know the same function. batch_renorm_test.cpp checks the gradient without clipping.
constexpr BatchRenormOptions kClipped{.rmax = 1.01, .dmax = 0.001, .warmup_steps = 0};

BatchRenormOptions clipped(RenormStatistics statistics) {
  BatchRenormOptions options = kClipped;
  options.statistics = statistics;
  return options;
}

const LayerCaseFile batch_renorm_rows{[]() -> LayerCases {
  BatchRenormOptions bare = kClipped;
  bare.affine = false;
  BatchRenormOptions untracked = kClipped;
  untracked.track_running_stats = false;
  return {
      {.layer = "BatchRenorm1d",
       .make = plain<BatchRenorm1d>(3, kClipped),
       .input = {5, 3},
       .output = {5, 3},
       .printed = "BatchRenorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, rmax=1.01, "
                  "dmax=0.001, warmup_steps=0)",
       .state = kTracked},
      {.layer = "BatchRenorm1d",
       .variant = "(N, C, L), batch 1, unbiased",
       .make = plain<BatchRenorm1d>(2, clipped(RenormStatistics::unbiased)),
       .input = {1, 2, 7},
       .output = {1, 2, 7},
       .printed = "BatchRenorm1d(2, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, rmax=1.01, "
                  "dmax=0.001, warmup_steps=0, statistics=unbiased)",
       .state = kTracked},
      {.layer = "BatchRenorm2d",
       .make = plain<BatchRenorm2d>(3, kClipped),
       .input = {2, 3, 5, 1},
       .output = {2, 3, 5, 1},
       .state = kTracked},
      {.layer = "BatchRenorm2d",
       .variant = "defaults: rmax and dmax near 1 and 0 in the first step",
       .make = plain<BatchRenorm2d>(3),
       .input = {5, 3, 1, 2},
       .output = {5, 3, 1, 2},
       .printed =
           "BatchRenorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, rmax=3.0, dmax=5.0, "
           "warmup_steps=5000)",
       .state = kTracked},
      {.layer = "BatchRenorm2d",
       .variant = "no affine, batch 1",
       .make = plain<BatchRenorm2d>(2, bare),
       .input = {1, 2, 3, 4},
       .output = {1, 2, 3, 4},
       .state = kBuffers},
      {.layer = "BatchRenorm2d",
       .variant = "the paper's deviation",
       .make = plain<BatchRenorm2d>(3, clipped(RenormStatistics::deviation)),
       .input = {2, 3, 4, 1},
       .output = {2, 3, 4, 1},
       .state = kTracked},
      {.layer = "BatchRenorm2d",
       .variant = "Keras's two sets of statistics",
       .make = plain<BatchRenorm2d>(3, clipped(RenormStatistics::keras)),
       .input = {2, 3, 1, 4},
       .output = {2, 3, 1, 4},
       .state = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked", "renorm_mean",
                 "renorm_stddev"}},
  };
}};

const LayerCaseFile frozen_rows{[]() -> LayerCases {
  return {
      {.layer = "FrozenBatchNorm",
       .make = plain<FrozenBatchNorm>(3, FrozenBatchNormOptions{.eps = 0.1}),
       .input = {2, 3, 1, 4, 2},
       .output = {2, 3, 1, 4, 2},
       .printed = "FrozenBatchNorm(3, eps=0.1)",
       .state = kFour},
      {.layer = "FrozenBatchNorm1d",
       .make = plain<FrozenBatchNorm1d>(3),
       .input = {1, 3},
       .output = {1, 3},
       .printed = "FrozenBatchNorm1d(3, eps=1e-05)",
       .state = kFour},
      {.layer = "FrozenBatchNorm2d",
       .make = plain<FrozenBatchNorm2d>(3),
       .input = {2, 3, 4, 1},
       .output = {2, 3, 4, 1},
       .printed = "FrozenBatchNorm2d(3, eps=1e-05)",
       .state = kFour},
      {.layer = "FrozenBatchNorm3d",
       .make = plain<FrozenBatchNorm3d>(2),
       .input = {1, 2, 3, 1, 4},
       .output = {1, 2, 3, 1, 4},
       .state = kFour},
  };
}};

const LayerCaseFile sync_and_ghost_rows{[]() -> LayerCases {
  return {
      {.layer = "SyncBatchNorm",
       .variant = "alone",
       .make = plain<SyncBatchNorm>(3),
       .input = {2, 3, 5, 1},
       .output = {2, 3, 5, 1},
       .printed = "SyncBatchNorm(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
       .state = kTracked},
      {.layer = "SyncBatchNorm",
       .variant = "alone, (N, C), no affine",
       .make = plain<SyncBatchNorm>(2, BatchNormOptions{.affine = false}),
       .input = {5, 2},
       .output = {5, 2},
       .state = kBuffers},
      {.layer = "GhostBatchNorm",
       .make = plain<GhostBatchNorm>(3, GhostBatchNormOptions{.virtual_batch_size = 2}),
       .input = {4, 3, 2, 1},
       .output = {4, 3, 2, 1},
       .printed = "GhostBatchNorm(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, "
                  "virtual_batch_size=2)",
       .state = kTracked},
      {.layer = "GhostBatchNorm",
       .variant = "a smaller last one, no running statistics",
       .make = plain<GhostBatchNorm>(2, GhostBatchNormOptions{.track_running_stats = false, .virtual_batch_size = 3}),
       .input = {5, 2, 4},
       .output = {5, 2, 4},
       .state = {"weight", "bias"}},
      {.layer = "GhostBatchNorm",
       .variant = "(N, C), no affine, one ghost batch",
       .make = plain<GhostBatchNorm>(3, GhostBatchNormOptions{.affine = false}),
       .input = {5, 3},
       .output = {5, 3},
       .state = kBuffers},
  };
}};

}  // namespace
}  // namespace evenkeel::testing
