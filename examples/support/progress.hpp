#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace evenkeel::examples {

/// "1:23" or "12 s".
std::string format_duration(double seconds);

/// A live line on a terminal (epoch, step, loss, accuracy, time left, images/s, a bar: as much as its width takes),
/// redrawn at most ten times a second; nothing where the output is no terminal, so that a log stays one line per epoch.
class Progress {
 public:
  /// `label` stands in front ("bn, batch 2  epoch 1/3").
  Progress(std::string label, std::int64_t steps);
  /// After step `step` (from 1) of the epoch: running means so far (an accuracy of NaN is not known) and images seen so
  /// far.
  void update(std::int64_t step, double loss, double accuracy, std::int64_t images);
  /// Clears the line.
  void finish();
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_;
  std::int64_t steps_;
  bool live_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_{};
};

}  // namespace evenkeel::examples
