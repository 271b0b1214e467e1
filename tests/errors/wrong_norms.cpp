// Wrong options and inputs of the normalization layers and of what stands around them.

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/communicator.hpp"
#include "evenkeel/models/registry.hpp"
#include "evenkeel/nn/functional.hpp"
#include "evenkeel/nn/norm/advise.hpp"
#include "evenkeel/nn/norm/batch_channel_norm.hpp"
#include "evenkeel/nn/norm/conditional_batch_norm.hpp"
#include "evenkeel/nn/norm/convert.hpp"
#include "evenkeel/nn/norm/domain_batch_norm.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/norm/fuse.hpp"
#include "evenkeel/nn/norm/ghost_batch_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/ibn.hpp"
#include "evenkeel/nn/norm/instance_norm.hpp"
#include "evenkeel/nn/norm/iter_norm.hpp"
#include "evenkeel/nn/norm/layer_norm.hpp"
#include "evenkeel/nn/norm/power_norm.hpp"
#include "evenkeel/nn/norm/precise_bn.hpp"
#include "evenkeel/nn/norm/registry.hpp"
#include "evenkeel/nn/norm/rms_norm.hpp"
#include "evenkeel/nn/norm/spectral_norm.hpp"
#include "evenkeel/nn/norm/sync_batch_norm.hpp"
#include "evenkeel/nn/norm/weight_norm.hpp"
#include "evenkeel/nn/norm/ws_conv.hpp"
#include "tests/errors/wrong_calls.hpp"

#include <limits>

namespace evenkeel::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

template <class M, class... Args>
auto make(Args... args) {
  return [=](World&) { return std::make_unique<M>(args...)->training(); };
}

auto registered(const char* name) {
  return [=](World&) {
    nn::register_norm({.name = name, .make = [](std::int64_t channels, const nn::NormOptions&) {
                         return std::unique_ptr<nn::Layer>(std::make_unique<nn::BatchNorm2d>(channels));
                       }});
    return 0;
  };
}

