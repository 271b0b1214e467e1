#include "evenkeel/optim/cyclic_lr.hpp"

#include <cmath>

namespace evenkeel::optim {

CyclicLR::CyclicLR(Optimizer& optimizer, CyclicOptions options)
    : LRScheduler(optimizer),
      options_(std::move(options)),
      step_size_down_(options_.step_size_down.value_or(options_.step_size_up)) {
  CyclicOptions& o = options_;
  require(o.step_size_up > 0, "CyclicLR", "step_size_up must be positive, got ", o.step_size_up);
  require(step_size_down_ >= 0, "CyclicLR", "step_size_down must be at least 0, got ", step_size_down_);
  check_finite("CyclicLR", "gamma", o.gamma);
  check_one_or_per_group(o.base_lr, "CyclicLR", "base_lr");
  check_one_or_per_group(o.max_lr, "CyclicLR", "max_lr");
  if (o.cycle_momentum) {
    momentum_name_ = optimizer.has_option("momentum") ? "momentum" : "beta1";
    require(optimizer.has_option(momentum_name_), "CyclicLR",
            "optimizer must support momentum or beta1 with `cycle_momentum` option enabled");
    check_one_or_per_group(o.base_momentum, "CyclicLR", "base_momentum");
    check_one_or_per_group(o.max_momentum, "CyclicLR", "max_momentum");
    saved("base_momentum", o.base_momentum);
    saved("max_momentum", o.max_momentum);
  }
  for (std::size_t group = 0; group < num_groups(); ++group) {
    base_lrs_[group] = optimizer.initial_lr(group).value_or(of_group(o.base_lr, group, "CyclicLR", "base_lr"));
  }
  saved("base_lr", o.base_lr);
  saved("max_lr", o.max_lr);
  saved("step_size_up", o.step_size_up);
  saved("step_size_down", step_size_down_);
  saved("gamma", o.gamma);
  initial_step();
}

double CyclicLR::height() const {
  const auto up = static_cast<double>(options_.step_size_up);
  const double total = up + static_cast<double>(step_size_down_), ratio = up / total;
  const auto step = static_cast<double>(last_epoch_);
  const double cycle = std::floor(1 + step / total);
  const double x = 1 + step / total - cycle;
  const double height = x <= ratio ? x / ratio : (x - 1) / (ratio - 1);
  if (options_.scale_fn) {
    return height * options_.scale_fn(options_.scale_mode == ScaleMode::cycle ? cycle : step);
  }
  switch (options_.mode) {
    case CycleMode::triangular:
      return height;
    case CycleMode::triangular2:
      return height / std::pow(2.0, cycle - 1);
    default:
      return height * std::pow(options_.gamma, step);
  }
}

double CyclicLR::next_lr(std::size_t group) {
  const double low = of_group(options_.base_lr, group, "CyclicLR", "base_lr");
  return low + (of_group(options_.max_lr, group, "CyclicLR", "max_lr") - low) * height();
}

double CyclicLR::momentum(std::size_t group) const {
  const double high = of_group(options_.max_momentum, group, "CyclicLR", "max_momentum");
  return high - (high - of_group(options_.base_momentum, group, "CyclicLR", "base_momentum")) * height();
}

void CyclicLR::set_lrs(std::vector<double> lrs) {
  if (options_.cycle_momentum) {
    std::vector<double> momenta(lrs.size());
    for (std::size_t group = 0; group < lrs.size(); ++group) {
      momenta[group] = momentum(group);
    }
    for (std::size_t group = 0; group < lrs.size(); ++group) {
      optimizer_.set_option(group, momentum_name_, momenta[group]);
    }
  }
  LRScheduler::set_lrs(std::move(lrs));
}

}  // namespace evenkeel::optim
