#include "evenkeel/optim/adam.hpp"

#include <cmath>

namespace evenkeel::optim {

template <bool kDecoupled>
std::vector<StateSpec> AdamFamilyOptions<kDecoupled>::state() {
  return {{.name = "step", .counter = true},
          {.name = "exp_avg"},
          {.name = "exp_avg_sq"},
          {.name = "max_exp_avg_sq", .optional = true}};
}

template <bool kDecoupled>
kernels::AdamStep AdamFamilyOptions<kDecoupled>::rule(const Progress& at) const {
  return {.lr = lr,
          .beta1 = beta1,
          .beta2 = beta2,
          .eps = eps,
          .weight_decay = weight_decay,
          .bias_correction1 = 1 - std::pow(beta1, at.step),
          .root_bias_correction2 = std::sqrt(1 - std::pow(beta2, at.step)),
          .amsgrad = amsgrad,
          .decoupled = kDecoupled,
          .maximize = maximize};
}

template <bool kDecoupled>
void AdamFamilyOptions<kDecoupled>::check(const std::string& op) const {
  check_not_negative(op, {{"lr", lr}, {"eps", eps}});
  check_beta(op, "beta1", beta1);
  check_beta(op, "beta2", beta2);
  check_not_negative(op, "weight_decay", weight_decay);
}

template <bool kDecoupled>
std::vector<StateField> AdamFamilyOptions<kDecoupled>::fields() {
  return {
      {"lr", &lr},           {"beta1", &beta1},      {"beta2", &beta2}, {"eps", &eps}, {"weight_decay", &weight_decay},
      {"amsgrad", &amsgrad}, {"maximize", &maximize}};
}

template struct AdamFamilyOptions<false>;
template struct AdamFamilyOptions<true>;
template class RuleOptimizer<AdamOptions>;
template class RuleOptimizer<AdamWOptions>;

}  // namespace evenkeel::optim
