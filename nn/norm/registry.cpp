#include "evenkeel/nn/norm/registry.hpp"

#include "evenkeel/nn/identity.hpp"
#include "evenkeel/nn/norm/act_norm.hpp"
#include "evenkeel/nn/norm/batch_channel_norm.hpp"
#include "evenkeel/nn/norm/batch_group_norm.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/nn/norm/dynamic_tanh.hpp"
#include "evenkeel/nn/norm/evo_norm.hpp"
#include "evenkeel/nn/norm/extended_batch_norm.hpp"
#include "evenkeel/nn/norm/filter_response_norm.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/norm/ghost_batch_norm.hpp"
#include "evenkeel/nn/norm/global_response_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/ibn.hpp"
#include "evenkeel/nn/norm/instance_norm.hpp"
#include "evenkeel/nn/norm/iter_norm.hpp"
#include "evenkeel/nn/norm/layer_norm.hpp"
#include "evenkeel/nn/norm/layer_scale.hpp"
#include "evenkeel/nn/norm/local_response_norm.hpp"
#include "evenkeel/nn/norm/power_norm.hpp"
#include "evenkeel/nn/norm/rms_norm.hpp"
#include "evenkeel/nn/norm/switchable_norm.hpp"
#include "evenkeel/nn/norm/sync_batch_norm.hpp"
#include "evenkeel/nn/norm/unit_norm.hpp"

#include <algorithm>
#include <iterator>
#include <string>

