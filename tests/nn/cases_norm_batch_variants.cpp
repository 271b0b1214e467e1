// Norms with statistics of the batch that are no BatchNorm: what they are (traits) and their layers.

#include "evenkeel/nn/norm/act_norm.hpp"
#include "evenkeel/nn/norm/batch_group_norm.hpp"
#include "evenkeel/nn/norm/evo_norm.hpp"
#include "evenkeel/nn/norm/extended_batch_norm.hpp"
#include "evenkeel/nn/norm/ibn.hpp"
#include "evenkeel/nn/norm/iter_norm.hpp"
#include "evenkeel/nn/norm/power_norm.hpp"
#include "evenkeel/nn/norm/switchable_norm.hpp"
#include "tests/support/layer_cases.hpp"
#include "tests/support/norm_traits.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using Keys = std::vector<std::string>;

const NormTraitsFile traits{{
    {.name = "bgn",
     .momentum = true,
     .num_groups = true,
     .single_value = SingleValue::refused_in_training,
     .of_batch = true,
     .ignores = Ignores::scale_and_shift,
     .fuses = true},
    {.name = "ebn",
     .momentum = true,
     .single_value = SingleValue::refused_in_training,
     .of_batch = true,
     .ignores = Ignores::scale_and_shift},
    {.name = "evonorm_b0",
     .momentum = true,
     .images_only = true,
     .single_value = SingleValue::refused_in_training,
     .of_batch = true,
     .ignores = Ignores::scale},
    {.name = "pn", .momentum = true, .of_batch = true, .ignores = Ignores::scale},
    {.name = "sn",
     .momentum = true,
     .images_only = true,
     .single_value = SingleValue::refused_in_training,
     .of_batch = true,
     .ignores = Ignores::scale_and_shift},
    {.name = "ibn",
     .momentum = true,
     .images_only = true,
     .single_value = SingleValue::refused,
     .of_batch = true,
     .ignores = Ignores::scale_and_shift},
    {.name = "iternorm",
     .momentum = true,
     .num_groups = true,
     .single_value = SingleValue::refused_in_training,
     .of_batch = true,
     .ignores = Ignores::scale_and_shift},
    {.name = "actnorm",
     .single_value = SingleValue::refused_in_training,
     .of_batch = true,
     .ignores = Ignores::scale_and_shift,
     .far_off = 1e-2},
}};

const Keys kTracked = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"};

const LayerCaseFile evo_norm_rows{[]() -> LayerCases {
  return {
      {.layer = "EvoNormB0",
       .make = plain<EvoNormB0>(3),
       .input = {5, 3, 2, 4},
       .printed = "EvoNormB0(3, eps=0.001, momentum=0.1, affine=True)",
       .state = {"weight", "bias", "v", "running_var", "num_batches_tracked"}},
      {.layer = "EvoNormB0",
       .variant = "batch 1, no affine, cumulative average",
       .make = plain<EvoNormB0>(2, EvoNormB0Options{.eps = 0.1, .momentum = std::nullopt, .affine = false}),
       .input = {1, 2, 5, 3},
       .printed = "EvoNormB0(2, eps=0.1, momentum=None, affine=False)",
       .state = {"v", "running_var", "num_batches_tracked"}},
  };
}};

const Keys kPowerState = {"weight", "bias", "running_phi", "running_nu", "num_batches_tracked"};
const Keys kSwitchableState = {"weight",       "bias",        "mean_weight",        "var_weight",
                               "running_mean", "running_var", "num_batches_tracked"};

const LayerCaseFile switchable_norm_rows{[]() -> LayerCases {
  return {
      {.layer = "SwitchableNorm2d",
       .make = plain<SwitchableNorm2d>(3),
       .input = {2, 3, 5, 4},
       .printed = "SwitchableNorm2d(3, eps=1e-05, momentum=0.1, affine=True)",
       .state = kSwitchableState},
      {.layer = "SwitchableNorm2d",
       .variant = "unbiased, no affine",
       .make = plain<SwitchableNorm2d>(
           2, SwitchableNormOptions{.eps = 0.02, .momentum = std::nullopt, .affine = false, .unbiased = true}),
       .input = {5, 2, 1, 3},
       .printed = "SwitchableNorm2d(2, eps=0.02, momentum=None, affine=False, unbiased=True)",
       .state = {"mean_weight", "var_weight", "running_mean", "running_var", "num_batches_tracked"}},
      {.layer = "SwitchableNorm2d",
       .variant = "batch 1",
       .make = plain<SwitchableNorm2d>(4, SwitchableNormOptions{.eps = 0.1, .momentum = 1.0}),
       .input = {1, 4, 3, 2},
       .printed = "SwitchableNorm2d(4, eps=0.1, momentum=1.0, affine=True)",
       .state = kSwitchableState},
  };
}};

const LayerCaseFile power_norm_rows{[]() -> LayerCases {
  return {
      {.layer = "PowerNorm",
       .make = plain<PowerNorm>(3),
       .input = {2, 3, 5, 4},
       .printed = "PowerNorm(3, eps=1e-05, momentum=0.1, affine=True, warmup_steps=10000)",
       .state = kPowerState},
      {.layer = "PowerNorm",
       .variant = "2-D, no affine, batch 5",
       .make = plain<PowerNorm>(4, PowerNormOptions{.momentum = std::nullopt, .affine = false, .warmup_steps = 50}),
       .input = {5, 4},
       .printed = "PowerNorm(4, eps=1e-05, momentum=None, affine=False, warmup_steps=50)",
       .state = {"running_phi", "running_nu", "num_batches_tracked"}},
      {.layer = "PowerNorm",
       .variant = "5-D, batch 1",
       .make = plain<PowerNorm>(2, PowerNormOptions{.eps = 0.1}),
       .input = {1, 2, 3, 1, 4},
       .printed = "PowerNorm(2, eps=0.1, momentum=0.1, affine=True, warmup_steps=10000)",
       .state = kPowerState},
  };
}};

