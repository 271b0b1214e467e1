#pragma once

#include "nn/module.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace evenkeel::nn {

/// What a model may say about its norms; each takes what concerns it.
struct NormOptions {
  std::optional<double> eps = {};        ///< by default the norm's own (BatchNorm 1e-5, EvoNorm-B0 1e-3, ...)
  std::optional<double> momentum = 0.1;  ///< of running statistics; see BatchNormOptions
  bool affine = true;
  std::optional<std::int64_t> num_groups = {};  ///< of group norms; by default choose_gn_groups(channels)
};

/// A row of the list behind every --norm.
struct NormEntry {
  std::string_view name;
  std::string_view description;
  std::unique_ptr<Layer> (*make)(std::int64_t channels, const NormOptions& options);
};

/// All norms for (N, C, H, W) input, in the order in which they are shown.
std::span<const NormEntry> norms();

/// The norm of that name for `channels` channels; an unknown name throws with the list of names.
std::unique_ptr<Layer> make_norm(std::string_view name, std::int64_t channels, const NormOptions& options = {});

}  // namespace evenkeel::nn