namespace evenkeel::nn {
namespace {

/// The 1d, 2d or 3d form of a norm that has three.
template <class Norm1d, class Norm2d, class Norm3d, class Options>
std::unique_ptr<Layer> of_rank(int spatial_dims, std::int64_t channels, const Options& options) {
  switch (spatial_dims) {
    case 2:
      return std::make_unique<Norm2d>(channels, options);
    case 3:
      return std::make_unique<Norm3d>(channels, options);
    default:
      return std::make_unique<Norm1d>(channels, options);
  }
}

/// For (N, C) not one group per channel, which would have a single element.
std::int64_t default_groups(std::int64_t channels, int spatial_dims) {
  const std::int64_t groups = choose_gn_groups(channels);
  return spatial_dims == 0 && groups == channels && groups > 1 ? groups / 2 : groups;
}

constexpr NormEntry kNorms[] = {
    {"bn", "BatchNorm: statistics of the batch, per channel",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per channel over N, H, W",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return of_rank<BatchNorm1d, BatchNorm2d, BatchNorm3d>(
           o.spatial_dims, channels,
           BatchNormOptions{.eps = o.eps.value_or(1e-5), .momentum = o.momentum, .affine = o.affine});
     },
     0, 3},
    {"sync_bn", "SyncBatchNorm: BatchNorm over all ranks' batches (alone: bn; see convert_sync_batchnorm)",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per channel over all ranks' N, H, W",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<SyncBatchNorm>(
           channels, BatchNormOptions{.eps = o.eps.value_or(1e-5), .momentum = o.momentum, .affine = o.affine});
     }},
    {"ghost_bn", "GhostBatchNorm: BatchNorm over virtual batches of virtual_batch_size samples",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per channel over parts of N, and H, W",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<GhostBatchNorm>(channels,
                                               GhostBatchNormOptions{.eps = o.eps.value_or(1e-5),
                                                                     .momentum = o.momentum,
                                                                     .affine = o.affine,
                                                                     .virtual_batch_size = o.virtual_batch_size});
     }},
    {"brn", "BatchRenorm2d: BatchNorm corrected towards its running statistics",
     "y = ((x - E[x]) / sqrt(Var[x] + eps) * r + d) * weight + bias, r and d towards the running statistics",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<BatchRenorm2d>(channels, BatchRenormOptions{.eps = o.eps.value_or(1e-5),
                                                                           .momentum = o.momentum,
                                                                           .affine = o.affine,
                                                                           .rmax = o.rmax,
                                                                           .dmax = o.dmax,
                                                                           .warmup_steps = o.warmup_steps});
     }},
    {"frozen_bn", "FrozenBatchNorm2d: given statistics, scale and shift; nothing learns",
     "y = (x - running_mean) / sqrt(running_var + eps) * weight + bias, all of it given",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<FrozenBatchNorm2d>(channels, FrozenBatchNormOptions{.eps = o.eps.value_or(1e-5)});
     }},
    {"gn", "GroupNorm: statistics of groups of channels, per sample",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per sample and group of channels",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       const std::int64_t groups = o.num_groups ? *o.num_groups : default_groups(channels, o.spatial_dims);
       return std::make_unique<GroupNorm>(groups, channels,
                                          GroupNormOptions{.eps = o.eps.value_or(1e-5), .affine = o.affine});
     },
     0, 3},
    {"ln", "GroupNorm with one group: statistics of the whole sample (nn.LayerNorm has a weight per element)",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per sample over C, H, W",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<GroupNorm>(1, channels,
                                          GroupNormOptions{.eps = o.eps.value_or(1e-5), .affine = o.affine});
     },
     0, 3},
    {"ln2d", "LayerNorm2d: statistics of each pixel's channels (ConvNeXt)",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per pixel over C",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<LayerNorm2d>(channels,
                                            LayerNorm2dOptions{.eps = o.eps.value_or(1e-6), .affine = o.affine});
     }},
    {"in", "InstanceNorm: statistics of each channel, per sample; no running ones",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per sample and channel over H, W",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return of_rank<InstanceNorm1d, InstanceNorm2d, InstanceNorm3d>(
           o.spatial_dims, channels, InstanceNormOptions{.eps = o.eps.value_or(1e-5), .affine = o.affine});
     },
     1, 3},
    {"rms", "RMSNorm2d: quadratic mean of each pixel's channels",
     "y = x / sqrt(E[x^2] + eps) * weight, E per pixel over C",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<RMSNorm2d>(channels, RMSNorm2dOptions{.eps = o.eps.value_or(1e-6), .affine = o.affine});
     }},
    {"frn", "FilterResponseNorm without its TLU: quadratic mean of each channel, per sample",
     "y = x / sqrt(E[x^2] + eps) * weight + bias, E per sample and channel over H, W",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<FilterResponseNorm>(
           channels, FilterResponseNormOptions{.eps = o.eps.value_or(1e-6), .affine = o.affine, .tlu = false});
     }},
    {"frn_tlu", "FilterResponseNorm with its TLU: norm and activation in one",
     "y = max(x / sqrt(E[x^2] + eps) * weight + bias, tau), E per sample and channel over H, W",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<FilterResponseNorm>(
           channels, FilterResponseNormOptions{.eps = o.eps.value_or(1e-6), .affine = o.affine});
     },
     2, 2, true},
    {"grn", "GlobalResponseNorm: channels of a sample compete by their responses; the identity at first",
     "y = x + x n * weight + bias, n = g / (mean of g over C + eps), g = sqrt(sum of x^2 over H, W)",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<GlobalResponseNorm>(channels, GlobalResponseNormOptions{.eps = o.eps.value_or(1e-6)});
     }},
    {"lrn", "LocalResponseNorm: each element by its 5 neighbouring channels at the same place (AlexNet)",
     "y = x / (k + alpha / 5 * sum of x^2 over 5 neighbouring channels)^beta",
     [](std::int64_t, const NormOptions&) -> std::unique_ptr<Layer> { return std::make_unique<LocalResponseNorm>(5); },
     1, 3},
    {"dyt", "DynamicTanh: no statistics, tanh with a learned slope", "y = tanh(alpha x) * weight + bias",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<DynamicTanh>(channels, DynamicTanhOptions{.affine = o.affine});
     },
     0, 3},
    {"derf", "DynamicErf: no statistics, erf with a learned slope and shift",
     "y = erf(alpha x + shift) * weight + bias",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<DynamicErf>(channels, DynamicTanhOptions{.affine = o.affine});
     },
     0, 3},
    {"layer_scale", "LayerScale: no statistics, only a learned factor per channel, here from 1", "y = x * weight",
     [](std::int64_t channels, const NormOptions&) -> std::unique_ptr<Layer> {
       return std::make_unique<LayerScale>(channels, LayerScaleOptions{.init = 1});
     },
     0, 3},
    {"bcn", "BatchChannelNorm: running statistics per channel, then groups of channels, per sample",
     "y = GN(z), z = (x - running_mean) / sqrt(running_var + eps) * weight + bias, in training too",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       const std::int64_t groups = o.num_groups ? *o.num_groups : default_groups(channels, o.spatial_dims);
       return std::make_unique<BatchChannelNorm>(
           groups, channels,
           BatchChannelNormOptions{
               .eps = o.eps.value_or(1e-5), .momentum = o.momentum.value_or(0.1), .affine = o.affine});
     },
     0, 3},
    {"bgn", "BatchGroupNorm: statistics of the batch, per group of channels",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per group of channels over N, H, W",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<BatchGroupNorm>(
           channels,
           BatchGroupNormOptions{
               .num_groups = o.num_groups, .eps = o.eps.value_or(1e-5), .momentum = o.momentum, .affine = o.affine});
     },
     0, 3},
    {"ebn", "ExtendedBatchNorm: means per channel, one variance, of the batch",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E per channel over N, H, W, Var over N, C, H, W",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<ExtendedBatchNorm>(
           channels, ExtendedBatchNormOptions{.eps = o.eps.value_or(1e-5), .momentum = o.momentum, .affine = o.affine});
     },
     0, 3},
    {"evonorm_b0", "EvoNorm-B0: norm and activation in one, variances of batch and instance",
     "y = x / max(sqrt(Var_batch[x] + eps), v x + sqrt(Var_instance[x] + eps)) * weight + bias",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<EvoNormB0>(
           channels, EvoNormB0Options{.eps = o.eps.value_or(1e-3), .momentum = o.momentum, .affine = o.affine});
     },
     2, 2, true},
    {"evonorm_s0", "EvoNorm-S0: norm and activation in one, variance of groups per sample",
     "y = x sigmoid(v x) / sqrt(Var[x] + eps) * weight + bias, Var per sample and group of channels",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<EvoNormS0>(
           channels, EvoNormS0Options{.num_groups = o.num_groups, .eps = o.eps.value_or(1e-5), .affine = o.affine});
     },
     2, 2, true},
    {"pn", "PowerNorm: running quadratic mean per channel, approximate gradient",
     "y = x / sqrt(phi + eps) * weight + bias, phi = E[x^2] per channel, a running one after the warm-up",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<PowerNorm>(
           channels, PowerNormOptions{.eps = o.eps.value_or(1e-5), .momentum = o.momentum, .affine = o.affine});
     },
     0, 3},
    {"sn", "SwitchableNorm2d: a learned mixture of instance, layer and batch statistics",
     "y = (x - m) / sqrt(v + eps) * weight + bias, m and v learned mixtures of IN's, LN's and BN's",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<SwitchableNorm2d>(
           channels, SwitchableNormOptions{.eps = o.eps.value_or(1e-5), .momentum = o.momentum, .affine = o.affine});
     }},
    {"ibn", "IBN: InstanceNorm for half of the channels, BatchNorm for the others",
     "y = InstanceNorm(x) for the first half of the channels, BatchNorm(x) for the others",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<IBN>(
           channels, IBNOptions{.eps = o.eps.value_or(1e-5), .momentum = o.momentum, .affine = o.affine});
     }},
    {"iternorm", "IterNorm: whitening by statistics of the batch, so that channels are uncorrelated too",
     "y = cov^(-1/2) (x - E[x]) * weight + bias, covariance of the channels over N, H, W",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<IterNorm>(
           channels,
           IterNormOptions{
               .num_groups = o.num_groups, .eps = o.eps.value_or(1e-5), .momentum = o.momentum, .affine = o.affine});
     },
     0, 3},
    {"actnorm", "ActNorm: a factor and shift per channel that start from the first batch's statistics",
     "y = x * weight + bias, from the first batch's 1 / (std + eps) and -E[x] / (std + eps) on",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<ActNorm>(channels, ActNormOptions{.eps = o.eps.value_or(1e-6)});
     },
     0, 3},
    {"unit", "UnitNorm: each pixel's channels scaled to length 1", "y = x / max(sqrt(sum of x^2 over C), eps)",
     [](std::int64_t, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<UnitNorm>(UnitNormOptions{.eps = o.eps.value_or(1e-12)});
     },
     0, 3},
    {"none", "Identity: no normalization", "y = x",
     [](std::int64_t, const NormOptions&) -> std::unique_ptr<Layer> { return std::make_unique<Identity>(); }, 0, 3},
};

}  // namespace

std::span<const NormEntry> norms() { return kNorms; }

std::unique_ptr<Layer> make_norm(std::string_view name, std::int64_t channels, const NormOptions& options) {
  std::string known;
  for (const NormEntry& entry : kNorms) {
    if (entry.name == name) {
      require(options.spatial_dims >= entry.min_spatial_dims && options.spatial_dims <= entry.max_spatial_dims,
              "make_norm", "'", name, "' takes input of ", entry.min_spatial_dims,
              entry.min_spatial_dims < entry.max_spatial_dims ? concat(" to ", entry.max_spatial_dims) : "",
              " spatial dims after (N, C), not of ", options.spatial_dims);
      return entry.make(channels, options);
    }
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  fail("make_norm", "no norm is called '", name, "'; there are ", known);
}

bool norm_activates(std::string_view name) {
  return std::any_of(std::begin(kNorms), std::end(kNorms),
                     [name](const NormEntry& entry) { return entry.name == name && entry.activates; });
}

}  // namespace evenkeel::nn
