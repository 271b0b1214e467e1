// The batch norms: what they are (traits) and their layers.

#include "evenkeel/nn/norm/batch_channel_norm.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/nn/norm/domain_batch_norm.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/norm/ghost_batch_norm.hpp"
#include "evenkeel/nn/norm/sync_batch_norm.hpp"
#include "tests/support/layer_cases.hpp"
#include "tests/support/norm_traits.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using Keys = std::vector<std::string>;

const NormTraitsFile traits{{
    {.name = "bn",
     .momentum = true,
     .images_only = true,
     .single_value = SingleValue::refused_in_training,
     .of_batch = true,
     .ignores = Ignores::scale_and_shift,
     .fuses = true,
     .central = true},
    {.name = "sync_bn",
     .momentum = true,
     .single_value = SingleValue::refused_in_training,
     .of_batch = true,
     .ignores = Ignores::scale_and_shift,
     .fuses = true},
    {.name = "ghost_bn",
     .momentum = true,
     .single_value = SingleValue::refused_in_training,
     .of_batch = true,
     .ignores = Ignores::scale_and_shift,
     .fuses = true},
    {.name = "brn",
     .momentum = true,
     .images_only = true,
     .single_value = SingleValue::refused_in_training,
     .of_batch = true,
     .fuses = true},
    {.name = "frozen_bn", .images_only = true, .fuses = true},
    {.name = "bcn",
     .momentum = true,
     .num_groups = true,
     .single_value = SingleValue::refused,
     .of_batch = true,
     .fuses = true,
     .is_function = false},
}};

const Keys kTracked = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"};
const Keys kBuffers = {"running_mean", "running_var", "num_batches_tracked"};
const Keys kFour = {"weight", "bias", "running_mean", "running_var"};

const LayerCaseFile batch_norm_rows{[]() -> LayerCases {
  return {
      {.layer = "BatchNorm1d",
       .make = plain<BatchNorm1d>(3),
       .input = {5, 3},
       .printed = "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
       .state = kTracked},
      {.layer = "BatchNorm1d",
       .variant = "(N, C, L), cumulative average",
       .make = plain<BatchNorm1d>(3, BatchNormOptions{.eps = 0.01, .momentum = std::nullopt}),
       .input = {2, 3, 4},
       .printed = "BatchNorm1d(3, eps=0.01, momentum=None, affine=True, track_running_stats=True)",
       .state = kTracked},
      {.layer = "BatchNorm2d",
       .make = plain<BatchNorm2d>(2),
       .input = {4, 2, 3, 5},
       .printed = "BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
       .state = kTracked},
      {.layer = "BatchNorm2d",
       .variant = "no affine",
       .make = plain<BatchNorm2d>(3, BatchNormOptions{.affine = false}),
       .input = {2, 3, 4, 1},
       .printed = "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=False, track_running_stats=True)",
       .state = {"running_mean", "running_var", "num_batches_tracked"}},
      {.layer = "BatchNorm2d",
       .variant = "no running statistics",
       .make = plain<BatchNorm2d>(3, BatchNormOptions{.track_running_stats = false}),
       .input = {1, 3, 4, 2},
       .printed = "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=False)",
       .state = {"weight", "bias"}},
      {.layer = "BatchNorm3d",
       .make = plain<BatchNorm3d>(3, BatchNormOptions{.momentum = 0.25}),
       .input = {2, 3, 1, 2, 4},
       .printed = "BatchNorm3d(3, eps=1e-05, momentum=0.25, affine=True, track_running_stats=True)",
       .state = kTracked},
  };
}};

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
       .printed = "BatchRenorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, rmax=1.5, "
                  "dmax=0.6, warmup_steps=0)",
       .state = kTracked},
      {.layer = "BatchRenorm1d",
       .variant = "(N, C, L), batch 1, unbiased",
       .make = far_off<BatchRenorm1d>(2, renorm(RenormStatistics::unbiased)),
       .input = {1, 2, 7},
       .printed = "BatchRenorm1d(2, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, rmax=1.5, "
                  "dmax=0.6, warmup_steps=0, statistics=unbiased)",
       .state = kTracked},
      {.layer = "BatchRenorm2d", .make = far_off<BatchRenorm2d>(3, kRenorm), .input = {2, 3, 5, 1}, .state = kTracked},
      {.layer = "BatchRenorm2d",
       .variant = "defaults: rmax and dmax near 1 and 0 in the first step",
       .make = far_off<BatchRenorm2d>(3, {}),
       .input = {5, 3, 1, 2},
       .printed =
           "BatchRenorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, rmax=3.0, dmax=5.0, "
           "warmup_steps=5000)",
       .state = kTracked},
      {.layer = "BatchRenorm2d",
       .variant = "no affine, batch 1",
       .make = far_off<BatchRenorm2d>(2, bare),
       .input = {1, 2, 3, 4},
       .state = kBuffers},
      {.layer = "BatchRenorm2d",
       .variant = "the paper's deviation",
       .make = far_off<BatchRenorm2d>(3, renorm(RenormStatistics::deviation)),
       .input = {2, 3, 4, 1},
       .state = kTracked},
      {.layer = "BatchRenorm2d",
       .variant = "Keras's two sets of statistics",
       .make = far_off<BatchRenorm2d>(3, renorm(RenormStatistics::keras)),
       .input = {2, 3, 1, 4},
       .state = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked", "renorm_mean",
                 "renorm_stddev"}},
  };
}};

