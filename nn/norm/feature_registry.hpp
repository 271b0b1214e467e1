#pragma once

#include "nn/norm/registry.hpp"

namespace evenkeel::nn {

/// The norms of nn/norm/registry.hpp that have a form for (N, C), what Linear gives, in the order in which they are
/// shown: BatchNorm1d for "bn", ...
std::span<const NormEntry> feature_norms();

/// That norm for C = `features`; a name that has none throws with the list of names.
std::unique_ptr<Layer> make_feature_norm(std::string_view name, std::int64_t features, const NormOptions& options = {});

}  // namespace evenkeel::nn
