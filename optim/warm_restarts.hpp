#pragma once

#include "evenkeel/optim/lr_scheduler.hpp"

#include <cstdint>

namespace evenkeel::optim {

/// lr = eta_min + (base - eta_min) (1 + cos(pi T_cur / T_i)) / 2, where T_cur epochs have passed since the last restart
/// and T_i lie between two of them: t_0 at first (PyTorch's T_0), t_mult (T_mult) times as many after each restart.
/// Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5.
class CosineAnnealingWarmRestarts : public LRScheduler {
 public:
  CosineAnnealingWarmRestarts(Optimizer& optimizer, std::int64_t t_0, std::int64_t t_mult = 1, double eta_min = 0);
  void step() override;
  /// Goes to any epoch, also to one inside of an epoch: step(epoch + batch / batches). Throws unless it is at least 0
  /// and finite. Restarts are met exactly (PyTorch finds them by a logarithm, whose rounding delays some by an epoch).
  void step(double epoch);

 protected:
  void begin() override;
  double next_lr(std::size_t group) override { return rate(group, place_); }

 private:
  struct Place {
    double T_cur = 0;
    std::int64_t T_i = 1;
  };
  double rate(std::size_t group, const Place& at) const;
  void go(std::int64_t epoch, const Place& to);

  std::int64_t T_0_, T_mult_;
  double eta_min_;
  Place place_;
};

}  // namespace evenkeel::optim
