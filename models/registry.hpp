#pragma once

#include "autograd/ops/conv.hpp"
#include "nn/module.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace evenkeel::models {

/// What a program knows of its task; each model takes what concerns it.
struct ModelOptions {
  std::int64_t in_channels = 3;
  Size2 input_size = 32;
  std::int64_t num_classes = 10;
  std::string norm = "bn";  ///< a name of nn/norm/registry.hpp; models with BatchNorm built in refuse any other
};

struct ModelEntry {
  std::string_view name, description;
  std::unique_ptr<nn::Layer> (*make)(Generator& generator, const ModelOptions& options);
  bool any_norm;  ///< takes ModelOptions::norm
};

/// Every model that can be made by name.
const std::vector<ModelEntry>& registry();

/// The model of that name; an unknown name throws and lists the known ones.
std::unique_ptr<nn::Layer> make_model(std::string_view name, Generator& generator, const ModelOptions& options = {});

}  // namespace evenkeel::models
