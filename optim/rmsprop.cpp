#include "evenkeel/optim/rmsprop.hpp"

namespace evenkeel::optim {

template class RuleOptimizer<RMSpropOptions>;

std::vector<StateSpec> RMSpropOptions::state() {
  return {{.name = "step", .counter = true},
          {.name = "square_avg"},
          {.name = "grad_avg", .optional = true},
          {.name = "momentum_buffer", .optional = true}};
}

kernels::RmsPropStep RMSpropOptions::rule(const Progress& /*at*/) const {
  return {.lr = lr,
          .alpha = alpha,
          .eps = eps,
          .weight_decay = weight_decay,
          .momentum = momentum,
          .centered = centered,
          .maximize = maximize};
}

void RMSpropOptions::check(const std::string& op) const {
  check_not_negative(
      op, {{"lr", lr}, {"alpha", alpha}, {"eps", eps}, {"weight_decay", weight_decay}, {"momentum", momentum}});
}

std::vector<StateField> RMSpropOptions::fields() {
  return {{"lr", &lr},
          {"alpha", &alpha},
          {"eps", &eps},
          {"weight_decay", &weight_decay},
          {"momentum", &momentum},
          {"centered", &centered},
          {"maximize", &maximize}};
}

}  // namespace evenkeel::optim
