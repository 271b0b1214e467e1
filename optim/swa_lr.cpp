#include "evenkeel/optim/swa_lr.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace evenkeel::optim {

SWALR::SWALR(Optimizer& optimizer, std::vector<double> swa_lr, std::int64_t anneal_epochs, Anneal anneal_strategy)
    : LRScheduler(optimizer),
      swa_lr_(std::move(swa_lr)),
      anneal_epochs_(anneal_epochs),
      anneal_strategy_(anneal_strategy) {
  require(anneal_epochs >= 0, "SWALR", "anneal_epochs must be equal or greater than 0, got ", anneal_epochs);
  check_one_or_per_group(swa_lr_, "SWALR", "swa_lr");
  saved("swa_lr", swa_lr_);
  saved("anneal_epochs", anneal_epochs_);
  initial_step();
}

/// How far the rate has come.
double SWALR::part(std::int64_t epoch) const {
  const double t = static_cast<double>(std::clamp<std::int64_t>(epoch, 0, std::max<std::int64_t>(anneal_epochs_, 1))) /
                   static_cast<double>(std::max<std::int64_t>(anneal_epochs_, 1));
  return anneal_strategy_ == Anneal::linear ? t : (1 - std::cos(std::numbers::pi * t)) / 2;
}

double SWALR::next_lr(std::size_t group) {
  const std::int64_t epoch = anneal_epochs_ == 0 ? std::max<std::int64_t>(last_epoch_, 1) : last_epoch_;
  const double target = of_group(swa_lr_, group, "SWALR", "swa_lr");
  const double before = part(epoch - 1), now = part(epoch);
  const double first = before == 1 ? target : (present_lr(group) - before * target) / (1 - before);
  return now * target + (1 - now) * first;
}

}  // namespace evenkeel::optim
