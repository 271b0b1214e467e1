#include "evenkeel/optim/lamb.hpp"

#include <cmath>

namespace evenkeel::optim {

template class RuleOptimizer<LAMBOptions>;

std::vector<StateSpec> LAMBOptions::state() {
  return {{.name = "step", .counter = true}, {.name = "exp_avg"}, {.name = "exp_avg_sq"}};
}

kernels::LambStep LAMBOptions::rule(const Progress& at) const {
  return {.lr = lr,
          .beta1 = beta1,
          .beta2 = beta2,
          .eps = eps,
          .pull = weight_decay,
          .bias_correction1 = 1 - std::pow(beta1, at.step),
          .bias_correction2 = 1 - std::pow(beta2, at.step),
          .rate = lr,
          .adapt = adapt,
          .maximize = maximize};
}

void LAMBOptions::check(const std::string& op) const {
  check_not_negative(op, {{"lr", lr}, {"eps", eps}});
  check_beta(op, "beta1", beta1);
  check_beta(op, "beta2", beta2);
  check_not_negative(op, {{"weight_decay", weight_decay}});
}

std::vector<StateField> LAMBOptions::fields() {
  return {{"lr", &lr},       {"beta1", &beta1},      {"beta2", &beta2}, {"eps", &eps}, {"weight_decay", &weight_decay},
          {"adapt", &adapt}, {"maximize", &maximize}};
}

}  // namespace evenkeel::optim
