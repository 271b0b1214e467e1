// Every layer against values of PyTorch or, where that has none, of a second derivation of its formula: training steps,
// gradients, buffers, eval mode. The scripts in tests/fixtures have the layers of the same names.

#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/flatten.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/act_norm.hpp"
#include "evenkeel/nn/norm/batch_group_norm.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/nn/norm/cross_iteration_conv.hpp"
#include "evenkeel/nn/norm/domain_batch_norm.hpp"
#include "evenkeel/nn/norm/dynamic_tanh.hpp"
#include "evenkeel/nn/norm/evo_norm.hpp"
#include "evenkeel/nn/norm/extended_batch_norm.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/norm/ghost_batch_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/ibn.hpp"
#include "evenkeel/nn/norm/instance_norm.hpp"
#include "evenkeel/nn/norm/iter_norm.hpp"
#include "evenkeel/nn/norm/layer_norm.hpp"
#include "evenkeel/nn/norm/local_response_norm.hpp"
#include "evenkeel/nn/norm/power_norm.hpp"
#include "evenkeel/nn/norm/switchable_norm.hpp"
#include "evenkeel/nn/norm/unit_norm.hpp"
#include "evenkeel/nn/pool.hpp"
#include "tests/support/layer_replay.hpp"

#include <limits>

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

const NamedLayers kLayers = {
    {"linear", drawn<Linear>(7, 5, LinearOptions{})},
    {"linear_4d_no_bias", drawn<Linear>(4, 3, LinearOptions{.bias = false})},
    {"conv2d", drawn<Conv2d>(3, 5, Conv2dOptions{.kernel_size = 3, .padding = 1})},
    {"conv2d_uneven",
     drawn<Conv2d>(
         4, 6,
         Conv2dOptions{.kernel_size = {3, 2}, .stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}, .groups = 2})},
    {"conv2d_1x1", drawn<Conv2d>(6, 4, Conv2dOptions{.kernel_size = 1})},
    {"conv2d_1x1_stride2", drawn<Conv2d>(6, 4, Conv2dOptions{.kernel_size = 1, .stride = 2, .bias = false})},
    {"conv2d_depthwise", drawn<Conv2d>(4, 8, Conv2dOptions{.kernel_size = 3, .padding = 1, .groups = 4})},
    {"conv2d_same", drawn<Conv2d>(2, 3, Conv2dOptions{.kernel_size = 4, .padding = "same"})},
    {"conv2d_stride_over_kernel", drawn<Conv2d>(2, 3, Conv2dOptions{.kernel_size = 2, .stride = 3})},
    {"conv_transpose2d",
     drawn<ConvTranspose2d>(4, 6,
                            ConvTranspose2dOptions{.kernel_size = 3, .stride = 2, .padding = 1, .output_padding = 1})},
    {"conv_transpose2d_groups",
     drawn<ConvTranspose2d>(
         4, 6,
         ConvTranspose2dOptions{
             .kernel_size = {2, 3}, .stride = {1, 3}, .dilation = {2, 1}, .groups = 2, .bias = false})},
    {"batch_norm1d", layer<BatchNorm1d>(5)},
    {"batch_norm1d_3d", layer<BatchNorm1d>(5, BatchNormOptions{.momentum = std::nullopt})},
    {"batch_norm2d", layer<BatchNorm2d>(6)},
    {"batch_norm2d_batch1", layer<BatchNorm2d>(3, BatchNormOptions{.eps = 1e-3, .momentum = 0.3})},
    {"batch_norm2d_no_affine", layer<BatchNorm2d>(3, BatchNormOptions{.affine = false})},
    {"batch_norm2d_no_tracking", layer<BatchNorm2d>(3, BatchNormOptions{.track_running_stats = false})},
    {"group_norm", layer<GroupNorm>(4, 12)},
    {"group_norm_1", layer<GroupNorm>(1, 6)},
    {"group_norm_c", layer<GroupNorm>(6, 6, GroupNormOptions{.eps = 1e-3})},
    {"group_norm_2d", layer<GroupNorm>(2, 6)},
    {"group_norm_5d_no_affine", layer<GroupNorm>(3, 6, GroupNormOptions{.affine = false})},
    {"relu", layer<ReLU>()},
    {"silu", layer<SiLU>()},
    {"sigmoid", layer<Sigmoid>()},
    {"tanh", layer<Tanh>()},
    {"gelu", layer<GELU>()},
    {"gelu_tanh", layer<GELU>(GeluApproximation::tanh)},
    {"leaky_relu", layer<LeakyReLU>(0.2)},
    {"elu", layer<ELU>(1.3)},
    {"hardswish", layer<Hardswish>()},
    {"softplus", layer<Softplus>(2.0, 3.0)},
    {"softmax", layer<Softmax>(1)},
    {"log_softmax", layer<LogSoftmax>(-1)},
    {"max_pool2d", layer<MaxPool2d>(Size2(2))},
    {"max_pool2d_overlap",
     layer<MaxPool2d>(MaxPool2dOptions{.kernel_size = 3, .stride = Size2(2), .padding = 1, .ceil_mode = true})},
    {"max_pool2d_dilation", layer<MaxPool2d>(MaxPool2dOptions{
                                .kernel_size = {2, 3}, .stride = Size2(1, 2), .padding = {1, 0}, .dilation = {2, 1}})},
    {"avg_pool2d", layer<AvgPool2d>(Size2(2))},
    {"avg_pool2d_ceil",
     layer<AvgPool2d>(AvgPool2dOptions{.kernel_size = 3, .stride = Size2(2), .padding = 1, .ceil_mode = true})},
    {"avg_pool2d_exclude_pad",
     layer<AvgPool2d>(AvgPool2dOptions{
         .kernel_size = {3, 2}, .stride = Size2(2), .padding = 1, .ceil_mode = true, .count_include_pad = false})},
    {"avg_pool2d_divisor", layer<AvgPool2d>(AvgPool2dOptions{.kernel_size = 3, .divisor_override = 2})},
    {"adaptive_avg_pool2d_global", layer<AdaptiveAvgPool2d>(Size2(1))},
    {"adaptive_avg_pool2d", layer<AdaptiveAvgPool2d>(Size2(3, 5))},
    {"flatten", layer<Flatten>()},
};

