#include "evenkeel/optim/radam.hpp"

#include <cmath>

namespace evenkeel::optim {

template class RuleOptimizer<RAdamOptions>;

std::vector<StateSpec> RAdamOptions::state() {
  return {{.name = "step", .counter = true}, {.name = "exp_avg"}, {.name = "exp_avg_sq"}};
}

kernels::RAdamStep RAdamOptions::rule(const Progress& at) const {
  const double power2 = std::pow(beta2, at.step), correction2 = 1 - power2;
  const double longest = 2 / (1 - beta2) - 1, length = longest - 2 * at.step * power2 / correction2;
  const bool rectified = length > 5;
  const double rectification = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length);
  return {.lr = lr,
          .beta1 = beta1,
          .beta2 = beta2,
          .eps = eps,
          .weight_decay = weight_decay,
          .rate = lr / (1 - std::pow(beta1, at.step)) * (rectified ? std::sqrt(correction2 * rectification) : 1),
          .rectified = rectified,
          .decoupled = decoupled_weight_decay,
          .maximize = maximize};
}

void RAdamOptions::check(const std::string& op) const {
  check_not_negative(op, {{"lr", lr}, {"eps", eps}});
  check_beta(op, "beta1", beta1);
  check_beta(op, "beta2", beta2);
  check_not_negative(op, {{"weight_decay", weight_decay}});
}

std::vector<StateField> RAdamOptions::fields() {
  return {{"lr", &lr},
          {"beta1", &beta1},
          {"beta2", &beta2},
          {"eps", &eps},
          {"weight_decay", &weight_decay},
          {"decoupled_weight_decay", &decoupled_weight_decay},
          {"maximize", &maximize}};
}

}  // namespace evenkeel::optim
