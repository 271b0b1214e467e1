#pragma once

#include "evenkeel/optim/optimizer.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace evenkeel::optim {

/// Base of the schedules, with the rules of torch.optim.lr_scheduler: the constructor sets the learning rate of
/// epoch 0, each step() moves on by one epoch (or batch). Schedules change the present rate (StepLR multiplies it, and
/// so on), so several can act on one optimizer, and a rate set by hand is respected. The rate at construction is the
/// base rate; it is remembered in the optimizer, where later schedules find it.
/// A group that is added to the optimizer later takes part from the next step() on; its base rate is the one that it
/// has then. Schedules made with one value per group, and OneCycleLR, have none for it and throw.
/// A constructor or step that throws leaves optimizer and schedule as they were.
/// The optimizer must outlive the schedule.
class LRScheduler {
 public:
  virtual ~LRScheduler() = default;
  LRScheduler(const LRScheduler&) = delete;
  LRScheduler& operator=(const LRScheduler&) = delete;

  virtual void step();
  std::int64_t last_epoch() const { return last_epoch_; }
  /// The learning rate of each group after the last step.
  const std::vector<double>& get_last_lr() const { return last_lr_; }
  const Optimizer& optimizer() const { return optimizer_; }

  /// Everything but the optimizer and functions. To continue a run, load the optimizer's state too: it holds the rates.
  virtual NamedArrays state_dict() const;
  /// All or nothing; throws naming every missing, unexpected or misshapen key. A saved schedule may have met other
  /// groups of the optimizer than this one, but no more than there are.
  void load_state_dict(const NamedArrays& state) { plan_load_state_dict(state).commit(); }
  /// The checks of load_state_dict(); the plan writes.
  virtual LoadPlan plan_load_state_dict(const NamedArrays& state);

 protected:
  explicit LRScheduler(Optimizer& optimizer);
  /// For the constructors of derived classes, at their end: what is written into the optimizer is written here.
  void initial_step();
  /// Goes to epoch 0 from the present rates.
  virtual void begin();
  /// Goes to epoch 0 from the base rates; what SequentialLR does at a milestone.
  virtual void restart();
  /// The rate of a group at last_epoch(), from its present rate.
  virtual double next_lr(std::size_t group) = 0;
  /// Sets last_epoch() and, with the rate of each group there, the rates; changes nothing if `rate` throws.
  void move_to(std::int64_t epoch, const std::function<double(std::size_t)>& rate);

  /// Makes a member part of the saved state.
  template <class T>
  void saved(std::string name, T& member) {
    fields_.push_back({std::move(name), &member});
  }
  /// The same for a list of one value per group that grows with the groups.
  void saved_per_group(std::string name, std::vector<double>& member) {
    fields_.push_back({std::move(name), &member, true});
  }
  double base_lr(std::size_t group) const { return base_lrs_[group]; }
  double present_lr(std::size_t group) const { return optimizer_.lr(group); }
  std::size_t num_groups() const { return base_lrs_.size(); }
  /// The end of a step that can't fail any more: writes the rates of all groups into the optimizer.
  virtual void set_lrs(std::vector<double> lrs);
  /// `values` as they are, or one value repeated for each group.
  std::vector<double> per_group(std::vector<double> values, std::string_view op, std::string_view name) const;
  /// Throws unless there is one value for all groups, also later ones, or one for each.
  void check_one_or_per_group(const std::vector<double>& values, std::string_view op, std::string_view name) const;
  /// The value of a group; throws where a later group has none.
  static double of_group(const std::vector<double>& values, std::size_t group, std::string_view op,
                         std::string_view name);

  Optimizer& optimizer_;
  std::int64_t last_epoch_ = -1;
  std::vector<double> base_lrs_, last_lr_;

 private:
  friend class CompositeLR;
  void know_all_groups();

  std::vector<StateField> fields_;
  std::size_t remembered_ = 0;  // groups whose base rate the optimizer knows from here
};

/// lr = lr * gamma every step_size epochs.
class StepLR : public LRScheduler {
 public:
  StepLR(Optimizer& optimizer, std::int64_t step_size, double gamma = 0.1);

