#include "evenkeel/optim/lr_scheduler.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace evenkeel::optim {

using std::numbers::pi;

LRScheduler::LRScheduler(Optimizer& optimizer) : optimizer_(optimizer) {
  know_all_groups();
  saved("last_epoch", last_epoch_);
  saved_per_group("base_lrs", base_lrs_);
  saved_per_group("last_lr", last_lr_);
}

void LRScheduler::know_all_groups() {
  for (std::size_t group = base_lrs_.size(); group < optimizer_.num_groups(); ++group) {
    base_lrs_.push_back(optimizer_.initial_lr(group).value_or(optimizer_.lr(group)));
    last_lr_.push_back(base_lrs_.back());
  }
}

void LRScheduler::move_to(std::int64_t epoch, const std::function<double(std::size_t)>& rate) {
  const std::int64_t epoch_before = last_epoch_;
  const std::size_t known = base_lrs_.size();
  try {
    know_all_groups();
    last_epoch_ = epoch;
    std::vector<double> lrs(num_groups());
    for (std::size_t group = 0; group < lrs.size(); ++group) {
      lrs[group] = rate(group);
      require(std::isfinite(lrs[group]), "LRScheduler", "the rate of group ", group, " must be finite, got ",
              lrs[group]);
    }
    set_lrs(std::move(lrs));
  } catch (...) {
    last_epoch_ = epoch_before;
    base_lrs_.resize(known);
    last_lr_.resize(known);
    throw;
  }
}

void LRScheduler::initial_step() { LRScheduler::begin(); }

void LRScheduler::step() {
  move_to(last_epoch_ + 1, [this](std::size_t group) { return next_lr(group); });
}

void LRScheduler::begin() {
  move_to(0, [this](std::size_t group) { return next_lr(group); });
}

void LRScheduler::restart() {
  const std::size_t known = base_lrs_.size();
  std::vector<double> before;
  before.reserve(optimizer_.num_groups());
  try {
    know_all_groups();
    for (std::size_t group = 0; group < num_groups(); ++group) {
      before.push_back(optimizer_.lr(group));
      optimizer_.set_lr(group, base_lrs_[group]);
    }
    begin();
  } catch (...) {
    for (std::size_t group = 0; group < before.size(); ++group) {
      optimizer_.set_lr(group, before[group]);
    }
    base_lrs_.resize(known);
    last_lr_.resize(known);
    throw;
  }
}

void LRScheduler::set_lrs(std::vector<double> lrs) {
  for (std::size_t group = 0; group < lrs.size(); ++group) {
    optimizer_.set_lr(group, lrs[group]);
    if (group >= remembered_) {
      optimizer_.initial_lr(group) = base_lrs_[group];
    }
  }
  remembered_ = lrs.size();
  last_lr_ = std::move(lrs);
}

std::vector<double> LRScheduler::per_group(std::vector<double> values, std::string_view op,
                                           std::string_view name) const {
  if (values.size() == 1) {
    values.resize(num_groups(), values[0]);
  }
  require(values.size() == num_groups(), op, name, " must have ", num_groups(), " values, got ", values.size());
  return values;
}

void LRScheduler::check_one_or_per_group(const std::vector<double>& values, std::string_view op,
                                         std::string_view name) const {
  require(values.size() == 1 || values.size() == num_groups(), op, name, " must have ", num_groups(), " values, got ",
          values.size());
}

double LRScheduler::of_group(const std::vector<double>& values, std::size_t group, std::string_view op,
                             std::string_view name) {
  require<StateError>(values.size() == 1 || group < values.size(), op, "group ", group,
                      " was added after the schedule was made with one ", name,
                      " per group, so it has none; make a new schedule");
  return values.size() == 1 ? values[0] : values[group];
}

NamedArrays LRScheduler::state_dict() const {
  NamedArrays state;
  for (const StateField& field : fields_) {
    save_field(state, "", field);
  }
  return state;
}

