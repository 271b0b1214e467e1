#include "evenkeel/optim/sgd.hpp"

#include <cmath>

namespace evenkeel::optim {

template class RuleOptimizer<SGDOptions>;

std::vector<StateSpec> SGDOptions::state() { return {{.name = "momentum_buffer", .optional = true}}; }

kernels::SgdStep SGDOptions::rule(const Progress& at) const {
  return {.lr = lr,
          .momentum = momentum,
          .dampening = dampening,
          .weight_decay = weight_decay,
          .nesterov = nesterov,
          .decoupled = decoupled_weight_decay,
          .maximize = maximize,
          .first = at.first};
}

void SGDOptions::check(const std::string& op) const {
  require(!std::isnan(lr), op, "parameter group didn't specify a value of required optimization parameter lr");
  check_not_negative(op, {{"lr", lr}, {"momentum", momentum}});
  check_finite(op, "dampening", dampening);
  check_not_negative(op, "weight_decay", weight_decay);
  require(!nesterov || (momentum > 0 && dampening == 0), op,
          "Nesterov momentum requires a momentum and zero dampening");
}

std::vector<StateField> SGDOptions::fields() {
  return {{"lr", &lr},
          {"momentum", &momentum},
          {"dampening", &dampening},
          {"weight_decay", &weight_decay},
          {"nesterov", &nesterov},
          {"maximize", &maximize},
          {.name = "decoupled_weight_decay", .value = &decoupled_weight_decay, .optional = true}};
}

}  // namespace evenkeel::optim
