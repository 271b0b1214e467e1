#include "evenkeel/optim/sequential_lr.hpp"

#include <algorithm>
#include <optional>

namespace evenkeel::optim {
namespace {

std::string child_prefix(std::size_t i) { return concat("schedulers.", i, "."); }

/// What schedules write into an optimizer, as it is now.
class Rates {
 public:
  explicit Rates(Optimizer& optimizer) : optimizer_(optimizer) {
    for (std::size_t group = 0; group < optimizer.num_groups(); ++group) {
      initial_.push_back(optimizer.initial_lr(group));
      for (const char* name : {"lr", "momentum", "beta1"}) {
        if (optimizer.has_option(name)) {
          options_.push_back({group, name, optimizer.option(group, name)});
        }
      }
    }
  }
  void put_back() const {
    for (std::size_t group = 0; group < initial_.size(); ++group) {
      optimizer_.initial_lr(group) = initial_[group];
    }
    for (const auto& [group, name, value] : options_) {
      optimizer_.set_option(group, name, value);
    }
  }

 private:
  struct Option {
    std::size_t group;
    const char* name;
    double value;
  };
  Optimizer& optimizer_;
  std::vector<std::optional<double>> initial_;
  std::vector<Option> options_;
};

}  // namespace

CompositeLR::CompositeLR(Optimizer& optimizer, const std::string& name,
                         std::vector<std::shared_ptr<LRScheduler>> schedulers)
    : LRScheduler(optimizer), schedulers_(std::move(schedulers)) {
  for (std::size_t i = 0; i < schedulers_.size(); ++i) {
    require(schedulers_[i] != nullptr && &schedulers_[i]->optimizer() == &optimizer, name,
            "all schedulers must belong to the optimizer given, got another's at index ", i);
  }
}

void CompositeLR::reserve_all_groups() {
  base_lrs_.reserve(optimizer_.num_groups());
  last_lr_.reserve(optimizer_.num_groups());
}

void CompositeLR::arrive(std::int64_t epoch) {
  know_all_groups();
  last_epoch_ = epoch;
  for (std::size_t group = 0; group < last_lr_.size(); ++group) {
    last_lr_[group] = present_lr(group);
  }
}

NamedArrays CompositeLR::state_dict() const {
  NamedArrays state = LRScheduler::state_dict();
  for (std::size_t i = 0; i < schedulers_.size(); ++i) {
    for (auto& [name, array] : schedulers_[i]->state_dict()) {
      state.emplace_back(child_prefix(i) + name, array);
    }
  }
  return state;
}

LoadPlan CompositeLR::plan_load_state_dict(const NamedArrays& state) {
  NamedArrays own = state;
  LoadPlan plan;
  for (std::size_t i = 0; i < schedulers_.size(); ++i) {
    plan.add(schedulers_[i]->plan_load_state_dict(split_off(own, child_prefix(i))));
  }
  plan.add(LRScheduler::plan_load_state_dict(own));
  return plan;
}

SequentialLR::SequentialLR(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedulers,
                           std::vector<std::int64_t> milestones)
    : CompositeLR(optimizer, "SequentialLR", std::move(schedulers)), milestones_(std::move(milestones)) {
  require(!schedulers_.empty() && milestones_.size() == schedulers_.size() - 1, "SequentialLR",
          "there must be one scheduler more than milestones, got ", schedulers_.size(), " and ", milestones_.size());
  std::int64_t last = 0;
  for (const std::int64_t milestone : milestones_) {
    require(milestone > last, "SequentialLR", "milestones must be positive and rise, got ", milestone, " after ", last);
    last = milestone;
  }
  saved("milestones", milestones_);
  LRScheduler::restart();
}

void SequentialLR::begin() {
  reserve_all_groups();
  begin_part(*schedulers_[0]);
  arrive(0);
}

void SequentialLR::step() {
  const std::int64_t epoch = last_epoch_ + 1;
  const auto passed = std::ranges::upper_bound(milestones_, epoch) - milestones_.begin();
  LRScheduler& scheduler = *schedulers_[static_cast<std::size_t>(passed)];
  reserve_all_groups();
  if (passed > 0 && milestones_[static_cast<std::size_t>(passed - 1)] == epoch) {
    restart_part(scheduler);
  } else {
    scheduler.step();
  }
  arrive(epoch);
}

ChainedScheduler::ChainedScheduler(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedulers)
    : CompositeLR(optimizer, "ChainedScheduler", std::move(schedulers)) {
  require(!schedulers_.empty(), "ChainedScheduler",
          "expects at least one scheduler to be chained, but got no scheduler");
  arrive(0);
}

void ChainedScheduler::advance(std::int64_t epoch, void (*f)(LRScheduler& part)) {
  reserve_all_groups();
  const Rates rates(optimizer_);
  LoadPlan parts_as_they_were;
  for (const auto& part : schedulers_) {
    parts_as_they_were.add(part->plan_load_state_dict(part->state_dict()));
  }
  try {
    for (const auto& part : schedulers_) {
      f(*part);
    }
  } catch (...) {
    parts_as_they_were.commit();
    rates.put_back();
    throw;
  }
  arrive(epoch);
}

void ChainedScheduler::begin() {
  advance(0, [](LRScheduler& part) { begin_part(part); });
}

void ChainedScheduler::step() {
  advance(last_epoch_ + 1, [](LRScheduler& part) { part.step(); });
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
