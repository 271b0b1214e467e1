#include "evenkeel/optim/lion.hpp"

namespace evenkeel::optim {

template class RuleOptimizer<LionOptions>;

std::vector<StateSpec> LionOptions::state() { return {{.name = "exp_avg"}}; }

kernels::LionStep LionOptions::rule(const Progress& /*at*/) const {
  return {.lr = lr, .beta1 = beta1, .beta2 = beta2, .weight_decay = weight_decay, .maximize = maximize};
}

void LionOptions::check(const std::string& op) const {
  check_not_negative(op, {{"lr", lr}});
  check_beta(op, "beta1", beta1);
  check_beta(op, "beta2", beta2);
  check_not_negative(op, {{"weight_decay", weight_decay}});
}

std::vector<StateField> LionOptions::fields() {
  return {{"lr", &lr}, {"beta1", &beta1}, {"beta2", &beta2}, {"weight_decay", &weight_decay}, {"maximize", &maximize}};
}

}  // namespace evenkeel::optim
