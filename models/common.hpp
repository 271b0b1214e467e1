#pragma once

#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/identity.hpp"
#include "evenkeel/nn/norm/registry.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace evenkeel::models {

// What the models share.

/// The activation (ReLU, SiLU) behind a norm of that name: an Identity if the norm is its own activation.
template <class Activation>
std::unique_ptr<nn::Layer> activation_behind(std::string_view norm, nn::ActivationOptions options = {}) {
  if (nn::norm_activates(norm)) {
    return std::make_unique<nn::Identity>();
  }
  return std::make_unique<Activation>(options);
}

/// Throws unless x is (N, channels, H, W).
inline void check_images(const nn::Module& model, const Tensor& x, std::int64_t channels) {
  if (!x.defined()) {
    fail(model.type_name(), "the input is an undefined tensor");
  }
  if (x.rank() != 4 || x.size(1) != channels) {
    fail<ShapeError>(model.type_name(), "input has shape ", x.shape(), ", expected (N, ", channels, ", H, W)");
  }
}

/// Throws unless widths and blocks name the same stages, at least one, in positive numbers.
inline void check_stages(std::string_view model, const std::vector<std::int64_t>& widths,
                         const std::vector<std::int64_t>& blocks) {
  require(!widths.empty() && widths.size() == blocks.size(), model,
          "widths and blocks must name the same stages, at least one, got ", widths.size(), " and ", blocks.size());
  const auto positive = [](std::int64_t value) { return value > 0; };
  require(std::all_of(widths.begin(), widths.end(), positive) && std::all_of(blocks.begin(), blocks.end(), positive),
          model, "widths and blocks must be positive");
}

}  // namespace evenkeel::models
