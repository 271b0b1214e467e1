#include "evenkeel/optim/adamax.hpp"

#include <cmath>

namespace evenkeel::optim {

template class RuleOptimizer<AdamaxOptions>;

std::vector<StateSpec> AdamaxOptions::state() {
  return {{.name = "step", .counter = true}, {.name = "exp_avg"}, {.name = "exp_inf"}};
}

kernels::AdamaxStep AdamaxOptions::rule(const Progress& at) const {
  return {.lr = lr,
          .beta1 = beta1,
          .beta2 = beta2,
          .eps = eps,
          .weight_decay = weight_decay,
          .bias_correction1 = 1 - std::pow(beta1, at.step),
          .maximize = maximize};
}

void AdamaxOptions::check(const std::string& op) const {
  check_not_negative(op, {{"lr", lr}, {"eps", eps}});
  check_beta(op, "beta1", beta1);
  check_beta(op, "beta2", beta2);
  check_not_negative(op, {{"weight_decay", weight_decay}});
}

std::vector<StateField> AdamaxOptions::fields() {
  return {{"lr", &lr},
          {"beta1", &beta1},
          {"beta2", &beta2},
          {"eps", &eps},
          {"weight_decay", &weight_decay},
          {"maximize", &maximize}};
}

}  // namespace evenkeel::optim
