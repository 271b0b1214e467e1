#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace evenkeel::examples {

/// What one epoch gave; a row of metrics.csv.
struct EpochMetrics {
  std::string run;  ///< which curve it belongs to ("bn, batch 2")
  int epoch = 0;    ///< from 1
  double train_loss = 0, train_accuracy = 0, test_loss = 0, test_accuracy = 0;
  double images_per_second = 0, seconds = 0, learning_rate = 0;
};

/// A folder for the results of a run: metrics.csv, curves.png and curves.svg beside whatever else the program saves
/// there.
class RunFolder {
 public:
  /// Creates the folder if it is missing; throws when that fails or when nothing can be written there.
  explicit RunFolder(std::filesystem::path path);
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }

  /// Puts the rows of an earlier part of the run back, up to `last_epoch` (a resumed run continues the same csv).
  void load_metrics(int last_epoch);
  /// Appends a row and rewrites metrics.csv (to a temporary file, then renamed).
  void add(const EpochMetrics& metrics);
  const std::vector<EpochMetrics>& metrics() const { return metrics_; }
  /// Draws loss and accuracy over epochs with gnuplot, leaving out values that are not finite; returns false (having
  /// said so) if gnuplot is missing or fails.
  bool draw_curves(const std::string& title) const;

 private:
  std::filesystem::path path_;
  std::vector<EpochMetrics> metrics_;
};

}  // namespace evenkeel::examples
