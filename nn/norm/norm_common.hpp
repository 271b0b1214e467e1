#pragma once

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/ops/normalize_groups.hpp"
#include "evenkeel/nn/module.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
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

/// PyTorch's sentence if x's shape does not end in `normalized_shape`, else "".
inline std::string trailing_mismatch(const Shape& x, const Shape& normalized_shape) {
  const int start = x.rank() - normalized_shape.rank();
  if (start >= 0 && std::equal(normalized_shape.begin(), normalized_shape.end(), x.begin() + start)) {
    return "";
  }
  std::string sizes = "[*";
  for (const std::int64_t size : normalized_shape) {
    sizes += ", " + std::to_string(size);
  }
  return concat("Given normalized_shape=", normalized_shape, ", expected input with shape ", sizes,
                "], but got input of size ", x);
}

/// normalized_shape, if it has at least one size and all are positive.
inline const Shape& checked_normalized_shape(const char* layer, const Shape& shape) {
  require(!shape.empty() && std::all_of(shape.begin(), shape.end(), [](std::int64_t size) { return size > 0; }), layer,
          "normalized_shape must have at least one size and only positive ones, got ", shape);
  return shape;
}

/// Throws for an undefined x and one whose shape does not end in `normalized_shape`.
inline void check_trailing(const Module& layer, const Tensor& x, const Shape& normalized_shape) {
  if (!x.defined()) {
    fail(error_name(layer), "the input is an undefined tensor");
  }
  if (const std::string mismatch = trailing_mismatch(x.shape(), normalized_shape); !mismatch.empty()) {
    fail(error_name(layer), mismatch);
  }
}

/// Throws unless x is (N, C, *) or, with channels_last, (*, C) with `channels` channels.
inline void check_channels_at(const Module& layer, const Tensor& x, std::int64_t channels, bool channels_last) {
  if (!x.defined()) {
    fail(error_name(layer), "the input is an undefined tensor");
  }
  if (x.rank() < (channels_last ? 1 : 2)) {
    fail(error_name(layer), "expected at least ", channels_last ? 1 : 2, "D input (got ", x.rank(), "D input of shape ",
         x.shape(), ")");
  }
  if (const std::int64_t size = x.size(channels_last ? -1 : 1); size != channels) {
    fail(error_name(layer), "expected ", channels, " channels at dim ", channels_last ? -1 : 1, ", got ", size,
         " (input of shape ", x.shape(), ")");
  }
}

/// The distance from 1 to the next number.
inline double machine_epsilon(DType dtype) {
  return dtype == DType::float32 ? static_cast<double>(std::numeric_limits<float>::epsilon())
                                 : std::numeric_limits<double>::epsilon();
}

/// Statistics over the channels of each pixel; x: (N, C, *), weight and bias: (C) or undefined.
inline Tensor normalize_pixels(const Tensor& x, const Tensor& weight, const Tensor& bias, const Normalization& how,
                               const FusedActivation& activation) {
  const std::int64_t pixels = spatial_size(x.shape());
  return normalize_groups(x, weight, bias, {x.size(0), x.size(1), pixels, 1}, {x.size(1), pixels}, how, activation).y;
}

}  // namespace evenkeel::nn
