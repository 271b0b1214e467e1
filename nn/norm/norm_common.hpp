#pragma once

#include "autograd/engine.hpp"
#include "autograd/ops/normalize.hpp"
#include "nn/module.hpp"

#include <cmath>
#include <string>

namespace evenkeel::nn {

// What the norm layers share.

/// How a layer's errors begin: "BatchNorm2d", inside a model "BatchNorm2d (features.1)".
inline std::string error_name(const Module& layer) {
  const std::string path = NameScope::path();
  return path.empty() ? layer.type_name() : layer.type_name() + " (" + path + ")";
}

/// eps, if it is one.
inline double checked_eps(const char* layer, double eps) {
  require(eps >= 0 && std::isfinite(eps), layer, "eps must be at least 0, got ", eps);
  return eps;
}

/// num_features or num_channels, if it is positive.
inline std::int64_t checked_channels(const char* layer, const char* name, std::int64_t channels) {
  require(channels > 0, layer, name, " must be positive, got ", channels);
  return channels;
}

/// Elements per sample and channel of (N, C, *).
inline std::int64_t spatial_size(const Shape& shape) {
  std::int64_t size = 1;
  for (int d = 2; d < shape.rank(); ++d) {
    size *= shape[d];
  }
  return size;
}

}  // namespace evenkeel::nn
