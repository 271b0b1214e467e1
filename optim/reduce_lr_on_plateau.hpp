#pragma once

#include "evenkeel/optim/optimizer.hpp"

#include <cstdint>
#include <vector>

namespace evenkeel::optim {

enum class PlateauMode : std::uint8_t { min, max };
enum class ThresholdMode : std::uint8_t { rel, abs };

struct PlateauOptions {
  PlateauMode mode = PlateauMode::min;
  double factor = 0.1;
  std::int64_t patience = 10;
  double threshold = 1e-4;
  ThresholdMode threshold_mode = ThresholdMode::rel;
  std::int64_t cooldown = 0;
  std::vector<double> min_lr = {0};  ///< one value, or one per group
  double eps = 1e-8;                 ///< smaller changes of the rate are not made
};

/// lr = max(lr * factor, min_lr) when a metric has not got better for more than `patience` epochs. A NaN is no better.
/// A group that is added to the optimizer later takes part from the next step() on, if there is one min_lr for all;
/// else step() throws. The optimizer must outlive this.
class ReduceLROnPlateau {
 public:
  explicit ReduceLROnPlateau(Optimizer& optimizer, PlateauOptions options = {});
  void step(double metric);
  std::int64_t last_epoch() const { return last_epoch_; }
  std::vector<double> get_last_lr() const;
  NamedArrays state_dict() const;
  /// All or nothing, as LRScheduler's.
  void load_state_dict(const NamedArrays& state) { plan_load_state_dict(state).commit(); }
  LoadPlan plan_load_state_dict(const NamedArrays& state);

 private:
  bool better(double metric) const;
  void reduce();

  Optimizer& optimizer_;
  PlateauOptions options_;
  const bool one_min_lr_;  // for all groups, also later ones
  double best_;
  std::int64_t num_bad_epochs_ = 0, cooldown_counter_ = 0, last_epoch_ = 0;
  std::vector<StateField> fields_;
};

}  // namespace evenkeel::optim
