#include "examples/support/checkpoint.hpp"

#include "evenkeel/core/io/safetensors.hpp"

#include <charconv>

namespace evenkeel::examples {

namespace {

constexpr const char* kFormat = "evenkeel training checkpoint 1";

void append(NamedArrays& target, const std::string& prefix, const NamedArrays& source) {
  for (const auto& [name, value] : source) {
    target.emplace_back(prefix + name, value);
  }
}

NamedArrays under(const NamedArrays& tensors, const std::string& prefix) {
  NamedArrays result;
  for (const auto& [name, value] : tensors) {
    if (name.starts_with(prefix)) {
      result.emplace_back(name.substr(prefix.size()), value);
    }
  }
  return result;
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const nn::Module& model, const optim::Optimizer& optimizer,
                     std::map<std::string, std::string> settings, int epoch) {
  NamedArrays tensors;
  append(tensors, "model.", model.state_dict());
  append(tensors, "optimizer.", optimizer.state_dict());
  append(tensors, "generators.", model.generator_state());
  settings["format"] = kFormat;
  settings["epoch"] = std::to_string(epoch);
  save_safetensors(path, tensors, settings);
}

Checkpoint read_checkpoint(const std::filesystem::path& path) {
  Safetensors file = load_safetensors(path);
  Checkpoint checkpoint{std::move(file.tensors), std::move(file.metadata)};
  require(checkpoint.settings["format"] == kFormat, "resume", path.string(),
          " is no training checkpoint (its format is '", checkpoint.settings["format"], "', expected '", kFormat, "')");
  const std::string& epoch = checkpoint.settings["epoch"];
  const auto [end, error] = std::from_chars(epoch.data(), epoch.data() + epoch.size(), checkpoint.epoch);
  require(error == std::errc() && end == epoch.data() + epoch.size() && checkpoint.epoch >= 0, "resume", path.string(),
          " has no valid epoch: '", epoch, "'");
  return checkpoint;
}

void restore(const Checkpoint& checkpoint, nn::Module& model, optim::Optimizer& optimizer) {
  model.load_state_dict(under(checkpoint.tensors, "model."));
  optimizer.load_state_dict(under(checkpoint.tensors, "optimizer."));
  model.load_generator_state(under(checkpoint.tensors, "generators."));
}

}  // namespace evenkeel::examples
