// Norms with statistics of each sample, or with none: what they are (traits) and their layers.

#include "evenkeel/nn/norm/dynamic_tanh.hpp"
#include "evenkeel/nn/norm/evo_norm.hpp"
#include "evenkeel/nn/norm/filter_response_norm.hpp"
#include "evenkeel/nn/norm/global_response_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/instance_norm.hpp"
#include "evenkeel/nn/norm/layer_norm.hpp"
#include "evenkeel/nn/norm/layer_scale.hpp"
#include "evenkeel/nn/norm/local_response_norm.hpp"
#include "evenkeel/nn/norm/rms_norm.hpp"
#include "evenkeel/nn/norm/unit_norm.hpp"
#include "tests/support/layer_cases.hpp"
#include "tests/support/norm_traits.hpp"

#include <limits>

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using Keys = std::vector<std::string>;

const NormTraitsFile traits{{
    {.name = "gn",
     .num_groups = true,
     .single_value = SingleValue::refused,
     .ignores = Ignores::scale_and_shift,
     .fuses = true,
     .central = true},
    {.name = "ln", .ignores = Ignores::scale_and_shift, .fuses = true, .central = true},
    {.name = "ln2d", .images_only = true, .ignores = Ignores::scale_and_shift, .fuses = true, .central = true},
    {.name = "in",
     .single_value = SingleValue::refused,
     .ignores = Ignores::scale_and_shift,
     .fuses = true,
     .central = true},
    {.name = "rms", .images_only = true, .ignores = Ignores::scale, .fuses = true, .central = true},
    {.name = "frn", .images_only = true, .ignores = Ignores::scale},
    {.name = "frn_tlu", .images_only = true, .ignores = Ignores::scale},
    {.name = "grn", .images_only = true},
    {.name = "lrn", .eps = false, .any_channels = true},
    {.name = "evonorm_s0", .num_groups = true, .images_only = true, .single_value = SingleValue::refused_in_training},
    {.name = "unit", .any_channels = true, .ignores = Ignores::scale},
    {.name = "dyt", .eps = false},
    {.name = "derf", .eps = false},
    {.name = "layer_scale", .eps = false},
    {.name = "none", .eps = false, .any_channels = true},
}};

const Keys kAffine = {"weight", "bias"};
const Keys kRunning = {"running_mean", "running_var", "num_batches_tracked"};
const Keys kTracked = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"};

const LayerCaseFile layer_norm_rows{[]() -> LayerCases {
  return {
      {.layer = "LayerNorm",
       .make = plain<LayerNorm>(5),
       .input = {2, 5},
       .printed = "LayerNorm((5,), eps=1e-05, elementwise_affine=True)",
       .state = kAffine},
      {.layer = "LayerNorm",
       .variant = "3-D, two trailing dims, no bias, batch 5",
       .make = plain<LayerNorm>(Shape{3, 2}, LayerNormOptions{.eps = 0.1, .bias = false}),
       .input = {5, 3, 2},
       .printed = "LayerNorm((3, 2), eps=0.1, elementwise_affine=True, bias=False)",
       .state = {"weight"}},
      {.layer = "LayerNorm",
       .variant = "4-D, three trailing dims, batch 1",
       .make = plain<LayerNorm>(Shape{2, 3, 5}),
       .input = {1, 2, 3, 5},
       .state = kAffine},
      {.layer = "LayerNorm",
       .variant = "5-D, no affine",
       .make = plain<LayerNorm>(Shape{4}, LayerNormOptions{.elementwise_affine = false}),
       .input = {2, 3, 1, 5, 4},
       .printed = "LayerNorm((4,), eps=1e-05, elementwise_affine=False)"},
      {.layer = "LayerNorm",
       .variant = "a single sample without batch",
       .make = plain<LayerNorm>(7),
       .input = {7},
       .state = kAffine,
       .empty_batch = false},
      {.layer = "LayerNorm2d",
       .make = plain<LayerNorm2d>(3),
       .input = {2, 3, 5, 4},
       .printed = "LayerNorm2d(3, eps=1e-06, affine=True)",
       .state = kAffine},
      {.layer = "LayerNorm2d",
       .variant = "batch 5, no affine",
       .make = plain<LayerNorm2d>(4, LayerNorm2dOptions{.eps = 0.1, .affine = false}),
       .input = {5, 4, 1, 3},
       .printed = "LayerNorm2d(4, eps=0.1, affine=False)"},
      {.layer = "LayerNorm2d",
       .variant = "batch 1",
       .make = plain<LayerNorm2d>(7),
       .input = {1, 7, 3, 1},
       .state = kAffine},
  };
}};

