#pragma once

#include "evenkeel/nn/module.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace evenkeel::nn {

/// What a model may say about its norms; each takes what its own options have, which also give the defaults.
struct NormOptions {
  std::optional<double> eps = {};
  std::optional<double> momentum = 0.1;  ///< of running statistics; see BatchNormOptions
  bool affine = true;
  std::optional<std::int64_t> num_groups = {};          ///< of group norms; by default choose_gn_groups(channels)
  std::optional<std::int64_t> channels_per_group = {};  ///< of group norms, instead of num_groups
  std::optional<double> rmax = {}, dmax = {};           ///< of BatchRenorm
  std::optional<std::int64_t> warmup_steps = {};        ///< of BatchRenorm; fewer for a run of fewer steps
  std::optional<std::int64_t> hold_steps = {}, rmax_steps = {}, dmax_steps = {};  ///< of BatchRenorm
  std::optional<std::int64_t> virtual_batch_size = {};                            ///< of GhostBatchNorm
  std::optional<bool> track_running_stats = {};  ///< of norms that can do without running statistics
  int spatial_dims = 2;                          ///< of the input: 2 (N, C, H, W), 0 (N, C) as Linear gives it, 1, 3
};

/// A row of the list behind every --norm.
struct NormEntry {
  std::string name;
  std::string description = {};
  std::string formula = {};  ///< "y = ..."; E and Var are mean and biased variance, products with (C) per channel
  std::function<std::unique_ptr<Layer>(std::int64_t channels, const NormOptions& options)> make = {};
  int min_spatial_dims = 2, max_spatial_dims = 2;  ///< what it takes
  bool activates = false;  ///< the activation is part of it: networks leave out theirs behind it
};

/// All norms in the order in which they are shown, those of register_norm last; each takes (N, C, H, W), some other
/// ranks too. The list does not grow: norms that are registered later are in the next call's.
std::span<const NormEntry> norms();

/// Gives a norm of one's own a name, by which make_norm, every network, --norm and convert_norms then know it:
///   nn::register_norm({.name = "mine", .description = "Mine: the mean is gone", .formula = "y = x - E[x]",
///                      .make = [](std::int64_t channels, const nn::NormOptions&) -> std::unique_ptr<nn::Layer> {
///                        return std::make_unique<Mine>(channels);
///                      }});
/// Any thread may call it at any time. Throws, registering nothing: a name that is taken, by the library or an earlier
/// call, or is no word of letters, digits and "_-."; no function.
void register_norm(NormEntry entry);

/// The norm of that name for `channels` channels; throws with the list of names for an unknown one, and for one that
/// does not take options.spatial_dims.
std::unique_ptr<Layer> make_norm(std::string_view name, std::int64_t channels, const NormOptions& options = {});

/// NormEntry::activates of that name; false if there is none.
bool norm_activates(std::string_view name);

}  // namespace evenkeel::nn
