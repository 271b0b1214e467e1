#pragma once

#include "evenkeel/optim/rule_optimizer.hpp"

namespace evenkeel::optim {

struct NAdamOptions {
  double lr = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  double momentum_decay = 4e-3;
  bool decoupled_weight_decay = false;
  bool maximize = false;

  using Rule = kernels::NAdamStep;
  static constexpr const char* kName = "NAdam";
  static std::vector<StateSpec> state();
  Rule rule(const Progress& at) const;
  void check(const std::string& op) const;
  std::vector<StateField> fields();
};

extern template class RuleOptimizer<NAdamOptions>;

/// NAdam, with torch.optim.NAdam's rules. For a gradient g, a parameter p and its t-th step:
///   g = -g if maximize;  g = g + weight_decay p, if decoupled p = p (1 - lr weight_decay) instead
///   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,  mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2)
///   p = p - lr ((1 - mu_t) g / (1 - M_t) + mu_{t+1} m / (1 - M_{t+1})) / (sqrt(v / (1 - beta2^t)) + eps)
/// where M_t = mu_1 ... mu_t, the state mu_product. Throws on an lr, eps, weight_decay or momentum_decay that is
/// negative or not finite and on a beta outside [0, 1). Dozat 2016, "Incorporating Nesterov momentum into Adam",
/// Algorithm 2.
using NAdam = RuleOptimizer<NAdamOptions>;

}  // namespace evenkeel::optim
