#include "evenkeel/optim/nadam.hpp"

#include <cmath>

namespace evenkeel::optim {

template class RuleOptimizer<NAdamOptions>;

std::vector<StateSpec> NAdamOptions::state() {
  return {{.name = "step", .counter = true},
          {.name = "mu_product", .number = true},
          {.name = "exp_avg"},
          {.name = "exp_avg_sq"}};
}

kernels::NAdamStep NAdamOptions::rule(const Progress& at) const {
  const auto mu = [this](double step) { return beta1 * (1 - 0.5 * std::pow(0.96, step * momentum_decay)); };
  const double mu_product = at.number * mu(at.step), mu_next = mu(at.step + 1);
  return {.lr = lr,
          .beta1 = beta1,
          .beta2 = beta2,
          .eps = eps,
          .weight_decay = weight_decay,
          .gradient_rate = lr * (1 - mu(at.step)) / (1 - mu_product),
          .mean_rate = lr * mu_next / (1 - mu_product * mu_next),
          .bias_correction2 = 1 - std::pow(beta2, at.step),
          .kept_number = mu_product,
          .decoupled = decoupled_weight_decay,
          .maximize = maximize};
}

void NAdamOptions::check(const std::string& op) const {
  check_not_negative(op, {{"lr", lr}, {"eps", eps}});
  check_beta(op, "beta1", beta1);
  check_beta(op, "beta2", beta2);
  check_not_negative(op, {{"weight_decay", weight_decay}, {"momentum_decay", momentum_decay}});
}

std::vector<StateField> NAdamOptions::fields() {
  return {{"lr", &lr},
          {"beta1", &beta1},
          {"beta2", &beta2},
          {"eps", &eps},
          {"weight_decay", &weight_decay},
          {"momentum_decay", &momentum_decay},
          {"decoupled_weight_decay", &decoupled_weight_decay},
          {"maximize", &maximize}};
}

}  // namespace evenkeel::optim
