#pragma once

#include <chrono>
#include <filesystem>
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

/// What a metrics.csv says; nothing if there is no file.
struct MetricsFile {
  std::vector<EpochMetrics> rows;
  std::string bad_line;  ///< the first that is neither a row nor blank, if there is one; "\r" at an end is no harm
};
MetricsFile read_metrics(const std::filesystem::path& csv);

/// Whether two rows are equal as metrics.csv writes them, but for the run's name and the timing.
bool same_but_for_timing(EpochMetrics a, EpochMetrics b);

/// Throws if `folder` holds a run of `train`, other than that of the checkpoint `resumed` (empty: none), or one of
/// `quickstart`, if a file that a run writes there is a link to one elsewhere, or if a metrics.csv or weights there are
/// no run's.
void check_free(const std::filesystem::path& folder, const std::filesystem::path& resumed);

/// A folder that one process at a time writes to: it holds a lock (flock) on it, which goes when the process ends.
class HeldFolder {
 public:
  /// Creates the folder if it is missing. Throws where that fails or another process holds it.
  explicit HeldFolder(const std::filesystem::path& path);
  /// Removes what it created, if it is still empty.
  ~HeldFolder();
  HeldFolder(const HeldFolder&) = delete;
  HeldFolder& operator=(const HeldFolder&) = delete;

 private:
  std::vector<std::filesystem::path> created_;  ///< the innermost first
  int descriptor_ = -1;
};

/// A folder for the results of a run: metrics.csv, curves.png and curves.svg beside whatever else the program saves
/// there.
class RunFolder {
 public:
  /// Creates the folder if it is missing; throws when that fails, when nothing can be written there or when another
  /// process writes there at this time.
  explicit RunFolder(std::filesystem::path path);
  ~RunFolder() { forget(); }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }

  /// Replaces all rows, also in metrics.csv: what a resumed run begins with.
  void set_metrics(std::vector<EpochMetrics> metrics);
  /// Appends a row and rewrites metrics.csv (to a temporary file, then renamed).
  void add(const EpochMetrics& metrics);
  const std::vector<EpochMetrics>& metrics() const { return metrics_; }
  /// Remembers checkpoint.safetensors and model.safetensors as they are, until forget() or the next RunFolder here;
  /// costs no copy where files can have two names.
  void remember() const;
  /// Puts back what remember() found; whether there was a checkpoint.
  bool put_back() const;
  void forget() const;
  /// Draws loss and accuracy over epochs with gnuplot, leaving out values that are not finite; says so if gnuplot is
  /// missing or fails. A picture is replaced when the new one is there.
  void draw_curves(const std::string& title) const;
  /// The same while a run goes on: says nothing, and waits until drawing takes at most a tenth of the time.
  void draw_curves_now_and_then(const std::string& title);

 private:
  using Clock = std::chrono::steady_clock;
  bool draw(const std::string& title) const;

  std::filesystem::path path_;
  HeldFolder held_;
  Clock::time_point next_drawing_ = Clock::now();
  std::vector<EpochMetrics> metrics_;
};

}  // namespace evenkeel::examples
