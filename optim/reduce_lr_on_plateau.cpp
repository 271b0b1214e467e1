#include "evenkeel/optim/reduce_lr_on_plateau.hpp"

#include <algorithm>
#include <limits>

namespace evenkeel::optim {

ReduceLROnPlateau::ReduceLROnPlateau(Optimizer& optimizer, PlateauOptions options)
    : optimizer_(optimizer), options_(std::move(options)), one_min_lr_(options_.min_lr.size() == 1) {
  require(options_.factor < 1, "ReduceLROnPlateau", "factor must be below 1, got ", options_.factor);
  if (one_min_lr_) {
    options_.min_lr.resize(optimizer.num_groups(), options_.min_lr[0]);
  }
  require(options_.min_lr.size() == optimizer.num_groups(), "ReduceLROnPlateau", "min_lr must have ",
          optimizer.num_groups(), " values, got ", options_.min_lr.size());
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  best_ = options_.mode == PlateauMode::min ? kInfinity : -kInfinity;
  fields_ = {{"best", &best_},
             {"num_bad_epochs", &num_bad_epochs_},
             {"cooldown_counter", &cooldown_counter_},
             {"last_epoch", &last_epoch_},
             {"factor", &options_.factor},
             {"patience", &options_.patience},
             {"threshold", &options_.threshold},
             {"cooldown", &options_.cooldown},
             {"min_lrs", &options_.min_lr, one_min_lr_},
             {"eps", &options_.eps}};
}

bool ReduceLROnPlateau::better(double metric) const {
  const bool relative = options_.threshold_mode == ThresholdMode::rel;
  if (options_.mode == PlateauMode::min) {
    return metric < (relative ? best_ * (1 - options_.threshold) : best_ - options_.threshold);
  }
  return metric > (relative ? best_ * (options_.threshold + 1) : best_ + options_.threshold);
}

void ReduceLROnPlateau::reduce() {
  for (std::size_t group = 0; group < options_.min_lr.size(); ++group) {
    const double before = optimizer_.lr(group);
    const double after = std::max(before * options_.factor, options_.min_lr[group]);
    if (before - after > options_.eps) {
      optimizer_.set_lr(group, after);
    }
  }
}

void ReduceLROnPlateau::step(double metric) {
  if (optimizer_.num_groups() > options_.min_lr.size()) {
    require<StateError>(
        one_min_lr_, "ReduceLROnPlateau", "group ", options_.min_lr.size(),
        " was added after the schedule was made with one min_lr per group, so it has none; make a new schedule");
    options_.min_lr.resize(optimizer_.num_groups(), options_.min_lr[0]);
  }
  ++last_epoch_;
  if (better(metric)) {
    best_ = metric;
    num_bad_epochs_ = 0;
  } else {
    ++num_bad_epochs_;
  }
  if (cooldown_counter_ > 0) {
    --cooldown_counter_;
    num_bad_epochs_ = 0;  // bad epochs during the cooldown don't count
  }
  if (num_bad_epochs_ > options_.patience) {
    reduce();
    cooldown_counter_ = options_.cooldown;
    num_bad_epochs_ = 0;
  }
}

std::vector<double> ReduceLROnPlateau::get_last_lr() const {
  std::vector<double> lrs;
  for (std::size_t group = 0; group < optimizer_.num_groups(); ++group) {
    lrs.push_back(optimizer_.lr(group));
  }
  return lrs;
}

NamedArrays ReduceLROnPlateau::state_dict() const {
  NamedArrays state;
  for (const StateField& field : fields_) {
    save_field(state, "", field);
  }
  return state;
}

LoadPlan ReduceLROnPlateau::plan_load_state_dict(const NamedArrays& state) {
  StateLoader loader("ReduceLROnPlateau::load_state_dict", state);
  for (const StateField& field : fields_) {
    loader.field("", field, optimizer_.num_groups());
  }
  return loader.plan();
}

}  // namespace evenkeel::optim