const LayerCaseFile instance_norm_rows{[]() -> LayerCases {
  return {
      {.layer = "InstanceNorm1d",
       .make = plain<InstanceNorm1d>(3),
       .input = {2, 3, 5},
       .printed = "InstanceNorm1d(3, eps=1e-05, momentum=0.1, affine=False, track_running_stats=False)"},
      {.layer = "InstanceNorm1d",
       .variant = "one sample (C, L), affine",
       .make = plain<InstanceNorm1d>(3, InstanceNormOptions{.eps = 0.1, .affine = true}),
       .input = {3, 7},
       .printed = "InstanceNorm1d(3, eps=0.1, momentum=0.1, affine=True, track_running_stats=False)",
       .state = kAffine,
       .empty_batch = false},
      {.layer = "InstanceNorm1d",
       .variant = "running statistics, batch 5",
       .make = plain<InstanceNorm1d>(2, InstanceNormOptions{.momentum = 0.3, .track_running_stats = true}),
       .input = {5, 2, 3},
       .printed = "InstanceNorm1d(2, eps=1e-05, momentum=0.3, affine=False, track_running_stats=True)",
       .state = kRunning},
      {.layer = "InstanceNorm2d",
       .make = plain<InstanceNorm2d>(3, InstanceNormOptions{.affine = true, .track_running_stats = true}),
       .input = {2, 3, 5, 4},
       .printed = "InstanceNorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
       .state = kTracked},
      {.layer = "InstanceNorm2d",
       .variant = "defaults, batch 1",
       .make = plain<InstanceNorm2d>(2),
       .input = {1, 2, 3, 5}},
      {.layer = "InstanceNorm2d",
       .variant = "one sample (C, H, W), affine and running statistics",
       .make = plain<InstanceNorm2d>(4, InstanceNormOptions{.affine = true, .track_running_stats = true}),
       .input = {4, 3, 2},
       .state = kTracked,
       .empty_batch = false},
      {.layer = "InstanceNorm3d",
       .make = plain<InstanceNorm3d>(3, InstanceNormOptions{.affine = true}),
       .input = {5, 3, 1, 2, 4},
       .printed = "InstanceNorm3d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=False)",
       .state = kAffine},
      {.layer = "InstanceNorm3d",
       .variant = "one sample (C, D, H, W)",
       .make = plain<InstanceNorm3d>(2),
       .input = {2, 3, 1, 5},
       .empty_batch = false},
  };
}};

const LayerCaseFile group_norm_rows{[]() -> LayerCases {
  return {
      {.layer = "GroupNorm",
       .make = plain<GroupNorm>(2, 6),
       .input = {3, 6, 1, 4},
       .printed = "GroupNorm(2, 6, eps=1e-05, affine=True)",
       .state = {"weight", "bias"}},
      {.layer = "GroupNorm",
       .variant = "2-D",
       .make = plain<GroupNorm>(2, 10, GroupNormOptions{.eps = 0.1}),
       .input = {3, 10},
       .printed = "GroupNorm(2, 10, eps=0.1, affine=True)",
       .state = {"weight", "bias"}},
      {.layer = "GroupNorm",
       .variant = "5-D, no affine, batch 1",
       .make = plain<GroupNorm>(3, 6, GroupNormOptions{.affine = false}),
       .input = {1, 6, 2, 1, 3},
       .printed = "GroupNorm(3, 6, eps=1e-05, affine=False)"},
      {.layer = "GroupNorm",
       .variant = "3-D, groups of one channel, batch 2",
       .make = plain<GroupNorm>(3, 3),
       .input = {2, 3, 5},
       .state = kAffine},
      {.layer = "GroupNorm",
       .variant = "one group, batch 5, no affine",
       .make = plain<GroupNorm>(1, 3, GroupNormOptions{.affine = false}),
       .input = {5, 3, 2, 1}},
  };
}};

