#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/norm/ghost_batch_norm.hpp"
#include "evenkeel/nn/norm/sync_batch_norm.hpp"
#include "tests/support/layer_cases.hpp"

namespace evenkeel::testing {
namespace {

using namespace evenkeel::nn;
using Keys = std::vector<std::string>;

const Keys kTracked = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"};
const Keys kBuffers = {"running_mean", "running_var", "num_batches_tracked"};
const Keys kFour = {"weight", "bias", "running_mean", "running_var"};

constexpr BatchRenormOptions kRenorm{.rmax = 1.5, .dmax = 0.6, .warmup_steps = 0};

BatchRenormOptions renorm(RenormStatistics statistics) {
  BatchRenormOptions options = kRenorm;
  options.statistics = statistics;
  return options;
}

/// With running statistics so far off (mean -3, deviation 0.1) that r and d of every channel are clipped: constants of
/// the gradient that do not move with x either, so that central differences know the same function.
/// batch_renorm_test.cpp checks the gradient without clipping.
template <class T>
std::function<std::unique_ptr<Layer>(Generator&)> far_off(std::int64_t channels, const BatchRenormOptions& options) {
  return [=](Generator&) {
    auto layer = std::make_unique<T>(channels, options);
    layer->running_mean.mutable_array().fill_(-3);
    layer->running_var.mutable_array().fill_(0.01);
    if (layer->renorm_mean.defined()) {
      layer->renorm_mean.mutable_array().fill_(-3);
      layer->renorm_stddev.mutable_array().fill_(0.1);
    }
    return layer;
  };
}

const LayerCaseFile batch_renorm_rows{[]() -> LayerCases {
  BatchRenormOptions bare = kRenorm;
  bare.affine = false;
  return {
      {.layer = "BatchRenorm1d",
       .make = far_off<BatchRenorm1d>(3, kRenorm),
       .input = {5, 3},
       .output = {5, 3},
       .printed = "BatchRenorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, rmax=1.5, "
                  "dmax=0.6, warmup_steps=0)",
       .state = kTracked},
      {.layer = "BatchRenorm1d",
       .variant = "(N, C, L), batch 1, unbiased",
       .make = far_off<BatchRenorm1d>(2, renorm(RenormStatistics::unbiased)),
       .input = {1, 2, 7},
       .output = {1, 2, 7},
       .printed = "BatchRenorm1d(2, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, rmax=1.5, "
                  "dmax=0.6, warmup_steps=0, statistics=unbiased)",
       .state = kTracked},
      {.layer = "BatchRenorm2d",
       .make = far_off<BatchRenorm2d>(3, kRenorm),
       .input = {2, 3, 5, 1},
       .output = {2, 3, 5, 1},
       .state = kTracked},
      {.layer = "BatchRenorm2d",
       .variant = "defaults: rmax and dmax near 1 and 0 in the first step",
       .make = far_off<BatchRenorm2d>(3, {}),
       .input = {5, 3, 1, 2},
       .output = {5, 3, 1, 2},
       .printed =
           "BatchRenorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, rmax=3.0, dmax=5.0, "
           "warmup_steps=5000)",
       .state = kTracked},
      {.layer = "BatchRenorm2d",
       .variant = "no affine, batch 1",
       .make = far_off<BatchRenorm2d>(2, bare),
       .input = {1, 2, 3, 4},
       .output = {1, 2, 3, 4},
       .state = kBuffers},
      {.layer = "BatchRenorm2d",
       .variant = "the paper's deviation",
       .make = far_off<BatchRenorm2d>(3, renorm(RenormStatistics::deviation)),
       .input = {2, 3, 4, 1},
       .output = {2, 3, 4, 1},
       .state = kTracked},
      {.layer = "BatchRenorm2d",
       .variant = "Keras's two sets of statistics",
       .make = far_off<BatchRenorm2d>(3, renorm(RenormStatistics::keras)),
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
