#pragma once

#include "evenkeel/core/size_nd.hpp"
#include "evenkeel/nn/module.hpp"
#include "evenkeel/nn/norm/registry.hpp"

#include <functional>
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
  std::string name;
  std::string description = {};
  std::string norm = "none";  ///< its own, which its name or its paper stands for
  std::function<std::unique_ptr<nn::Layer>(Generator& generator, const ModelOptions& options)> make = {};
};

/// Every model that can be made by name, those of register_model last. Write models::models(): the bare name is the
/// namespace's as well. The list does not grow: models that are registered later are in the next call's.
const std::vector<ModelEntry>& models();

/// Gives a model of one's own a name, by which make_model and --model then know it. `make` gets ModelOptions::norm
/// never empty. Any thread may call it at any time. Throws, registering nothing: a name that is taken, by the library
/// or an earlier call, or is no word of letters, digits and "_-."; no function.
void register_model(ModelEntry entry);

/// The row of that name; an unknown name throws and lists the known ones.
const ModelEntry& model_entry(std::string_view name);

/// The model of that name. Throws for an unknown name, and for a norm or sizes that the model cannot have; the
/// generator has not moved then.
std::unique_ptr<nn::Layer> make_model(std::string_view name, Generator& generator, const ModelOptions& options = {});

}  // namespace evenkeel::models