WrongCalls wrong_options() {
  using nn::BatchNorm2d;
  return {
      wrong<ValueError>("BatchNorm2d: num_features must be positive, got 0", make<BatchNorm2d>(0)),
      wrong<ValueError>("BatchNorm2d: eps must be at least 0, got -1",
                        make<BatchNorm2d>(4, BatchNorm2d::Options{.eps = -1})),
      wrong<ValueError>("BatchNorm2d: eps must be at least 0, got nan",
                        make<BatchNorm2d>(4, BatchNorm2d::Options{.eps = kNaN})),
      wrong<ValueError>("BatchNorm2d: momentum must lie in [0, 1], got 1.5; it weighs the new value...",
                        make<BatchNorm2d>(4, BatchNorm2d::Options{.momentum = 1.5})),
      wrong<ValueError>("BatchNorm2d: momentum must lie in [0, 1], got nan; it weighs the new value...",
                        make<BatchNorm2d>(4, BatchNorm2d::Options{.momentum = kNaN})),
      wrong<ValueError>("BatchRenorm2d: rmax must be at least 1, got 0.5",
                        make<nn::BatchRenorm2d>(4, nn::BatchRenormOptions{.rmax = 0.5})),
      wrong<ValueError>("BatchRenorm2d: dmax must be at least 0, got nan",
                        make<nn::BatchRenorm2d>(4, nn::BatchRenormOptions{.dmax = kNaN})),
      wrong<ValueError>("BatchRenorm2d: warmup_steps must be at least 0, got -1",
                        make<nn::BatchRenorm2d>(4, nn::BatchRenormOptions{.warmup_steps = -1})),
      wrong<ValueError>("GroupNorm: num_channels must be divisible by num_groups, got 6 channels and 4 groups...",
                        make<nn::GroupNorm>(4, 6)),
      wrong<ValueError>("GroupNorm: num_channels must be divisible by num_groups, got 6 channels and 0 groups...",
                        make<nn::GroupNorm>(0, 6)),
      wrong<ValueError>("LayerNorm: normalized_shape must have at least one size and only positive ones, got []",
                        make<nn::LayerNorm>(Shape{})),
      wrong<ValueError>("RMSNorm: normalized_shape must have at least one size and only positive ones, got [2, 0]",
                        make<nn::RMSNorm>(Shape{2, 0})),
      wrong<ValueError>("GhostBatchNorm: virtual_batch_size must be positive, got 0",
                        make<nn::GhostBatchNorm>(4, nn::GhostBatchNormOptions{.virtual_batch_size = 0})),
      wrong<ValueError>("IBN: ratio nan of 4 channels leaves one of InstanceNorm and BatchNorm without any",
                        make<nn::IBN>(4, nn::IBNOptions{.ratio = kNaN})),
      wrong<ValueError>("IterNorm: iterations must be at least 0, got -1",
                        make<nn::IterNorm>(4, nn::IterNormOptions{.iterations = -1})),
      wrong<ValueError>("PowerNorm: warmup_steps must be at least 0, got -1",
                        make<nn::PowerNorm>(4, nn::PowerNormOptions{.warmup_steps = -1})),
      wrong<ValueError>("DomainBatchNorm2d: the number of domains must be positive, got 0",
                        make<nn::DomainBatchNorm2d>(0, 4)),
      wrong<ValueError>("BatchChannelNorm: num_channels must be divisible by num_groups, got 4 channels and 3 groups",
                        make<nn::BatchChannelNorm>(3, 4)),
      wrong<ValueError>("SyncBatchNorm: the communicator is null",
                        make<nn::SyncBatchNorm>(4, nn::SyncBatchNorm::Options{}, std::shared_ptr<Communicator>())),
      wrong<ValueError>("make_norm: no norm is called 'batchnorm'; there are...",
                        [](World&) { return nn::make_norm("batchnorm", 4)->training(); }),
      wrong<ValueError>("register_norm: the name 'bn' is taken", registered("bn")),
      wrong<ValueError>("register_norm: the name must be a word of letters, digits, '_', '-' and '.', got 'b n'",
                        registered("b n")),
      wrong<ValueError>("register_norm: 'mine' has no function that makes it",
                        [](World&) {
                          nn::register_norm({.name = "mine"});
                          return 0;
                        }),
      wrong<ValueError>("register_model: the name 'resnet18' is taken",
                        [](World&) {
                          models::register_model({.name = "resnet18", .make = models::model_entry("resnet20").make});
                          return 0;
                        }),
      wrong<ValueError>("advise_norm: batch must be positive, got -1",
                        [](World&) { return nn::advise_norm(-1, nn::NormTask::detection, true); }),
      wrong<ValueError>("norm_task: the task must be one of classification, detection, segmentation, got 'x'",
                        [](World&) { return nn::norm_task("x"); }),
      wrong<ValueError>("GroupNorm: num_groups or channels_per_group must be given, not both, got 2 and 2",
                        make<nn::GroupNorm>(2, 4, nn::GroupNormOptions{.channels_per_group = 2})),
      wrong<ValueError>("GroupNorm: the number of channels must be divisible by channels_per_group, got 4 channels and "
                        "3 per group",
                        make<nn::GroupNorm>(4, nn::GroupNormOptions{.channels_per_group = 3})),
      wrong<ValueError>("BatchRenorm2d: hold_steps must be at least 0, got -1",
                        make<nn::BatchRenorm2d>(4, nn::BatchRenormOptions{.hold_steps = -1})),
      wrong<ValueError>(
          "BatchRenorm2d: rmax_steps and dmax_steps (by default warmup_steps) must be at least hold_steps, "
          "6000, got 5000 and 5000",
          make<nn::BatchRenorm2d>(4, nn::BatchRenormOptions{.hold_steps = 6000})),
      wrong<ValueError>("ConditionalBatchNorm2d: the number of classes must be positive, got 0",
                        make<nn::ConditionalBatchNorm2d>(0, 4)),
      wrong<ValueError>("make_norm: 'gn' takes input of 0 to 3 spatial dims after (N, C), not of 4",
                        [](World&) { return nn::make_norm("gn", 4, {.spatial_dims = 4})->training(); }),
  };
}

