#pragma once

#include "evenkeel/training/checkpoint.hpp"
#include "examples/support/run_folder.hpp"
#include "examples/support/trainer.hpp"

#include <map>
#include <string>

namespace evenkeel::examples {

/// What a run of `train` has to find again, and the files of its folder. The checkpoint has all of it: weights,
/// optimizer, the loader's position, the running score of an epoch that is not finished, the settings, the metrics of
/// the finished epochs (without timing, so that equal runs have equal checkpoints, to the byte) and the best weights
/// (which cost a copy of the weights, in memory and in the file).
/// A save writes metrics.csv, then checkpoint.safetensors, then what follows from that: model.safetensors and
/// best.safetensors. Killed in between, the folder is put right by rewrite_files(): rows ahead of the checkpoint go,
/// weights behind it are written anew.
class TrainRun {
 public:
  /// All must outlive this. `name` is the run's in metrics.csv.
  TrainRun(nn::Layer& model, optim::Optimizer& optimizer, data::DataLoader& loader, RunFolder& folder,
           std::string name);

  /// Puts a checkpoint into model, optimizer, loader and this, all or nothing. Writes nothing.
  void restore(const training::Checkpoint& checkpoint);
  /// Makes the folder's files those of the restored checkpoint. Timing comes from metrics.csv beside that; where it
  /// lacks an epoch of these values the timing is nan, which is said. To a checkpoint of version 1, which has no
  /// metrics, that file gives all columns.
  void rewrite_files(const training::Checkpoint& checkpoint);
  /// After the last step of an epoch: adds its row, keeps the weights if no epoch's had a better test accuracy, saves.
  void finish_epoch(const EpochMetrics& metrics, std::map<std::string, std::string> settings);
  /// Saves as it is, inside an epoch. Until that is finished, the folder remembers the save before it.
  void save_inside(std::map<std::string, std::string> settings);
  /// The epoch went wrong: takes its saves back, whose weights may have been useless already. What the folder's
  /// checkpoint is then, in words.
  std::string undo_saves();
  /// Whether the checkpoint that was restored or saved last is one inside an epoch.
  bool inside_epoch() const { return inside_epoch_; }
  /// The score so far of the epoch that the loader is in.
  Tally& tally() { return tally_; }

 private:
  training::TrainingState state();
  void save(std::map<std::string, std::string> settings);
  void take_rows(const training::Checkpoint& checkpoint);
  void write_weights(bool best_is_new) const;

  nn::Layer& model_;
  optim::Optimizer& optimizer_;
  data::DataLoader& loader_;
  RunFolder& folder_;
  std::string name_;
  Tally tally_;
  training::Entries entries_;  ///< texts: the settings, "epoch" (finished ones), "best_epoch"; arrays: tally and best.*
  training::Metrics metrics_;
  nn::StateDict best_;  ///< weights after the epoch of the best test accuracy, the first of equals
  int best_epoch_ = 0;
  bool inside_epoch_ = false;
  bool saved_inside_ = false;  ///< this epoch, by this process
};

/// The first parameter or buffer that is not finite; empty if all are.
std::string first_not_finite(const nn::Module& model);

}  // namespace evenkeel::examples
