#include "evenkeel/optim/sequential_lr.hpp"

#include <algorithm>

namespace evenkeel::optim {
namespace {

std::string child_prefix(std::size_t i) { return concat("schedulers.", i, "."); }

}  // namespace

SequentialLR::SequentialLR(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedulers,
                           std::vector<std::int64_t> milestones)
    : LRScheduler(optimizer), schedulers_(std::move(schedulers)), milestones_(std::move(milestones)) {
  require(!schedulers_.empty() && milestones_.size() == schedulers_.size() - 1, "SequentialLR",
          "there must be one scheduler more than milestones, got ", schedulers_.size(), " and ", milestones_.size());
  for (std::size_t i = 0; i < schedulers_.size(); ++i) {
    require(schedulers_[i] != nullptr && &schedulers_[i]->optimizer() == &optimizer, "SequentialLR",
            "all schedulers must belong to the optimizer given, got another's at index ", i);
  }
  std::int64_t last = 0;
  for (const std::int64_t milestone : milestones_) {
    require(milestone > last, "SequentialLR", "milestones must be positive and rise, got ", milestone, " after ", last);
    last = milestone;
  }
  saved("milestones", milestones_);
  SequentialLR::restart();
}

void SequentialLR::restart() {
  std::vector<double> before;
  for (std::size_t group = 0; group < optimizer_.num_groups(); ++group) {
    before.push_back(optimizer_.lr(group));
  }
  reserve_all_groups();
  for (std::size_t group = 0; group < before.size(); ++group) {
    optimizer_.set_lr(group, optimizer_.initial_lr(group).value_or(before[group]));
  }
  try {
    schedulers_[0]->restart();
  } catch (...) {
    for (std::size_t group = 0; group < before.size(); ++group) {
      optimizer_.set_lr(group, before[group]);
    }
    throw;
  }
  arrive(0, *schedulers_[0]);
}

void SequentialLR::step() {
  const std::int64_t epoch = last_epoch_ + 1;
  const auto passed = std::ranges::upper_bound(milestones_, epoch) - milestones_.begin();
  LRScheduler& scheduler = *schedulers_[static_cast<std::size_t>(passed)];
  reserve_all_groups();
  if (passed > 0 && milestones_[static_cast<std::size_t>(passed - 1)] == epoch) {
    scheduler.restart();
  } else {
    scheduler.step();
  }
  arrive(epoch, scheduler);
}

/// So that arrive() can't fail.
void SequentialLR::reserve_all_groups() {
  base_lrs_.reserve(optimizer_.num_groups());
  last_lr_.reserve(optimizer_.num_groups());
}

void SequentialLR::arrive(std::int64_t epoch, const LRScheduler& scheduler) {
  know_all_groups();
  last_epoch_ = epoch;
  last_lr_ = scheduler.get_last_lr();
}

NamedArrays SequentialLR::state_dict() const {
  NamedArrays state = LRScheduler::state_dict();
  for (std::size_t i = 0; i < schedulers_.size(); ++i) {
    for (auto& [name, array] : schedulers_[i]->state_dict()) {
      state.emplace_back(child_prefix(i) + name, array);
    }
  }
  return state;
}

LoadPlan SequentialLR::plan_load_state_dict(const NamedArrays& state) {
  NamedArrays own = state;
  LoadPlan plan;
  for (std::size_t i = 0; i < schedulers_.size(); ++i) {
    plan.add(schedulers_[i]->plan_load_state_dict(split_off(own, child_prefix(i))));
  }
  plan.add(LRScheduler::plan_load_state_dict(own));
  return plan;
}

std::shared_ptr<LRScheduler> warmup(Optimizer& optimizer, std::int64_t steps, std::shared_ptr<LRScheduler> then,
                                    double start_factor) {
  require(steps >= 0, "warmup", "steps must be at least 0, got ", steps);
  require(then != nullptr, "warmup", "there is no scheduler to follow");
  require(&then->optimizer() == &optimizer, "warmup", "the scheduler to follow must belong to the optimizer given");
  if (steps == 0) {
    return then;
  }
  auto rise = std::make_shared<LinearLR>(optimizer, start_factor, 1.0, steps);
  return std::make_shared<SequentialLR>(optimizer,
                                        std::vector<std::shared_ptr<LRScheduler>>{std::move(rise), std::move(then)},
                                        std::vector<std::int64_t>{steps});
}

}  // namespace evenkeel::optim