WrongCalls wrong_inputs() {
  return {
      wrong<ShapeError>("BatchNorm2d (norm): expected 4D input (got 2D input of shape [2, 4])",
                        [](World& w) {
                          return w.net.norm(ones({2, 4}));
                        }),
      wrong<ShapeError>(
          "BatchNorm2d (norm): running_mean should contain 3 elements not 4 (input of shape [2, 3, 2, 2])",
          [](World& w) {
            return w.net.norm(ones({2, 3, 2, 2}));
          }),
      wrong<ShapeError>(
          "BatchNorm2d (norm): Expected more than 1 value per channel when training, got input size [1, 4, 1, 1]...",
          [](World& w) {
            return w.net.norm(ones({1, 4, 1, 1}));
          }),
      wrong<DtypeError>("BatchNorm2d (norm): normalize_groups: weight must be float64, as the input, got float32",
                        [](World& w) {
                          return w.net.norm(ones({2, 4, 2, 2}, {.dtype = DType::float64}));
                        }),
      wrong<ValueError>("BatchNorm2d (norm): the input is an undefined tensor",
                        [](World& w) { return w.net.norm(w.undefined); }),
      wrong<DtypeError>("BatchRenorm2d (renorm): normalize_groups: weight must be float64, as the input, got float32",
                        [](World& w) {
                          return w.net.renorm(ones({2, 4, 2, 2}, {.dtype = DType::float64}));
                        }),
      wrong<ShapeError>("BatchRenorm2d (renorm): running_mean should contain 3 elements not 4...",
                        [](World& w) {
                          return w.net.renorm(ones({2, 3, 2, 2}));
                        }),
      wrong<ShapeError>("GroupNorm: expected 4 channels, got 3 (input of shape [2, 3, 2, 2])",
                        [](World&) {
                          return nn::GroupNorm(2, 4)(ones({2, 3, 2, 2}));
                        }),
      wrong<ShapeError>("GroupNorm: Expected more than 1 value per channel when training, got input size [1, 4]...",
                        [](World&) {
                          return nn::GroupNorm(4, 4)(ones({1, 4}));
                        }),
      wrong<ShapeError>("LayerNorm: Given normalized_shape=[4], expected input with shape [*, 4], but got input of...",
                        [](World&) {
                          return nn::LayerNorm(4)(ones({2, 3}));
                        }),
      wrong<DtypeError>("LayerNorm: normalize_groups: weight must be float64, as the input, got float32",
                        [](World&) {
                          return nn::LayerNorm(4)(ones({2, 4}, {.dtype = DType::float64}));
                        }),
      wrong<ShapeError>("InstanceNorm2d: Expected more than 1 spatial element when training, got input size...",
                        [](World&) {
                          return nn::InstanceNorm2d(4)(ones({2, 4, 1, 1}));
                        }),
      wrong<ShapeError>("GhostBatchNorm: Expected more than 1 value per channel when training: of input size [3, 4]...",
                        [](World&) {
                          return nn::GhostBatchNorm(4, {.virtual_batch_size = 2})(ones({3, 4}));
                        }),
      wrong<StateError>("ConditionalBatchNorm2d: no labels are set; call set_labels, or forward(x, labels)",
                        [](World&) {
                          return nn::ConditionalBatchNorm2d(2, 4)(ones({2, 4, 2, 2}));
                        }),
      wrong<ShapeError>("ConditionalBatchNorm2d: labels must be (1), one per sample, got shape [2]",
                        [](World& w) {
                          return nn::ConditionalBatchNorm2d(4, 4).forward(ones({1, 4, 2, 2}), w.labels);
                        }),
      wrong<DtypeError>("ConditionalBatchNorm2d: labels must be int64, got float32",
                        [](World&) {
                          return nn::ConditionalBatchNorm2d(4, 4).forward(ones({1, 4, 2, 2}), ones({1}));
                        }),
      wrong<IndexError>("DomainBatchNorm2d: there is no domain 2, only 0 to 1",
                        [](World&) {
                          nn::DomainBatchNorm2d(2, 4).set_domain(2);
                          return 0;
                        }),
      wrong<StateError>("BatchRenorm2d: track_running_stats=False leaves no running statistics for eval()...",
                        [](World&) {
                          nn::BatchRenorm2d norm(4, {.track_running_stats = false});
                          norm.eval();
                          return norm(ones({2, 4, 2, 2}));
                        }),
      wrong<ShapeError>(
          "batch_norm: running statistics should contain 3 elements, one per channel...",
          [](World& w) { return nn::functional::batch_norm(w.x, ones({4}), ones({4}), {}, {}, {.training = true}); }),
      wrong<ValueError>("batch_norm: Expected running_mean and running_var to be defined when training=False",
                        [](World& w) { return nn::functional::batch_norm(w.x, {}, {}); }),
      wrong<ValueError>("batch_norm: give running_mean and running_var, or neither",
                        [](World& w) { return nn::functional::batch_norm(w.x, ones({3}), {}); }),
      wrong<ShapeError>("group_norm: Expected number of channels in input to be divisible by num_groups...",
                        [](World& w) { return nn::functional::group_norm(w.x, 2); }),
      wrong<ValueError>("layer_norm: Expected normalized_shape to be at least 1-dimensional...",
                        [](World& w) { return nn::functional::layer_norm(w.x, {}); }),
      wrong<ShapeError>("layer_norm: Given normalized_shape=[5], expected input with shape [*, 5]...",
                        [](World& w) { return nn::functional::layer_norm(w.x, {5}); }),
      wrong<ShapeError>("instance_norm: Expected more than 1 spatial element when training, got input size [2, 3, 1]",
                        [](World&) {
                          return nn::functional::instance_norm(ones({2, 3, 1}));
                        }),
      wrong<ShapeError>("local_response_norm: Expected 3D or higher dimensionality input (got 2 dimensions...",
                        [](World& w) { return nn::functional::local_response_norm(w.leaf, 2); }),
      wrong<CommunicationError>(
          "SyncBatchNorm: all_reduce_sum (rank 0 of 2): rank 0 waited 0.01 s; only 1 of 2 ranks came",
          [](World&) {
            ThreadGroup group(2, {.timeout = 0.01});
            nn::SyncBatchNorm norm(4, {}, group.communicator(0));
            return norm(ones({2, 4, 2, 2}));
          }),
  };
}

