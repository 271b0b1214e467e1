#pragma once

#include "evenkeel/core/size_nd.hpp"
#include "evenkeel/nn/module.hpp"
#include "evenkeel/nn/norm/registry.hpp"

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
  std::string norm = "";  ///< a name of nn/norm/registry.hpp; "": the model's own (ModelEntry::norm)
  nn::NormOptions norm_options = {};
};

struct ModelEntry {
  std::string_view name, description;
  std::string_view norm;  ///< its own, which its name or its paper stands for
  std::unique_ptr<nn::Layer> (*make)(Generator& generator, const ModelOptions& options);
};

/// Every model that can be made by name. Write models::models(): the bare name is the namespace's as well.
const std::vector<ModelEntry>& models();

/// The row of that name; an unknown name throws and lists the known ones.
const ModelEntry& model_entry(std::string_view name);

/// The model of that name. Throws for an unknown name, and for a norm or sizes that the model cannot have; the
/// generator has not moved then.
std::unique_ptr<nn::Layer> make_model(std::string_view name, Generator& generator, const ModelOptions& options = {});

}  // namespace evenkeel::models
