// EvoNorms B1, B2, S1, S2 and BatchNorm of classes: what they are (traits) and their layers.

#include "evenkeel/nn/norm/conditional_batch_norm.hpp"
#include "evenkeel/nn/norm/evo_norm.hpp"
#include "tests/support/layer_cases.hpp"
#include "tests/support/norm_traits.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using Keys = std::vector<std::string>;

const NormTraitsFile traits{{
    {.name = "evonorm_b1",
     .momentum = true,
     .images_only = true,
     .single_value = SingleValue::refused_in_training,
     .of_batch = true},
    {.name = "evonorm_b2",
     .momentum = true,
     .images_only = true,
     .single_value = SingleValue::refused_in_training,
     .of_batch = true,
     .ignores = Ignores::scale,
     .far_off = 2e-2},
    {.name = "evonorm_s1", .num_groups = true, .images_only = true, .single_value = SingleValue::refused_in_training},
    {.name = "evonorm_s2", .num_groups = true, .images_only = true},
}};

const LayerCaseFile evo_norm_rows{[]() -> LayerCases {
  const Keys tracked = {"weight", "bias", "running_var", "num_batches_tracked"};
  const EvoNormBOptions bare{.eps = 0.1, .momentum = std::nullopt, .affine = false};
  return {
      {.layer = "EvoNormB1",
       .make = plain<EvoNormB1>(3),
       .input = {5, 3, 2, 4},
       .printed = "EvoNormB1(3, eps=1e-05, momentum=0.1, affine=True)",
       .state = tracked},
      {.layer = "EvoNormB1",
       .variant = "batch 1, no affine, cumulative average",
       .make = plain<EvoNormB1>(2, bare),
       .input = {1, 2, 5, 3},
       .printed = "EvoNormB1(2, eps=0.1, momentum=None, affine=False)",
       .state = {"running_var", "num_batches_tracked"}},
      {.layer = "EvoNormB2",
       .make = plain<EvoNormB2>(3),
       .input = {5, 3, 2, 4},
       .printed = "EvoNormB2(3, eps=1e-05, momentum=0.1, affine=True)",
       .state = tracked},
      {.layer = "EvoNormB2",
       .variant = "batch 1, no affine",
       .make = plain<EvoNormB2>(2, bare),
       .input = {1, 2, 5, 3},
       .state = {"running_var", "num_batches_tracked"}},
      {.layer = "EvoNormS1",
       .make = plain<EvoNormS1>(6, EvoNormSOptions{.num_groups = 2}),
       .input = {2, 6, 3, 4},
       .printed = "EvoNormS1(6, groups=2, eps=1e-05, affine=True)",
       .state = {"weight", "bias"}},
      {.layer = "EvoNormS1",
       .variant = "batch 1, no affine, one group",
       .make = plain<EvoNormS1>(5, EvoNormSOptions{.eps = 0.01, .affine = false}),
       .input = {1, 5, 3, 2},
       .state = {}},
      {.layer = "EvoNormS2",
       .make = plain<EvoNormS2>(6, EvoNormSOptions{.channels_per_group = 2}),
       .input = {2, 6, 3, 4},
       .printed = "EvoNormS2(6, groups=3, eps=1e-05, affine=True)",
       .state = {"weight", "bias"}},
      {.layer = "EvoNormS2",
       .variant = "a single value per group",
       .make = plain<EvoNormS2>(4, EvoNormSOptions{.num_groups = 4, .eps = 0.01, .affine = false}),
       .input = {3, 4, 1, 1},
       .state = {}},
  };
}};

const LayerCaseFile conditional_rows{[]() -> LayerCases {
  return {
      {.layer = "ConditionalBatchNorm2d",
       .make =
           [](Generator&) {
             auto layer = std::make_unique<ConditionalBatchNorm2d>(4, 3);
             layer->set_labels(Tensor(Array::from(std::vector<std::int64_t>{2, 0, 2}, {3})));
             return layer;
           },
       .input = {3, 3, 2, 5},
       .printed = R"(ConditionalBatchNorm2d(
  4, 3
  (bn): BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=False, track_running_stats=True)
  (embed): Embedding(4, 6)
))",
       .state = {"bn.running_mean", "bn.running_var", "bn.num_batches_tracked", "embed.weight"},
       .empty_batch = false},  // there is a label for each sample
  };
}};

}  // namespace
}  // namespace evenkeel::test
