#pragma once

#include "evenkeel/optim/lr_scheduler.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace evenkeel::optim {

/// Runs schedules one after the other: schedulers[i + 1] starts from its epoch 0 at epoch milestones[i]. All act on
/// `optimizer`, whose rates go back to the base first. Milestones must be positive and rise.
class SequentialLR : public LRScheduler {
 public:
  SequentialLR(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedulers,
               std::vector<std::int64_t> milestones);
  void step() override;
  NamedArrays state_dict() const override;
  LoadPlan plan_load_state_dict(const NamedArrays& state) override;

 protected:
  void restart() override;
  double next_lr(std::size_t group) override { return present_lr(group); }

 private:
  void reserve_all_groups();
  void arrive(std::int64_t epoch, const LRScheduler& scheduler);

  std::vector<std::shared_ptr<LRScheduler>> schedulers_;
  std::vector<std::int64_t> milestones_;
};

/// `then`, after a linear rise of the rate from start_factor * base to base over `steps` steps. steps = 0: `then`
/// itself. Throws, changing nothing, if `then` is null or belongs to another optimizer.
std::shared_ptr<LRScheduler> warmup(Optimizer& optimizer, std::int64_t steps, std::shared_ptr<LRScheduler> then,
                                    double start_factor = 1.0 / 3);

}  // namespace evenkeel::optim