const LayerCaseFile batch_variant_rows{[]() -> LayerCases {
  return {
      {.layer = "ExtendedBatchNorm",
       .make = plain<ExtendedBatchNorm>(3),
       .input = {2, 3, 5, 4},
       .printed = "ExtendedBatchNorm(3, eps=1e-05, momentum=0.1, affine=True)",
       .state = kTracked},
      {.layer = "ExtendedBatchNorm",
       .variant = "2-D, no affine",
       .make =
           plain<ExtendedBatchNorm>(4, ExtendedBatchNormOptions{.eps = 0.1, .momentum = std::nullopt, .affine = false}),
       .input = {5, 4},
       .printed = "ExtendedBatchNorm(4, eps=0.1, momentum=None, affine=False)",
       .state = {"running_mean", "running_var", "num_batches_tracked"}},
      {.layer = "ExtendedBatchNorm",
       .variant = "5-D, batch 1",
       .make = plain<ExtendedBatchNorm>(2),
       .input = {1, 2, 3, 1, 4},
       .state = kTracked},
      {.layer = "BatchGroupNorm",
       .make = plain<BatchGroupNorm>(6, BatchGroupNormOptions{.num_groups = 3}),
       .input = {2, 6, 3, 4},
       .printed = "BatchGroupNorm(6, groups=3, eps=1e-05, momentum=0.1, affine=True)",
       .state = kTracked},
      {.layer = "BatchGroupNorm",
       .variant = "2-D, no affine, one group",
       .make = plain<BatchGroupNorm>(3, BatchGroupNormOptions{.eps = 0.1, .momentum = std::nullopt, .affine = false}),
       .input = {5, 3},
       .printed = "BatchGroupNorm(3, groups=1, eps=0.1, momentum=None, affine=False)",
       .state = {"running_mean", "running_var", "num_batches_tracked"}},
      {.layer = "BatchGroupNorm",
       .variant = "5-D, batch 1",
       .make = plain<BatchGroupNorm>(4),
       .input = {1, 4, 3, 1, 2},
       .state = kTracked},
  };
}};

/// Past its first batch, whose statistics would overwrite the parameters.
std::unique_ptr<Layer> started_act_norm(std::int64_t channels, const Shape& shape) {
  auto layer = std::make_unique<ActNorm>(channels);
  Generator generator(3);
  layer->forward(randn(shape, generator));
  return layer;
}

const LayerCaseFile further_rows{[]() -> LayerCases {
  return {
      {.layer = "ActNorm",
       .make =
           [](Generator&) {
             return started_act_norm(3, {2, 3, 5, 4});
           },
       .input = {2, 3, 5, 4},
       .printed = "ActNorm(3, eps=1e-06)",
       .state = {"weight", "bias", "initialized"}},
      {.layer = "ActNorm",
       .variant = "2-D",
       .make =
           [](Generator&) {
             return started_act_norm(4, {5, 4});
           },
       .input = {5, 4},
       .state = {"weight", "bias", "initialized"}},
      {.layer = "IBN",
       .make = plain<IBN>(5),
       .input = {2, 5, 3, 4},
       .printed = R"(IBN(
  5, ratio=0.5
  (IN): InstanceNorm2d(2, eps=1e-05, momentum=0.1, affine=True, track_running_stats=False)
  (BN): BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
))",
       .state = {"IN.weight", "IN.bias", "BN.weight", "BN.bias", "BN.running_mean", "BN.running_var",
                 "BN.num_batches_tracked"}},
      {.layer = "IBN",
       .variant = "batch 1, no affine",
       .make = plain<IBN>(4, IBNOptions{.ratio = 0.25, .eps = 0.1, .affine = false}),
       .input = {1, 4, 3, 2},
       .state = {"BN.running_mean", "BN.running_var", "BN.num_batches_tracked"}},
      {.layer = "IterNorm",
       .make = plain<IterNorm>(4),
       .input = {3, 4, 5, 2},
       .printed = "IterNorm(4, groups=1, iterations=5, eps=1e-05, momentum=0.1, affine=True)",
       .state = {"weight", "bias", "running_mean", "running_wm", "num_batches_tracked"}},
      {.layer = "IterNorm",
       .variant = "2-D, groups, no affine",
       .make = plain<IterNorm>(
           6,
           IterNormOptions{.num_groups = 2, .iterations = 3, .eps = 0.01, .momentum = std::nullopt, .affine = false}),
       .input = {7, 6},
       .printed = "IterNorm(6, groups=2, iterations=3, eps=0.01, momentum=None, affine=False)",
       .state = {"running_mean", "running_wm", "num_batches_tracked"}},
      {.layer = "IterNorm",
       .variant = "batch 1",
       .make = plain<IterNorm>(2),
       .input = {1, 2, 3, 1, 4},
       .state = {"weight", "bias", "running_mean", "running_wm", "num_batches_tracked"}},
  };
}};

}  // namespace
}  // namespace evenkeel::test