constexpr double kInf = std::numeric_limits<double>::infinity();

const NamedLayers kBatchNorms = {
    {"batch_renorm2d", layer<BatchRenorm2d>(5, BatchRenormOptions{.rmax = 1.5, .dmax = 0.5, .warmup_steps = 3})},
    {"batch_renorm2d_unclipped",
     layer<BatchRenorm2d>(
         3, BatchRenormOptions{.eps = 0.01, .momentum = 0.3, .rmax = kInf, .dmax = kInf, .warmup_steps = 0})},
    {"batch_renorm2d_defaults", layer<BatchRenorm2d>(4)},
    {"batch_renorm2d_batch1",
     layer<BatchRenorm2d>(3, BatchRenormOptions{.affine = false, .rmax = 2, .dmax = 0.3, .warmup_steps = 2})},
    {"batch_renorm1d", layer<BatchRenorm1d>(6, BatchRenormOptions{.rmax = 1.2, .dmax = 2, .warmup_steps = 1})},
    {"batch_renorm1d_cumulative",
     layer<BatchRenorm1d>(3,
                          BatchRenormOptions{.momentum = std::nullopt, .rmax = 1.8, .dmax = 0.4, .warmup_steps = 4})},
    {"batch_renorm2d_unbiased",
     layer<BatchRenorm2d>(
         3, BatchRenormOptions{.rmax = 2, .dmax = 1, .warmup_steps = 0, .statistics = RenormStatistics::unbiased})},
    {"batch_renorm2d_deviation",
     layer<BatchRenorm2d>(3, BatchRenormOptions{.eps = 0.1,
                                                .momentum = 0.4,
                                                .rmax = 2,
                                                .dmax = 1,
                                                .warmup_steps = 2,
                                                .statistics = RenormStatistics::deviation})},
    {"batch_renorm2d_keras", layer<BatchRenorm2d>(3, BatchRenormOptions{.eps = 1e-3,
                                                                        .momentum = 0.2,
                                                                        .rmax = kInf,
                                                                        .dmax = kInf,
                                                                        .warmup_steps = 0,
                                                                        .statistics = RenormStatistics::keras,
                                                                        .renorm_momentum = 0.6})},
    {"ghost_batch_norm", layer<GhostBatchNorm>(3, GhostBatchNormOptions{.virtual_batch_size = 2})},
    {"ghost_batch_norm_rest",
     layer<GhostBatchNorm>(4, GhostBatchNormOptions{.eps = 0.01, .momentum = 0.3, .virtual_batch_size = 3})},
    {"ghost_batch_norm_cumulative",
     layer<GhostBatchNorm>(2,
                           GhostBatchNormOptions{.momentum = std::nullopt, .affine = false, .virtual_batch_size = 4})},
    {"ghost_batch_norm_one", layer<GhostBatchNorm>(5, GhostBatchNormOptions{.virtual_batch_size = 8})},
    {"frozen_batch_norm2d", layer<FrozenBatchNorm2d>(5)},
    {"frozen_batch_norm1d", layer<FrozenBatchNorm1d>(4, FrozenBatchNormOptions{.eps = 0.1})},
};

