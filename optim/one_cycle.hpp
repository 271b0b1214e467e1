#pragma once

#include "evenkeel/optim/lr_scheduler.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace evenkeel::optim {

enum class Anneal : std::uint8_t { cos, linear };

struct OneCycleOptions {
  std::vector<double> max_lr;  ///< one value, or one per group
  std::int64_t total_steps = 0;
  double pct_start = 0.3;  ///< the part of the steps in which the rate rises
  Anneal anneal_strategy = Anneal::cos;
  bool cycle_momentum = true;
  std::vector<double> base_momentum = {0.85};
  std::vector<double> max_momentum = {0.95};
  double div_factor = 25;         ///< initial rate: max_lr / div_factor
  double final_div_factor = 1e4;  ///< lowest rate: initial rate / final_div_factor
  bool three_phase = false;
};

/// The 1cycle policy, stepped after every batch: up to max_lr and down to the lowest rate, while the momentum (beta1
/// of Adam) goes the other way. The rate at epoch total_steps, after the last batch, stays the lowest (PyTorch goes
/// past it); one step more throws. Smith & Topin 2018, arXiv:1708.07120.
class OneCycleLR : public LRScheduler {
 public:
  OneCycleLR(Optimizer& optimizer, OneCycleOptions options);

 protected:
  double next_lr(std::size_t group) override;
  void set_lrs(std::vector<double> lrs) override;

 private:
  enum class Level : std::uint8_t { initial, max, min };
  struct Phase {
    double end_step;
    Level from, to;
  };
  /// Where last_epoch() lies: in which phase, and at which part of it.
  struct Place {
    Phase phase;
    double part;
  };
  std::vector<Phase> phases() const;
  Place place() const;
  double anneal(double from, double to, double part) const;
  double rate(Level level, std::size_t group) const;
  double momentum(Level level, std::size_t group) const;

  OneCycleOptions options_;
  std::string momentum_name_;
  std::vector<double> initial_lr_, min_lr_;
};

}  // namespace evenkeel::optim
