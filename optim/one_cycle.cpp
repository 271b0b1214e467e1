#include "evenkeel/optim/one_cycle.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace evenkeel::optim {

OneCycleLR::OneCycleLR(Optimizer& optimizer, OneCycleOptions options)
    : LRScheduler(optimizer), options_(std::move(options)) {
  OneCycleOptions& o = options_;
  require(o.total_steps > 0, "OneCycleLR", "total_steps must be positive, got ", o.total_steps);
  require(o.pct_start >= 0 && o.pct_start <= 1, "OneCycleLR", "pct_start must lie in [0, 1], got ", o.pct_start);
  require(o.div_factor > 0 && o.final_div_factor > 0, "OneCycleLR",
          "div_factor and final_div_factor must be positive, got ", o.div_factor, " and ", o.final_div_factor);
  o.max_lr = per_group(o.max_lr, "OneCycleLR", "max_lr");
  if (o.cycle_momentum) {
    momentum_name_ = optimizer.has_option("momentum") ? "momentum" : "beta1";
    require(optimizer.has_option(momentum_name_), "OneCycleLR",
            "optimizer must support momentum with `cycle_momentum` option enabled");
    o.base_momentum = per_group(o.base_momentum, "OneCycleLR", "base_momentum");
    o.max_momentum = per_group(o.max_momentum, "OneCycleLR", "max_momentum");
    saved("base_momentum", o.base_momentum);
    saved("max_momentum", o.max_momentum);
  }
  for (std::size_t group = 0; group < num_groups(); ++group) {
    initial_lr_.push_back(o.max_lr[group] / o.div_factor);
    min_lr_.push_back(initial_lr_[group] / o.final_div_factor);
    base_lrs_[group] = initial_lr_[group];  // which the first step writes into the optimizer
  }
  saved("max_lr", o.max_lr);
  saved("initial_lr", initial_lr_);
  saved("min_lr", min_lr_);
  saved("total_steps", o.total_steps);
  saved("pct_start", o.pct_start);
  saved("three_phase", o.three_phase);
  initial_step();
}

std::vector<OneCycleLR::Phase> OneCycleLR::phases() const {
  const auto total = static_cast<double>(options_.total_steps);
  const double rise = options_.pct_start * total;
  if (options_.three_phase) {
    return {{rise - 1, Level::initial, Level::max},
            {2 * rise - 2, Level::max, Level::initial},
            {total - 1, Level::initial, Level::min}};
  }
  return {{rise - 1, Level::initial, Level::max}, {total - 1, Level::max, Level::min}};
}

double OneCycleLR::anneal(double from, double to, double part) const {
  if (options_.anneal_strategy == Anneal::linear) {
    return (to - from) * part + from;
  }
  return to + (from - to) / 2 * (std::cos(std::numbers::pi * part) + 1);
}

double OneCycleLR::rate(Level level, std::size_t group) const {
  switch (level) {
    case Level::initial:
      return initial_lr_[group];
    case Level::max:
      return options_.max_lr[group];
    default:
      return min_lr_[group];
  }
}

double OneCycleLR::momentum(Level level, std::size_t group) const {
  return level == Level::max ? options_.base_momentum[group] : options_.max_momentum[group];
}

OneCycleLR::Place OneCycleLR::place() const {
  const auto step = static_cast<double>(last_epoch_);
  const std::vector<Phase> all = phases();
  double start = 0;
  std::size_t i = 0;
  for (; i + 1 < all.size() && step > all[i].end_step; ++i) {
    start = all[i].end_step;
  }
  const Phase& phase = all[i];
  // A phase without steps is over at once; the step after the last one stays at the end.
  return {phase, phase.end_step == start ? 1 : std::min((step - start) / (phase.end_step - start), 1.0)};
}

double OneCycleLR::next_lr(std::size_t group) {
  require<StateError>(last_epoch_ <= options_.total_steps, "OneCycleLR", "Tried to step ", last_epoch_ + 1,
                      " times. The specified number of total steps is ", options_.total_steps);
  require<StateError>(group < initial_lr_.size(), "OneCycleLR", "group ", group,
                      " was added after the schedule was made, so it has no max_lr; make a new schedule");
  const auto [phase, part] = place();
  return anneal(rate(phase.from, group), rate(phase.to, group), part);
}

void OneCycleLR::set_lrs(std::vector<double> lrs) {
  if (options_.cycle_momentum) {
    const auto [phase, part] = place();
    for (std::size_t group = 0; group < lrs.size(); ++group) {
      optimizer_.set_option(group, momentum_name_,
                            anneal(momentum(phase.from, group), momentum(phase.to, group), part));
    }
  }
  LRScheduler::set_lrs(std::move(lrs));
}

}  // namespace evenkeel::optim