const InstanceNormOptions kAll = {.affine = true, .track_running_stats = true};

const NamedLayers kSampleNorms = {
    {"layer_norm", layer<LayerNorm>(5)},
    {"layer_norm_1d", layer<LayerNorm>(7, LayerNormOptions{.eps = 1e-3})},
    {"layer_norm_2_dims", layer<LayerNorm>(Shape{3, 4})},
    {"layer_norm_3_dims", layer<LayerNorm>(Shape{5, 3, 4})},
    {"layer_norm_5d_no_affine", layer<LayerNorm>(6, LayerNormOptions{.elementwise_affine = false})},
    {"layer_norm_wide", layer<LayerNorm>(301)},
    {"layer_norm_one_element", layer<LayerNorm>(1)},
    {"instance_norm1d", layer<InstanceNorm1d>(3)},
    {"instance_norm1d_one_sample", layer<InstanceNorm1d>(3, InstanceNormOptions{.affine = true})},
    {"instance_norm1d_tracking",
     layer<InstanceNorm1d>(4, InstanceNormOptions{.momentum = 0.3, .track_running_stats = true})},
    {"instance_norm2d", layer<InstanceNorm2d>(3)},
    {"instance_norm2d_affine", layer<InstanceNorm2d>(3, InstanceNormOptions{.eps = 1e-3, .affine = true})},
    {"instance_norm2d_all", layer<InstanceNorm2d>(4, kAll)},
    {"instance_norm2d_momentum1",
     layer<InstanceNorm2d>(4, InstanceNormOptions{.momentum = 1, .track_running_stats = true})},
    {"instance_norm2d_momentum0",
     layer<InstanceNorm2d>(4, InstanceNormOptions{.momentum = 0, .track_running_stats = true})},
    {"instance_norm2d_one_sample", layer<InstanceNorm2d>(4, kAll)},
    {"instance_norm2d_large", layer<InstanceNorm2d>(2, InstanceNormOptions{.affine = true})},
    {"instance_norm3d", layer<InstanceNorm3d>(3, kAll)},
    {"instance_norm3d_one_sample", layer<InstanceNorm3d>(3)},
    {"group_norm_2d_batch1", layer<GroupNorm>(1, 6)},
    {"group_norm_3d", layer<GroupNorm>(3, 6)},
    {"group_norm_4d_large", layer<GroupNorm>(2, 4)},
    {"group_norm_5d", layer<GroupNorm>(4, 8, GroupNormOptions{.eps = 1e-3})},
    {"local_response_norm", layer<LocalResponseNorm>(5)},
    {"local_response_norm_alexnet",
     layer<LocalResponseNorm>(5, LocalResponseNormOptions{.alpha = 0.7, .beta = 0.5, .k = 2})},
    {"local_response_norm_even", layer<LocalResponseNorm>(4, LocalResponseNormOptions{.alpha = 0.9})},
    {"local_response_norm_2", layer<LocalResponseNorm>(2, LocalResponseNormOptions{.alpha = 0.9, .k = 0.5})},
    {"local_response_norm_wider_than_channels", layer<LocalResponseNorm>(8, LocalResponseNormOptions{.alpha = 0.9})},
    {"local_response_norm_size1", layer<LocalResponseNorm>(1, LocalResponseNormOptions{.alpha = 0.9, .beta = 1.5})},
    {"batch_norm3d", layer<BatchNorm3d>(3)},
    {"batch_norm3d_cumulative", layer<BatchNorm3d>(2, BatchNormOptions{.momentum = std::nullopt, .affine = false})},
    {"batch_norm3d_no_tracking", layer<BatchNorm3d>(2, BatchNormOptions{.track_running_stats = false})},
    {"dynamic_tanh", layer<DynamicTanh>(4)},
    {"dynamic_tanh_channels_last", layer<DynamicTanh>(4, DynamicTanhOptions{.alpha = 1.5, .channels_last = true})},
    {"dynamic_erf", layer<DynamicErf>(4)},
    {"dynamic_erf_no_affine",
     layer<DynamicErf>(4, DynamicTanhOptions{.alpha = 0.8, .affine = false, .channels_last = true})},
};

const Conv2dOptions kConv = {.kernel_size = 3, .padding = 1, .bias = false};

