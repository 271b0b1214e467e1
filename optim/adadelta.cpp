#include "evenkeel/optim/adadelta.hpp"

namespace evenkeel::optim {

template class RuleOptimizer<AdadeltaOptions>;

std::vector<StateSpec> AdadeltaOptions::state() {
  return {{.name = "step", .counter = true}, {.name = "square_avg"}, {.name = "acc_delta"}};
}

kernels::AdadeltaStep AdadeltaOptions::rule(const Progress& /*at*/) const {
  return {.lr = lr, .rho = rho, .eps = eps, .weight_decay = weight_decay, .maximize = maximize};
}

void AdadeltaOptions::check(const std::string& op) const {
  check_not_negative(op, {{"lr", lr}, {"eps", eps}, {"weight_decay", weight_decay}});
  require(rho >= 0 && rho <= 1, op, "rho must lie in [0, 1], got ", rho);
}

std::vector<StateField> AdadeltaOptions::fields() {
  return {{"lr", &lr}, {"rho", &rho}, {"eps", &eps}, {"weight_decay", &weight_decay}, {"maximize", &maximize}};
}

}  // namespace evenkeel::optim
