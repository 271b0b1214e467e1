#pragma once

#include "evenkeel/optim/lr_scheduler.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace evenkeel::optim {

/// Base of schedules that are made of others, which have one optimizer.
class CompositeLR : public LRScheduler {
 public:
  NamedArrays state_dict() const override;
  LoadPlan plan_load_state_dict(const NamedArrays& state) override;

 protected:
  CompositeLR(Optimizer& optimizer, const std::string& name, std::vector<std::shared_ptr<LRScheduler>> schedulers);
  double next_lr(std::size_t group) override { return present_lr(group); }
  /// For derived classes, which are no friends of their parts.
  static void begin_part(LRScheduler& part) { part.begin(); }
  static void restart_part(LRScheduler& part) { part.restart(); }
  /// So that arrive() can't fail.
  void reserve_all_groups();
  void arrive(std::int64_t epoch);

  std::vector<std::shared_ptr<LRScheduler>> schedulers_;
};

/// Runs schedules one after the other: schedulers[i + 1] starts from its epoch 0 at epoch milestones[i]. All act on
/// `optimizer`, whose rates go back to the base first. Milestones must be positive and rise.
class SequentialLR : public CompositeLR {
 public:
  SequentialLR(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedulers,
               std::vector<std::int64_t> milestones);
  void step() override;

 protected:
  void begin() override;

 private:
  std::vector<std::int64_t> milestones_;
};

/// Steps all schedules, one behind the other, in one step(): each goes on from the rate that the one before has set, so
/// they must be such as change the present rate (most do; not LambdaLR, OneCycleLR, CyclicLR and
/// CosineAnnealingWarmRestarts, unless they come first). last_epoch() counts the steps made here.
class ChainedScheduler : public CompositeLR {
 public:
  ChainedScheduler(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedulers);
  void step() override;

 protected:
  void begin() override;

 private:
  /// f(part) for each, and the epoch that is reached then; if one throws, all are as they were.
  void advance(std::int64_t epoch, void (*f)(LRScheduler& part));
};

/// `then`, after a linear rise of the rate from start_factor * base to base over `steps` steps. steps = 0: `then`
/// itself. Throws, changing nothing, if `then` is null or belongs to another optimizer.
std::shared_ptr<LRScheduler> warmup(Optimizer& optimizer, std::int64_t steps, std::shared_ptr<LRScheduler> then,
                                    double start_factor = 1.0 / 3);

}  // namespace evenkeel::optim