const NamedLayers kDerivedNorms = {
    {"evo_norm_s0", layer<EvoNormS0>(6, EvoNormS0Options{.num_groups = 2})},
    {"evo_norm_s0_batch1", layer<EvoNormS0>(7, EvoNormS0Options{.eps = 0.01, .affine = false})},
    {"evo_norm_b0", layer<EvoNormB0>(5)},
    {"evo_norm_b0_cumulative",
     layer<EvoNormB0>(3, EvoNormB0Options{.eps = 0.1, .momentum = std::nullopt, .affine = false})},
    {"switchable_norm2d", layer<SwitchableNorm2d>(5)},
    {"switchable_norm2d_unbiased",
     layer<SwitchableNorm2d>(3,
                             SwitchableNormOptions{.eps = 0.02, .momentum = 0.3, .affine = false, .unbiased = true})},
    {"power_norm", layer<PowerNorm>(5, PowerNormOptions{.warmup_steps = 0})},
    {"power_norm_warm", layer<PowerNorm>(3, PowerNormOptions{.momentum = 0.3, .warmup_steps = 100})},
    {"power_norm_mixed",
     layer<PowerNorm>(4, PowerNormOptions{.eps = 0.1, .momentum = std::nullopt, .affine = false, .warmup_steps = 1})},
    {"extended_batch_norm", layer<ExtendedBatchNorm>(5)},
    {"extended_batch_norm_2d",
     layer<ExtendedBatchNorm>(4, ExtendedBatchNormOptions{.eps = 0.1, .momentum = std::nullopt, .affine = false})},
    {"batch_group_norm", layer<BatchGroupNorm>(6, BatchGroupNormOptions{.num_groups = 3})},
    {"batch_group_norm_3d",
     layer<BatchGroupNorm>(4, BatchGroupNormOptions{.num_groups = 1, .eps = 0.1, .momentum = 0.4, .affine = false})},
    {"unit_norm", layer<UnitNorm>()},
    {"unit_norm_p1", layer<UnitNorm>(UnitNormOptions{.p = 1, .dim = -1, .eps = 1})},
    {"unit_norm_p3", layer<UnitNorm>(UnitNormOptions{.p = 3, .dim = 0})},
    {"act_norm", layer<ActNorm>(5)},
    {"act_norm_2d", layer<ActNorm>(3, ActNormOptions{.eps = 0.1})},
    {"ibn", layer<IBN>(5)},
    {"ibn_mostly_instance", layer<IBN>(5, IBNOptions{.ratio = 0.8})},
    {"domain_batch_norm2d", layer<DomainBatchNorm2d>(2, 5, DomainBatchNormOptions{.cycle = true})},
    {"cross_iteration_conv2d", drawn<CrossIterationConv2d>(4, 5, kConv, CrossIterationOptions{.window = 3})},
    {"cross_iteration_conv2d_burn_in",
     drawn<CrossIterationConv2d>(
         2, 3, kConv,
         CrossIterationOptions{.eps = 0.1, .momentum = std::nullopt, .affine = false, .window = 2, .burn_in = 1})},
    {"iter_norm", layer<IterNorm>(4)},
    {"iter_norm_groups",
     layer<IterNorm>(
         6, IterNormOptions{.num_groups = 2, .iterations = 3, .eps = 0.01, .momentum = std::nullopt, .affine = false})},
};

/// What an optimizer would do between two steps, so that the window of CrossIterationConv2d has something to make up
/// for.
void move_conv_weight(Layer& layer, int step) {
  if (auto* cross = dynamic_cast<CrossIterationConv2d*>(&layer); cross != nullptr && step < 2) {
    Array& weight = cross->conv->weight.mutable_array();
    weight.copy_((Tensor(weight.clone()) * 0.75 - 0.0625).array());
  }
}

TEST_CASE("every layer equals PyTorch's") { replay_layers("layers.safetensors", kLayers); }

TEST_CASE("the batch norms that PyTorch has not equal their formulas in it") {
  replay_layers("norms_batch.safetensors", kBatchNorms, {.steps = [](const Layer&) { return 4; }});
}

TEST_CASE("the norms of each sample and BatchNorm3d equal PyTorch's, DynamicTanh and DynamicErf their formulas") {
  replay_layers(
      "norms_layer.safetensors", kSampleNorms,
      {.steps = [](const Layer& layer) { return layer.named_buffers().empty() ? 1 : 4; }, .others = {"far_off"}});
}

TEST_CASE("the norms of papers equal a second derivation") {
  replay_layers("norms_exotic.safetensors", kDerivedNorms,
                {.tolerances = {.float64 = 1e-12, .float32 = 2e-5}, .update = move_conv_weight});
}

}  // namespace
}  // namespace evenkeel::test