LoadPlan LRScheduler::plan_load_state_dict(const NamedArrays& state) {
  StateLoader loader("LRScheduler::load_state_dict", state);
  for (const StateField& field : fields_) {
    loader.field("", field, optimizer_.num_groups());
  }
  loader.on_success([this] { remembered_ = base_lrs_.size(); });
  return loader.plan();
}

StepLR::StepLR(Optimizer& optimizer, std::int64_t step_size, double gamma)
    : LRScheduler(optimizer), step_size_(step_size), gamma_(gamma) {
  require(step_size > 0, "StepLR", "step_size must be positive, got ", step_size);
  check_finite("StepLR", "gamma", gamma);
  saved("step_size", step_size_);
  saved("gamma", gamma_);
  initial_step();
}

double StepLR::next_lr(std::size_t group) {
  const bool now = last_epoch_ != 0 && last_epoch_ % step_size_ == 0;
  return now ? present_lr(group) * gamma_ : present_lr(group);
}

MultiStepLR::MultiStepLR(Optimizer& optimizer, std::vector<std::int64_t> milestones, double gamma)
    : LRScheduler(optimizer), milestones_(std::move(milestones)), gamma_(gamma) {
  check_finite("MultiStepLR", "gamma", gamma);
  saved("milestones", milestones_);
  saved("gamma", gamma_);
  initial_step();
}

double MultiStepLR::factor() const {
  return std::pow(gamma_, static_cast<double>(std::ranges::count(milestones_, last_epoch_)));
}

double MultiStepLR::next_lr(std::size_t group) { return present_lr(group) * factor(); }

ExponentialLR::ExponentialLR(Optimizer& optimizer, double gamma) : LRScheduler(optimizer), gamma_(gamma) {
  check_finite("ExponentialLR", "gamma", gamma);
  saved("gamma", gamma_);
  initial_step();
}

double ExponentialLR::next_lr(std::size_t group) {
  return last_epoch_ == 0 ? present_lr(group) : present_lr(group) * gamma_;
}

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, std::int64_t t_max, double eta_min)
    : LRScheduler(optimizer), T_max_(t_max), eta_min_(eta_min) {
  require(t_max > 0, "CosineAnnealingLR", "t_max must be positive, got ", t_max);
  check_finite("CosineAnnealingLR", "eta_min", eta_min);
  saved("T_max", T_max_);
  saved("eta_min", eta_min_);
  initial_step();
}

double CosineAnnealingLR::next_lr(std::size_t group) {
  const double lr = present_lr(group);
  if (last_epoch_ == 0) {
    return lr;
  }
  const auto angle = [this](std::int64_t epoch) {
    return pi * static_cast<double>(epoch) / static_cast<double>(T_max_);
  };
  // Coming from the lowest point, where the present rate says nothing: 1 + cos(angle) was 0.
  if ((last_epoch_ - 1 - T_max_) % (2 * T_max_) == 0) {
    return lr + (base_lr(group) - eta_min_) * (1 - std::cos(angle(1))) / 2;
  }
  return (1 + std::cos(angle(last_epoch_))) / (1 + std::cos(angle(last_epoch_ - 1))) * (lr - eta_min_) + eta_min_;
}

LinearLR::LinearLR(Optimizer& optimizer, double start_factor, double end_factor, std::int64_t total_iters)
    : LRScheduler(optimizer), start_factor_(start_factor), end_factor_(end_factor), total_iters_(total_iters) {
  require(start_factor >= 0 && start_factor <= 1, "LinearLR", "start_factor must lie in [0, 1], got ", start_factor);
  require(end_factor >= 0 && end_factor <= 1, "LinearLR", "end_factor must lie in [0, 1], got ", end_factor);
  require(total_iters >= 0, "LinearLR", "total_iters must be at least 0, got ", total_iters);
  saved("start_factor", start_factor_);
  saved("end_factor", end_factor_);
  saved("total_iters", total_iters_);
  initial_step();
}