const LayerCaseFile frozen_rows{[]() -> LayerCases {
  return {
      {.layer = "FrozenBatchNorm",
       .make = plain<FrozenBatchNorm>(3, FrozenBatchNormOptions{.eps = 0.1}),
       .input = {2, 3, 1, 4, 2},
       .printed = "FrozenBatchNorm(3, eps=0.1)",
       .state = kFour},
      {.layer = "FrozenBatchNorm1d",
       .make = plain<FrozenBatchNorm1d>(3),
       .input = {1, 3},
       .printed = "FrozenBatchNorm1d(3, eps=1e-05)",
       .state = kFour},
      {.layer = "FrozenBatchNorm2d",
       .make = plain<FrozenBatchNorm2d>(3),
       .input = {2, 3, 4, 1},
       .printed = "FrozenBatchNorm2d(3, eps=1e-05)",
       .state = kFour},
      {.layer = "FrozenBatchNorm3d", .make = plain<FrozenBatchNorm3d>(2), .input = {1, 2, 3, 1, 4}, .state = kFour},
  };
}};

const LayerCaseFile sync_and_ghost_rows{[]() -> LayerCases {
  return {
      {.layer = "SyncBatchNorm",
       .variant = "alone",
       .make = plain<SyncBatchNorm>(3),
       .input = {2, 3, 5, 1},
       .printed = "SyncBatchNorm(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
       .state = kTracked},
      {.layer = "SyncBatchNorm",
       .variant = "alone, (N, C), no affine",
       .make = plain<SyncBatchNorm>(2, BatchNormOptions{.affine = false}),
       .input = {5, 2},
       .state = kBuffers},
      {.layer = "GhostBatchNorm",
       .make = plain<GhostBatchNorm>(3, GhostBatchNormOptions{.virtual_batch_size = 2}),
       .input = {4, 3, 2, 1},
       .printed = "GhostBatchNorm(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, "
                  "virtual_batch_size=2)",
       .state = kTracked},
      {.layer = "GhostBatchNorm",
       .variant = "a smaller last one, no running statistics",
       .make = plain<GhostBatchNorm>(2, GhostBatchNormOptions{.track_running_stats = false, .virtual_batch_size = 3}),
       .input = {5, 2, 4},
       .state = {"weight", "bias"}},
      {.layer = "GhostBatchNorm",
       .variant = "(N, C), no affine, one ghost batch",
       .make = plain<GhostBatchNorm>(3, GhostBatchNormOptions{.affine = false}),
       .input = {5, 3},
       .state = kBuffers},
  };
}};

// Training of EstimatedBatchNorm has the derivative of a constant statistic, so differences need one: momentum 0.
const LayerCaseFile batch_channel_norm_rows{[]() -> LayerCases {
  const Keys estimated = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked", "estbn_moving_speed"};
  const Keys all = {"weight",
                    "bias",
                    "bn.weight",
                    "bn.bias",
                    "bn.running_mean",
                    "bn.running_var",
                    "bn.num_batches_tracked",
                    "bn.estbn_moving_speed"};
  return {
      {.layer = "EstimatedBatchNorm",
       .make = plain<EstimatedBatchNorm>(3, EstimatedBatchNormOptions{.eps = 0.5, .momentum = 0}),
       .input = {2, 3, 5, 4},
       .printed = "EstimatedBatchNorm(3, eps=0.5, momentum=0.0, affine=True, track_running_stats=True)",
       .state = estimated},
      {.layer = "EstimatedBatchNorm",
       .variant = "2-D, batch 1, no affine",
       .make = plain<EstimatedBatchNorm>(4, EstimatedBatchNormOptions{.momentum = 0, .affine = false}),
       .input = {1, 4},
       .state = {"running_mean", "running_var", "num_batches_tracked", "estbn_moving_speed"}},
      {.layer = "BatchChannelNorm",
       .make = plain<BatchChannelNorm>(3, 6, BatchChannelNormOptions{.momentum = 0}),
       .input = {2, 6, 3, 5},
       .printed = "BatchChannelNorm(\n  3, 6, eps=1e-05, affine=True\n  (bn): EstimatedBatchNorm(6, eps=1e-05, "
                  "momentum=0.0, affine=True, track_running_stats=True)\n)",
       .state = all},
      {.layer = "BatchChannelNorm",
       .variant = "3-D, batch 5, one group, no affine",
       .make = plain<BatchChannelNorm>(1, 3, BatchChannelNormOptions{.eps = 0.1, .momentum = 0, .affine = false}),
       .input = {5, 3, 2},
       .state = {"bn.running_mean", "bn.running_var", "bn.num_batches_tracked", "bn.estbn_moving_speed"}},
      {.layer = "BatchChannelNorm",
       .variant = "BatchNorm2d, a group per channel, batch 1",
       .make = plain<BatchChannelNorm>(2, 2, BatchChannelNormOptions{.estimate = false}),
       .input = {1, 2, 3, 4},
       .state = {"weight", "bias", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var",
                 "bn.num_batches_tracked"}},
  };
}};

const LayerCaseFile domain_rows{[]() -> LayerCases {
  return {
      {.layer = "DomainBatchNorm2d",
       .make = plain<DomainBatchNorm2d>(2, 3),
       .input = {2, 3, 5, 4},
       .state = {"weight", "bias", "0.running_mean", "0.running_var", "0.num_batches_tracked", "1.running_mean",
                 "1.running_var", "1.num_batches_tracked"}},
  };
}};

}  // namespace
}  // namespace evenkeel::test