 protected:
  double next_lr(std::size_t group) override;

 private:
  std::int64_t step_size_;
  double gamma_;
};

/// lr = lr * gamma at each milestone, once for every time that it is listed.
class MultiStepLR : public LRScheduler {
 public:
  MultiStepLR(Optimizer& optimizer, std::vector<std::int64_t> milestones, double gamma = 0.1);

 protected:
  double next_lr(std::size_t group) override;

 private:
  double factor() const;
  std::vector<std::int64_t> milestones_;
  double gamma_;
};

/// lr = lr * gamma at every epoch.
class ExponentialLR : public LRScheduler {
 public:
  ExponentialLR(Optimizer& optimizer, double gamma);

 protected:
  double next_lr(std::size_t group) override;

 private:
  double gamma_;
};

/// lr = eta_min + (base - eta_min) (1 + cos(pi epoch / t_max)) / 2, computed as a recursion from the present rate. Past
/// t_max (PyTorch's T_max) the rate rises again, with period 2 t_max. Loshchilov & Hutter 2017, arXiv:1608.03983,
/// without restarts.
class CosineAnnealingLR : public LRScheduler {
 public:
  CosineAnnealingLR(Optimizer& optimizer, std::int64_t t_max, double eta_min = 0);

 protected:
  double next_lr(std::size_t group) override;

 private:
  std::int64_t T_max_;
  double eta_min_;
};

/// lr = base * factor, with the factor going from start_factor to end_factor over total_iters epochs. With
/// total_iters = 0 the factor is end_factor from the start (PyTorch: start_factor for ever), and start_factor = 0 is
/// allowed (PyTorch divides by zero).
class LinearLR : public LRScheduler {
 public:
  LinearLR(Optimizer& optimizer, double start_factor = 1.0 / 3, double end_factor = 1, std::int64_t total_iters = 5);

 protected:
  double next_lr(std::size_t group) override;

 private:
  double start_factor_, end_factor_;
  std::int64_t total_iters_;
};

/// lr = base * factor before epoch total_iters, base from then on. factor = 0 is allowed (PyTorch divides by zero).
class ConstantLR : public LRScheduler {
 public:
  ConstantLR(Optimizer& optimizer, double factor = 1.0 / 3, std::int64_t total_iters = 5);

 protected:
  double next_lr(std::size_t group) override;

 private:
  double factor_;
  std::int64_t total_iters_;
};

/// lr = base * (1 - epoch / total_iters)^power until epoch total_iters, from where on it stays 0; computed as a
/// recursion from the present rate.
class PolynomialLR : public LRScheduler {
 public:
  explicit PolynomialLR(Optimizer& optimizer, std::int64_t total_iters = 5, double power = 1);

 protected:
  double next_lr(std::size_t group) override;

 private:
  std::int64_t total_iters_;
  double power_;
};

/// Base of the schedules by functions: one for all groups (also later ones) or one per group. Functions are not part of
/// the saved state.
class FunctionLR : public LRScheduler {
 public:
  using Function = std::function<double(std::int64_t epoch)>;

 protected:
  FunctionLR(Optimizer& optimizer, std::string name, std::vector<Function> functions, bool one_for_all);
  /// A group's function at last_epoch().
  double factor(std::size_t group) const;

 private:
  std::string name_;
  std::vector<Function> functions_;
  bool one_for_all_;
};

/// lr = base * f(epoch)
class LambdaLR : public FunctionLR {
 public:
  LambdaLR(Optimizer& optimizer, const Function& f);
  LambdaLR(Optimizer& optimizer, std::vector<Function> functions);

 protected:
  double next_lr(std::size_t group) override;
};

/// lr = lr * f(epoch) from epoch 1 on. In a SequentialLR it goes on from the present rate, with f(0), as in PyTorch.
class MultiplicativeLR : public FunctionLR {
 public:
  MultiplicativeLR(Optimizer& optimizer, const Function& f);
  MultiplicativeLR(Optimizer& optimizer, std::vector<Function> functions);

 protected:
  void restart() override;
  double next_lr(std::size_t group) override;
};

}  // namespace evenkeel::optim