const LayerCaseFile rms_norm_rows{[]() -> LayerCases {
  return {
      {.layer = "RMSNorm",
       .make = plain<RMSNorm>(5),
       .input = {2, 5},
       .printed = "RMSNorm((5,), eps=None, elementwise_affine=True)",
       .state = {"weight"}},
      {.layer = "RMSNorm",
       .variant = "4-D, two trailing dims, batch 5, no affine",
       .make = plain<RMSNorm>(Shape{3, 2}, RMSNormOptions{.eps = 1e-6, .elementwise_affine = false}),
       .input = {5, 1, 3, 2},
       .printed = "RMSNorm((3, 2), eps=1e-06, elementwise_affine=False)"},
      {.layer = "RMSNorm",
       .variant = "3-D, everything, batch 1",
       .make = plain<RMSNorm>(Shape{1, 3, 7}, RMSNormOptions{.eps = 0.1}),
       .input = {1, 3, 7},
       .state = {"weight"},
       .empty_batch = false},
      {.layer = "RMSNorm2d",
       .make = plain<RMSNorm2d>(3),
       .input = {2, 3, 5, 4},
       .printed = "RMSNorm2d(3, eps=1e-06, affine=True)",
       .state = {"weight"}},
      {.layer = "RMSNorm2d",
       .variant = "batch 1, no affine",
       .make = plain<RMSNorm2d>(7, RMSNorm2dOptions{.affine = false}),
       .input = {1, 7, 1, 3},
       .printed = "RMSNorm2d(7, eps=1e-06, affine=False)"},
  };
}};

const LayerCaseFile response_norm_rows{[]() -> LayerCases {
  return {
      {.layer = "LocalResponseNorm",
       .make = plain<LocalResponseNorm>(3, LocalResponseNormOptions{.alpha = 0.7, .k = 2}),
       .input = {2, 5, 3, 4},
       .printed = "LocalResponseNorm(3, alpha=0.7, beta=0.75, k=2.0)"},
      {.layer = "LocalResponseNorm",
       .variant = "even size, more than the channels, 3-D, batch 5",
       .make = plain<LocalResponseNorm>(6, LocalResponseNormOptions{.alpha = 1.5, .beta = 0.5}),
       .input = {5, 2, 3}},
      {.layer = "LocalResponseNorm",
       .variant = "size 1, 5-D, batch 1",
       .make = plain<LocalResponseNorm>(1),
       .input = {1, 3, 2, 1, 5},
       .printed = "LocalResponseNorm(1, alpha=0.0001, beta=0.75, k=1.0)"},
      {.layer = "GlobalResponseNorm",
       .make = plain<GlobalResponseNorm>(3),
       .input = {2, 3, 5, 4},
       .printed = "GlobalResponseNorm(3, eps=1e-06)",
       .state = kAffine},
      {.layer = "GlobalResponseNorm",
       .variant = "batch 1, one place",
       .make = plain<GlobalResponseNorm>(6, GlobalResponseNormOptions{.eps = 0.1}),
       .input = {1, 6, 1, 1},
       .state = kAffine},
      {.layer = "FilterResponseNorm",
       .make = plain<FilterResponseNorm>(3),
       .input = {2, 3, 5, 4},
       .printed = "FilterResponseNorm(3, eps=1e-06, affine=True, tlu=True, learn_eps=False)",
       .state = {"weight", "bias", "tau"}},
      {.layer = "FilterResponseNorm",
       .variant = "learned eps, batch 5",
       .make = plain<FilterResponseNorm>(2, FilterResponseNormOptions{.eps = 0.1, .learn_eps = true}),
       .input = {5, 2, 1, 3},
       .printed = "FilterResponseNorm(2, eps=0.1, affine=True, tlu=True, learn_eps=True)",
       .state = {"weight", "bias", "tau", "learned_eps"}},
      {.layer = "FilterResponseNorm",
       .variant = "neither affine nor TLU, batch 1",
       .make = plain<FilterResponseNorm>(2, FilterResponseNormOptions{.affine = false, .tlu = false}),
       .input = {1, 2, 3, 5}},
      {.layer = "FilterResponseNorm",
       .variant = "1x1 maps, learned eps",
       .make =
           plain<FilterResponseNorm>(3, FilterResponseNormOptions{.affine = false, .tlu = false, .learn_eps = true}),
       .input = {2, 3, 1, 1},
       .state = {"learned_eps"}},
  };
}};