double LinearLR::next_lr(std::size_t group) {
  const double first = total_iters_ == 0 ? end_factor_ : start_factor_;
  if (last_epoch_ == 0) {
    return present_lr(group) * first;
  }
  if (last_epoch_ > total_iters_) {
    return present_lr(group);
  }
  // factor(epoch) / factor(epoch - 1), both times total_iters
  const double rise = end_factor_ - start_factor_;
  const double before = static_cast<double>(total_iters_) * start_factor_ + static_cast<double>(last_epoch_ - 1) * rise;
  if (before == 0) {
    return base_lr(group) * rise / static_cast<double>(total_iters_);
  }
  return present_lr(group) * (1 + rise / before);
}

ConstantLR::ConstantLR(Optimizer& optimizer, double factor, std::int64_t total_iters)
    : LRScheduler(optimizer), factor_(factor), total_iters_(total_iters) {
  require(factor >= 0 && factor <= 1, "ConstantLR", "factor must lie in [0, 1], got ", factor);
  require(total_iters >= 0, "ConstantLR", "total_iters must be at least 0, got ", total_iters);
  saved("factor", factor_);
  saved("total_iters", total_iters_);
  initial_step();
}

double ConstantLR::next_lr(std::size_t group) {
  if (last_epoch_ == 0) {
    return total_iters_ == 0 ? present_lr(group) : present_lr(group) * factor_;
  }
  if (last_epoch_ != total_iters_) {
    return present_lr(group);
  }
  return factor_ == 0 ? base_lr(group) : present_lr(group) * (1 / factor_);
}

PolynomialLR::PolynomialLR(Optimizer& optimizer, std::int64_t total_iters, double power)
    : LRScheduler(optimizer), total_iters_(total_iters), power_(power) {
  require(total_iters >= 0, "PolynomialLR", "total_iters must be at least 0, got ", total_iters);
  check_not_negative("PolynomialLR", "power", power);
  saved("total_iters", total_iters_);
  saved("power", power_);
  initial_step();
}

double PolynomialLR::next_lr(std::size_t group) {
  if (last_epoch_ == 0 || last_epoch_ > total_iters_) {
    return present_lr(group);
  }
  const auto left = [this](std::int64_t epoch) {
    return 1 - static_cast<double>(epoch) / static_cast<double>(total_iters_);
  };
  return present_lr(group) * std::pow(left(last_epoch_) / left(last_epoch_ - 1), power_);
}

FunctionLR::FunctionLR(Optimizer& optimizer, std::string name, std::vector<Function> functions, bool one_for_all)
    : LRScheduler(optimizer), name_(std::move(name)), functions_(std::move(functions)), one_for_all_(one_for_all) {
  require(one_for_all || functions_.size() == num_groups(), name_, "there must be ", num_groups(), " functions, got ",
          functions_.size());
  require(std::ranges::all_of(functions_, [](const Function& f) { return static_cast<bool>(f); }), name_,
          "a function is empty");
}

double FunctionLR::factor(std::size_t group) const {
  require<StateError>(
      one_for_all_ || group < functions_.size(), name_, "group ", group,
      " was added after the schedule was made with one function per group, so it has none; make a new schedule");
  return functions_[one_for_all_ ? 0 : group](last_epoch_);
}

LambdaLR::LambdaLR(Optimizer& optimizer, const Function& f) : FunctionLR(optimizer, "LambdaLR", {f}, true) {
  initial_step();
}

LambdaLR::LambdaLR(Optimizer& optimizer, std::vector<Function> functions)
    : FunctionLR(optimizer, "LambdaLR", std::move(functions), false) {
  initial_step();
}

double LambdaLR::next_lr(std::size_t group) { return base_lr(group) * factor(group); }

MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, const Function& f)
    : FunctionLR(optimizer, "MultiplicativeLR", {f}, true) {
  initial_step();
}

MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, std::vector<Function> functions)
    : FunctionLR(optimizer, "MultiplicativeLR", std::move(functions), false) {
  initial_step();
}

void MultiplicativeLR::restart() {
  move_to(0, [this](std::size_t group) { return present_lr(group) * factor(group); });
}

double MultiplicativeLR::next_lr(std::size_t group) {
  return last_epoch_ == 0 ? present_lr(group) : present_lr(group) * factor(group);
}

}  // namespace evenkeel::optim
