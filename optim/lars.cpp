#include "evenkeel/optim/lars.hpp"

#include <cmath>

namespace evenkeel::optim {

template class RuleOptimizer<LARSOptions>;

std::vector<StateSpec> LARSOptions::state() { return {{.name = "momentum_buffer"}}; }

kernels::LarsStep LARSOptions::rule(const Progress& /*at*/) const {
  return {.lr = lr,
          .momentum = momentum,
          .weight_decay = weight_decay,
          .trust_coefficient = trust_coefficient,
          .eps = eps,
          .rate = lr,
          .adapt = adapt,
          .maximize = maximize};
}

void LARSOptions::check(const std::string& op) const {
  require(!std::isnan(lr), op, "parameter group didn't specify a value of required optimization parameter lr");
  check_not_negative(op, {{"lr", lr},
                          {"momentum", momentum},
                          {"weight_decay", weight_decay},
                          {"trust_coefficient", trust_coefficient},
                          {"eps", eps}});
}

std::vector<StateField> LARSOptions::fields() {
  return {{"lr", &lr},
          {"momentum", &momentum},
          {"weight_decay", &weight_decay},
          {"trust_coefficient", &trust_coefficient},
          {"eps", &eps},
          {"adapt", &adapt},
          {"maximize", &maximize}};
}

}  // namespace evenkeel::optim
