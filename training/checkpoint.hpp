#pragma once

#include "evenkeel/core/random.hpp"
#include "evenkeel/data/data_loader.hpp"
#include "evenkeel/nn/module.hpp"
#include "evenkeel/optim/optimizer.hpp"

#include <concepts>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace evenkeel::training {

/// What has a saved state: a learning rate schedule, or a class of the user's own.
template <class T>
concept HasState = requires(T& object, const NamedArrays& state) {
  { std::as_const(object).state_dict() } -> std::same_as<NamedArrays>;
  { object.plan_load_state_dict(state) } -> std::same_as<LoadPlan>;
};

/// A reference to an object that has a saved state.
class Stateful {
 public:
  template <HasState T>
  Stateful(T& object)
      : state_dict([&object] { return std::as_const(object).state_dict(); }),
        plan_load_state_dict([&object](const NamedArrays& state) { return object.plan_load_state_dict(state); }) {}

  std::function<NamedArrays()> state_dict;
  std::function<LoadPlan(const NamedArrays&)> plan_load_state_dict;
};

/// What a user's loop wants to find again: its settings, counters, averages.
struct Entries {
  NamedArrays arrays;
  std::map<std::string, std::string> texts;
};

/// Numbers in columns, a row per epoch or step: those of metrics.csv that belong to the state, so that a resumed run's
/// table has neither a gap nor rows of a future that did not happen. Rows have a value for each column.
struct Metrics {
  std::vector<std::string> columns;
  std::vector<std::vector<double>> rows;
};

/// The parts of a run, by reference: what one call saves and one restores. All that is not given is no part of it.
///   const training::TrainingState state{.model = net, .optimizer = sgd, .schedulers = {cosine}, .loader = &loader,
///                                       .generators = {{"noise", &noise}}, .entries = &entries};
///   training::save_checkpoint("run/checkpoint.safetensors", state);
struct TrainingState {
  nn::Module& model;  ///< parameters, buffers, and the generators of its layers
  optim::Optimizer& optimizer;
  std::vector<Stateful> schedulers = {};
  data::DataLoader* loader = nullptr;  ///< its position, inside an epoch too, and what order and augmentation come from
  std::vector<std::pair<std::string, Generator*>> generators = {};  ///< of the user's own
  Entries* entries = nullptr;
  Metrics* metrics = nullptr;
};

/// A checkpoint's contents: what save_checkpoint() made of a TrainingState. Names of `arrays`:
///   model.KEY, optimizer.KEY, loader.KEY   the state_dict() of each
///   generators.KEY                         the model's generator_state()
///   schedulers.I.KEY                       the state_dict() of schedule I, from 0
///   user_generators.NAME                   int64 [seed, counter]
///   entries.NAME                           the user's arrays
///   metrics                                float64 (rows, columns)
/// The file's metadata: "format" = "evenkeel training checkpoint", "version" = "2", "entries.NAME" for the user's texts
/// and "metrics.columns", the names joined by commas. Equal states give equal files, to the byte.
/// Version 1, which the program train wrote before ("format" = "evenkeel training checkpoint 1"), has model, optimizer
/// and generators; its settings and "epoch", the number of finished ones, come out as texts of `entries`.
struct Checkpoint {
  std::filesystem::path path;
  int version = 0;
  NamedArrays arrays;  ///< without entries and metrics
  Entries entries;
  Metrics metrics;
};

/// Replaces `path` as a whole (see save_safetensors). Throws for two parts of one name, a row of metrics without a
/// value for each column and a column with a comma; the old file is intact then.
void save_checkpoint(const std::filesystem::path& path, const TrainingState& state);

/// Reads a checkpoint for who needs its entries before there is a model; throws if the file is damaged or is none.
Checkpoint read_checkpoint(const std::filesystem::path& path);

/// Puts the checkpoint into the parts, all or nothing: every part checks first what is there for it. Throws, naming the
/// file, if a part does not fit (another network, a missing schedule, a wrong momentum entry) or has no place in
/// `state`; then no bit of any part has changed. Entries and metrics may be left out of `state`, other parts may not.
/// Of version 1 the loader gets the number of finished epochs, and metrics stay what they are.
void load_checkpoint(const Checkpoint& checkpoint, const TrainingState& state);
/// The same of a file.
void load_checkpoint(const std::filesystem::path& path, const TrainingState& state);

}  // namespace evenkeel::training