WrongCalls wrong_conversions() {
  return {
      wrong<ValueError>("convert_bn_to_gn: num_groups must be positive, got 0",
                        [](World& w) { return nn::convert_bn_to_gn(w.net, 0); }),
      wrong<ValueError>("convert_sync_batchnorm: the communicator is null",
                        [](World& w) { return nn::convert_sync_batchnorm(w.net, nullptr); }),
      wrong<ValueError>("convert_norms: the rule is an empty function",
                        [](World& w) { return nn::convert_norms(w.net, {}); }),
      wrong<ValueError>("make_norm (norm): no norm is called 'bnn'; there are...",
                        [](World& w) { return nn::convert_norms(w.net, nn::norms_to("bnn")); }),
      wrong<StateError>("fuse_conv_bn: the model is in training mode; fusing is for inference: call eval()",
                        [](World& w) { return nn::fuse_conv_bn(w.net, w.x); }),
      wrong<ValueError>("fused_conv_bn: a BatchNorm2d in training mode was given, expected a FrozenBatchNorm...",
                        [](World& w) { return nn::fused_conv_bn(*w.net.conv, *w.net.norm)->training(); }),
      wrong<ValueError>("spectral_norm: a BatchNorm2d was given, expected a Linear, Conv2d or ConvTranspose2d",
                        [](World& w) {
                          nn::spectral_norm(*w.net.norm, w.generator);
                          return 0;
                        }),
      wrong<ValueError>("spectral_norm: Expected n_power_iterations to be positive, but got n_power_iterations=0",
                        [](World& w) {
                          nn::spectral_norm(*w.net.conv, w.generator, {.n_power_iterations = 0});
                          return 0;
                        }),
      wrong<ValueError>("spectral_norm: eps must be positive, got nan",
                        [](World& w) {
                          nn::spectral_norm(*w.net.conv, w.generator, {.eps = kNaN});
                          return 0;
                        }),
      wrong<IndexError>("weight_norm: dim must lie in [0, 4), got 4",
                        [](World& w) {
                          nn::weight_norm(*w.net.conv, 4);
                          return 0;
                        }),
      wrong<StateError>("remove_weight_norm: weight_norm of 'weight' not found in this Conv2d",
                        [](World& w) {
                          nn::remove_weight_norm(*w.net.conv);
                          return 0;
                        }),
      wrong<ValueError>("update_bn_stats: no batch was given to take statistics of",
                        [](World& w) { return nn::update_bn_stats(w.net, std::vector<Tensor>{}); }),
      wrong<ShapeError>("Conv2d (conv): conv2d: Given groups=1, weight of size [4, 3, 3, 3], expected input...",
                        [](World& w) {
                          return nn::update_bn_stats(w.net, {w.x, ones({2, 1, 6, 6})});
                        }),
  };
}

}  // namespace

WrongCalls wrong_norms() {
  WrongCalls all = wrong_options();
  for (const WrongCalls& more : {wrong_inputs(), wrong_conversions()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace evenkeel::test
