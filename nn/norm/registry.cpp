#include "evenkeel/nn/norm/registry.hpp"

#include "evenkeel/nn/identity.hpp"
#include "evenkeel/nn/named_list.hpp"
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

#include <string>
#include <vector>

namespace evenkeel::nn {
namespace {

using Made = std::unique_ptr<Layer>;

/// Options of a layer: the given ones that it has, its own defaults for the rest.
template <class Options>
Options filled(const NormOptions& given, Options options = {}) {
  const auto fill = [](auto& to, const auto& from) { to = from.value_or(to); };
  if constexpr (requires { options.eps; }) {
    fill(options.eps, given.eps);
  }
  if constexpr (requires { options.affine; }) {
    options.affine = given.affine;
  }
  bool keeps_statistics = true;
  if constexpr (requires { options.track_running_stats; }) {
    fill(options.track_running_stats, given.track_running_stats);
    keeps_statistics = options.track_running_stats;
  }
  if constexpr (requires { options.momentum = given.momentum; }) {
    options.momentum = given.momentum;
  } else if constexpr (requires { options.momentum; }) {
    if (keeps_statistics) {  // InstanceNorm does so only where it is asked to
      fill(options.momentum, given.momentum);
    }
  }
  if constexpr (requires { options.num_groups; }) {
    options.num_groups = given.num_groups;
  }
  if constexpr (requires { options.channels_per_group; }) {
    options.channels_per_group = given.channels_per_group;
  }
  if constexpr (requires { options.rmax; }) {
    fill(options.rmax, given.rmax);
    fill(options.dmax, given.dmax);
    fill(options.warmup_steps, given.warmup_steps);
    fill(options.hold_steps, given.hold_steps);
    options.rmax_steps = given.rmax_steps;
    options.dmax_steps = given.dmax_steps;
  }
  if constexpr (requires { options.virtual_batch_size; }) {
    fill(options.virtual_batch_size, given.virtual_batch_size);
  }
  return options;
}

/// A norm made from its number of channels.
template <class Norm>
Made make(std::int64_t channels, const NormOptions& given) {
  return std::make_unique<Norm>(channels, filled<typename Norm::Options>(given));
}

/// The 1d, 2d or, up to `Last`, 3d form of a norm that has them.
template <template <int> class Norm, int Last = 3>
Made make_of_rank(std::int64_t channels, const NormOptions& given) {
  if constexpr (Last == 3) {
    if (given.spatial_dims == 3) {
      return make<Norm<3>>(channels, given);
    }
  }
  return given.spatial_dims == 2 ? make<Norm<2>>(channels, given) : make<Norm<1>>(channels, given);
}

/// A norm made from numbers of groups and channels. Of (N, C) the default is not one group per channel, which would
/// have a single element.
template <class Norm>
Made make_of_groups(std::int64_t channels, const NormOptions& given) {
  const auto options = filled<typename Norm::Options>(given);
  if (given.num_groups) {
    return std::make_unique<Norm>(*given.num_groups, channels, options);
  }
  if (given.spatial_dims == 0 && !given.channels_per_group && choose_gn_groups(channels) == channels && channels > 1) {
    return std::make_unique<Norm>(channels / 2, channels, options);
  }
  return std::make_unique<Norm>(channels, options);
}

/// A NormEntry that is known when this is compiled.
struct NormRow {
  std::string_view name, description, formula;
  Made (*make)(std::int64_t channels, const NormOptions& options);
  int min_spatial_dims = 2, max_spatial_dims = 2;
  bool activates = false;
};

constexpr NormRow kNorms[] = {
    {"bn", "BatchNorm: statistics of the batch, per channel",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per channel over N, H, W", make_of_rank<BatchNorm>,
     0, 3},
    {"sync_bn", "SyncBatchNorm: BatchNorm over all ranks' batches (alone: bn)",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per channel over all ranks' N, H, W",
     make<SyncBatchNorm>, 0, 3},
    {"ghost_bn", "GhostBatchNorm: BatchNorm over virtual batches of 32 samples",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per channel over parts of N, and H, W",
     make<GhostBatchNorm>, 0, 3},
    {"brn", "BatchRenorm2d: BatchNorm corrected towards its running statistics",
     "y = ((x - E[x]) / sqrt(Var[x] + eps) * r + d) * weight + bias, r and d towards the running statistics",
     make_of_rank<BatchRenorm, 2>, 0, 2},
    {"frozen_bn", "FrozenBatchNorm2d: given statistics and affine; nothing learns",
     "y = (x - running_mean) / sqrt(running_var + eps) * weight + bias, all of it given",
     make_of_rank<FrozenBatchNormOf>, 0, 3},
    {"gn", "GroupNorm: statistics of groups of channels, per sample",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per sample and group of channels",
     make_of_groups<GroupNorm>, 0, 3},
    {"ln", "GroupNorm with one group: statistics of the whole sample",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per sample over C, H, W",
     [](std::int64_t channels, const NormOptions& given) -> Made {
       auto options = filled<GroupNormOptions>(given);
       options.channels_per_group.reset();
       return std::make_unique<GroupNorm>(1, channels, options);
     },
     0, 3},
    {"ln2d", "LayerNorm2d: statistics of each pixel's channels (ConvNeXt)",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per pixel over C", make<LayerNorm2d>},
    {"in", "InstanceNorm: statistics of each channel, per sample",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per sample and channel over H, W",
     make_of_rank<InstanceNorm>, 1, 3},
    {"rms", "RMSNorm2d: quadratic mean of each pixel's channels",
     "y = x / sqrt(E[x^2] + eps) * weight, E per pixel over C", make<RMSNorm2d>},
    {"frn", "FilterResponseNorm without TLU: quadratic means per channel",
     "y = x / sqrt(E[x^2] + eps) * weight + bias, E per sample and channel over H, W",
     [](std::int64_t channels, const NormOptions& given) -> Made {
       return std::make_unique<FilterResponseNorm>(channels, filled<FilterResponseNormOptions>(given, {.tlu = false}));
     }},
    {"frn_tlu", "FilterResponseNorm with its TLU: norm and activation in one",
     "y = max(x / sqrt(E[x^2] + eps) * weight + bias, tau), E per sample and channel over H, W",
     make<FilterResponseNorm>, 2, 2, true},
    {"grn", "GlobalResponseNorm: a sample's channels compete; identity at first",
     "y = x + x n * weight + bias, n = g / (mean of g over C + eps), g = sqrt(sum of x^2 over H, W)",
     make<GlobalResponseNorm>},
    {"lrn", "LocalResponseNorm: each element by 5 neighbour channels (AlexNet)",
     "y = x / (k + alpha / 5 * sum of x^2 over 5 neighbouring channels)^beta",
     [](std::int64_t, const NormOptions&) -> Made { return std::make_unique<LocalResponseNorm>(5); }, 1, 3},
    {"dyt", "DynamicTanh: no statistics, tanh with a learned slope", "y = tanh(alpha x) * weight + bias",
     make<DynamicTanh>, 0, 3},
    {"derf", "DynamicErf: no statistics, erf with a learned slope and shift",
     "y = erf(alpha x + shift) * weight + bias", make<DynamicErf>, 0, 3},
    {"layer_scale", "LayerScale: no statistics, a learned factor per channel, from 1", "y = x * weight",
     [](std::int64_t channels, const NormOptions&) -> Made {
       return std::make_unique<LayerScale>(channels, LayerScaleOptions{.init = 1});
     },
     0, 3},
    {"bcn", "BatchChannelNorm: running statistics per channel, then GroupNorm",
     "y = GN(z), z = (x - running_mean) / sqrt(running_var + eps) * weight + bias, in training too",
     make_of_groups<BatchChannelNorm>, 0, 3},
    {"bgn", "BatchGroupNorm: statistics of the batch, per group of channels",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E and Var per group of channels over N, H, W",
     make<BatchGroupNorm>, 0, 3},
    {"ebn", "ExtendedBatchNorm: means per channel, one variance, of the batch",
     "y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias, E per channel over N, H, W, Var over N, C, H, W",
     make<ExtendedBatchNorm>, 0, 3},
    {"evonorm_b0", "EvoNorm-B0: norm and activation, variances of batch and instance",
     "y = x / max(sqrt(Var_batch[x] + eps), v x + sqrt(Var_instance[x] + eps)) * weight + bias", make<EvoNormB0>, 2, 2,
     true},
    {"evonorm_b1", "EvoNorm-B1: batch variance, squares of the instance at slope x + 1",
     "y = x / max(sqrt(Var_batch[x] + eps), (x + 1) sqrt(E_instance[x^2] + eps)) * weight + bias", make<EvoNormB1>, 2,
     2, true},
    {"evonorm_b2", "EvoNorm-B2: batch variance, squares of the instance less x",
     "y = x / max(sqrt(Var_batch[x] + eps), sqrt(E_instance[x^2] + eps) - x) * weight + bias", make<EvoNormB2>, 2, 2,
     true},
    {"evonorm_s0", "EvoNorm-S0: norm and activation, variance of groups per sample",
     "y = x sigmoid(v x) / sqrt(Var[x] + eps) * weight + bias, Var per sample and group of channels", make<EvoNormS0>,
     2, 2, true},
    {"evonorm_s1", "EvoNorm-S1: SiLU by the variance of groups per sample",
     "y = x sigmoid(x) / sqrt(Var[x] + eps) * weight + bias, Var per sample and group of channels", make<EvoNormS1>, 2,
     2, true},
    {"evonorm_s2", "EvoNorm-S2: SiLU by the quadratic mean of groups per sample",
     "y = x sigmoid(x) / sqrt(E[x^2] + eps) * weight + bias, E per sample and group of channels", make<EvoNormS2>, 2, 2,
     true},
    {"pn", "PowerNorm: running quadratic mean per channel, approximate gradient",
     "y = x / sqrt(phi + eps) * weight + bias, phi = E[x^2] per channel, a running one after the warm-up",
     make<PowerNorm>, 0, 3},
    {"sn", "SwitchableNorm2d: learned mixture of instance, layer, batch",
     "y = (x - m) / sqrt(v + eps) * weight + bias, m and v learned mixtures of IN's, LN's and BN's",
     make<SwitchableNorm2d>},
    {"ibn", "IBN: InstanceNorm for half of the channels, BatchNorm for the rest",
     "y = InstanceNorm(x) for the first half of the channels, BatchNorm(x) for the others", make<IBN>},
    {"iternorm", "IterNorm: whitening by the batch: channels are uncorrelated, too",
     "y = cov^(-1/2) (x - E[x]) * weight + bias, covariance of the channels over N, H, W", make<IterNorm>, 0, 3},
    {"actnorm", "ActNorm: factor and shift per channel, from the first batch's",
     "y = x * weight + bias, from the first batch's 1 / (std + eps) and -E[x] / (std + eps) on", make<ActNorm>, 0, 3},
    {"unit", "UnitNorm: each pixel's channels scaled to length 1", "y = x / max(sqrt(sum of x^2 over C), eps)",
     [](std::int64_t, const NormOptions& given) -> Made {
       return std::make_unique<UnitNorm>(filled<UnitNormOptions>(given));
     },
     0, 3},
    {"none", "Identity: no normalization", "y = x",
     [](std::int64_t, const NormOptions&) -> Made { return std::make_unique<Identity>(); }, 0, 3},
};

NamedList<NormEntry>& list() {
  static NamedList<NormEntry> norms([] {
    std::vector<NormEntry> entries;
    for (const NormRow& row : kNorms) {
      entries.push_back({std::string(row.name), std::string(row.description), std::string(row.formula), row.make,
                         row.min_spatial_dims, row.max_spatial_dims, row.activates});
    }
    return entries;
  }());
  return norms;
}

}  // namespace

std::span<const NormEntry> norms() { return list().entries(); }

void register_norm(NormEntry entry) { list().add("register_norm", std::move(entry)); }

std::unique_ptr<Layer> make_norm(std::string_view name, std::int64_t channels, const NormOptions& options) {
  const NormEntry* entry = list().find(name);
  if (entry == nullptr) {
    fail("make_norm", "no norm is called '", name, "'; there are ", list().names());
  }
  require(options.spatial_dims >= entry->min_spatial_dims && options.spatial_dims <= entry->max_spatial_dims,
          "make_norm", "'", name, "' takes input of ", entry->min_spatial_dims,
          entry->min_spatial_dims < entry->max_spatial_dims ? concat(" to ", entry->max_spatial_dims) : "",
          " spatial dims after (N, C), not of ", options.spatial_dims);
  auto made = entry->make(channels, options);
  require(made != nullptr, "make_norm", "'", name, "' made no layer of ", channels, " channels");
  return made;
}

bool norm_activates(std::string_view name) {
  const NormEntry* entry = list().find(name);
  return entry != nullptr && entry->activates;
}

}  // namespace evenkeel::nn
