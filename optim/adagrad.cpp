#include "evenkeel/optim/adagrad.hpp"

namespace evenkeel::optim {

template class RuleOptimizer<AdagradOptions>;

std::vector<StateSpec> AdagradOptions::state() { return {{.name = "step", .counter = true}, {.name = "sum"}}; }

kernels::AdagradStep AdagradOptions::rule(const Progress& at) const {
  return {.lr = lr / (1 + (at.step - 1) * lr_decay), .eps = eps, .weight_decay = weight_decay, .maximize = maximize};
}

void AdagradOptions::check(const std::string& op) const {
  check_not_negative(op, {{"lr", lr},
                          {"lr_decay", lr_decay},
                          {"weight_decay", weight_decay},
                          {"initial_accumulator_value", initial_accumulator_value},
                          {"eps", eps}});
}

std::vector<StateField> AdagradOptions::fields() {
  return {{"lr", &lr},
          {"lr_decay", &lr_decay},
          {"weight_decay", &weight_decay},
          {"initial_accumulator_value", &initial_accumulator_value},
          {"eps", &eps},
          {"maximize", &maximize}};
}

}  // namespace evenkeel::optim