const LayerCaseFile squashing_rows{[]() -> LayerCases {
  return {
      {.layer = "DynamicTanh",
       .make = plain<DynamicTanh>(3),
       .input = {2, 3, 5, 4},
       .printed = "DynamicTanh(3, alpha=0.5, affine=True, channels_last=False)",
       .state = {"alpha", "weight", "bias"}},
      {.layer = "DynamicTanh",
       .variant = "channels last, batch 5",
       .make = plain<DynamicTanh>(3, DynamicTanhOptions{.channels_last = true}),
       .input = {5, 2, 3},
       .state = {"alpha", "weight", "bias"}},
      {.layer = "DynamicTanh",
       .variant = "2-D, no affine, batch 1",
       .make = plain<DynamicTanh>(7, DynamicTanhOptions{.alpha = 1.5, .affine = false}),
       .input = {1, 7},
       .printed = "DynamicTanh(7, alpha=1.5, affine=False, channels_last=False)",
       .state = {"alpha"}},
      {.layer = "DynamicErf",
       .make = plain<DynamicErf>(3),
       .input = {2, 3, 5},
       .printed = "DynamicErf(3, alpha=0.5, affine=True, channels_last=False)",
       .state = {"alpha", "weight", "bias", "shift"}},
      {.layer = "DynamicErf",
       .variant = "5-D, channels last, no affine, batch 1",
       .make = plain<DynamicErf>(5, DynamicTanhOptions{.affine = false, .channels_last = true}),
       .input = {1, 3, 1, 2, 5},
       .state = {"alpha", "shift"}},
      {.layer = "LayerScale",
       .make = plain<LayerScale>(3),
       .input = {2, 3, 5, 4},
       .printed = "LayerScale(3, init=1e-05, channels_last=False)",
       .state = {"gamma"}},
      {.layer = "LayerScale",
       .variant = "channels last, batch 5",
       .make = plain<LayerScale>(3, LayerScaleOptions{.init = 0.1, .channels_last = true}),
       .input = {5, 7, 3},
       .printed = "LayerScale(3, init=0.1, channels_last=True)",
       .state = {"gamma"}},
  };
}};

const LayerCaseFile evo_norm_rows{[]() -> LayerCases {
  return {
      {.layer = "EvoNormS0",
       .make = plain<EvoNormS0>(6, EvoNormS0Options{.num_groups = 2}),
       .input = {2, 6, 3, 4},
       .printed = "EvoNormS0(6, groups=2, eps=1e-05, affine=True)",
       .state = {"weight", "bias", "v"}},
      {.layer = "EvoNormS0",
       .variant = "batch 1, no affine, one group",
       .make = plain<EvoNormS0>(5, EvoNormS0Options{.eps = 0.01, .affine = false}),
       .input = {1, 5, 3, 2},
       .printed = "EvoNormS0(5, groups=1, eps=0.01, affine=False)",
       .state = {"v"}},
  };
}};

const LayerCaseFile unit_norm_rows{[]() -> LayerCases {
  return {
      {.layer = "UnitNorm",
       .make = plain<UnitNorm>(),
       .input = {2, 3, 5, 4},
       .printed = "UnitNorm(p=2.0, dim=1, eps=1e-12)"},
      {.layer = "UnitNorm",
       .variant = "1-norm of short rows",
       .make = plain<UnitNorm>(UnitNormOptions{.p = 1, .dim = -1, .eps = 1.5}),
       .input = {5, 2},
       .printed = "UnitNorm(p=1.0, dim=-1, eps=1.5)"},
      {.layer = "UnitNorm",
       .variant = "largest value",
       .make = plain<UnitNorm>(UnitNormOptions{.p = std::numeric_limits<double>::infinity()}),
       .input = {1, 4, 3}},
  };
}};

}  // namespace
}  // namespace evenkeel::test
