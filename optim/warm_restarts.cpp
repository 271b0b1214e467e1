#include "evenkeel/optim/warm_restarts.hpp"

#include <cmath>
#include <numbers>

namespace evenkeel::optim {

CosineAnnealingWarmRestarts::CosineAnnealingWarmRestarts(Optimizer& optimizer, std::int64_t t_0, std::int64_t t_mult,
                                                         double eta_min)
    : LRScheduler(optimizer), T_0_(t_0), T_mult_(t_mult), eta_min_(eta_min), place_{0, t_0} {
  constexpr std::string_view kName = "CosineAnnealingWarmRestarts";
  require(t_0 > 0, kName, "Expected positive integer T_0, but got ", t_0);
  require(t_mult >= 1, kName, "Expected integer T_mult >= 1, but got ", t_mult);
  check_finite(kName, "eta_min", eta_min);
  saved("T_0", T_0_);
  saved("T_mult", T_mult_);
  saved("T_i", place_.T_i);
  saved("T_cur", place_.T_cur);
  saved("eta_min", eta_min_);
  initial_step();
}

double CosineAnnealingWarmRestarts::rate(std::size_t group, const Place& at) const {
  return eta_min_ +
         (base_lr(group) - eta_min_) * (1 + std::cos(std::numbers::pi * at.T_cur / static_cast<double>(at.T_i))) / 2;
}

void CosineAnnealingWarmRestarts::go(std::int64_t epoch, const Place& to) {
  move_to(epoch, [&](std::size_t group) { return rate(group, to); });
  place_ = to;
}

void CosineAnnealingWarmRestarts::begin() { go(0, {0, T_0_}); }

void CosineAnnealingWarmRestarts::step() {
  Place next{place_.T_cur + 1, place_.T_i};
  if (next.T_cur >= static_cast<double>(next.T_i)) {
    next = {std::fmod(next.T_cur, static_cast<double>(next.T_i)), next.T_i * T_mult_};
  }
  go(last_epoch_ + 1, next);
}

void CosineAnnealingWarmRestarts::step(double epoch) {
  require(epoch >= 0 && epoch < 0x1p53, "CosineAnnealingWarmRestarts", "Expected non-negative epoch, but got ", epoch);
  Place to{epoch, T_0_};
  if (T_mult_ == 1) {
    to.T_cur = std::fmod(epoch, static_cast<double>(T_0_));
  } else {
    while (to.T_cur >= static_cast<double>(to.T_i)) {
      to = {to.T_cur - static_cast<double>(to.T_i), to.T_i * T_mult_};
    }
  }
  go(static_cast<std::int64_t>(epoch), to);
}

}  // namespace evenkeel::optim
