#pragma once

#include "evenkeel/nn/module.hpp"
#include "evenkeel/optim/optimizer.hpp"

#include <filesystem>
#include <map>
#include <string>

namespace evenkeel::examples {

/// What a resumed run needs: model, optimizer and generators as tensors ("model.net.0.weight", "optimizer.state...."),
/// the settings of the run and the number of finished epochs as metadata.
struct Checkpoint {
  NamedArrays tensors;
  std::map<std::string, std::string> settings;
  int epoch = 0;
};

/// Replaces `path` as a whole (safetensors; written beside it, then renamed).
void save_checkpoint(const std::filesystem::path& path, const nn::Module& model, const optim::Optimizer& optimizer,
                     std::map<std::string, std::string> settings, int epoch);
/// Throws if the file is damaged or is no checkpoint of this program.
Checkpoint read_checkpoint(const std::filesystem::path& path);
/// Puts the checkpoint's state into model and optimizer; throws if it is another network's.
void restore(const Checkpoint& checkpoint, nn::Module& model, optim::Optimizer& optimizer);

}  // namespace evenkeel::examples
