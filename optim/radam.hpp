#pragma once

#include "evenkeel/optim/rule_optimizer.hpp"

namespace evenkeel::optim {

struct RAdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled_weight_decay = false;
  bool maximize = false;

  using Rule = kernels::RAdamStep;
  static constexpr const char* kName = "RAdam";
  static std::vector<StateSpec> state();
  Rule rule(const Progress& at) const;
  void check(const std::string& op) const;
  std::vector<StateField> fields();
};

extern template class RuleOptimizer<RAdamOptions>;

/// RAdam, with torch.optim.RAdam's rules. For a gradient g, a parameter p and its t-th step:
///   g = -g if maximize;  g = g + weight_decay p, if decoupled p = p (1 - lr weight_decay) instead
///   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
///   R = 2 / (1 - beta2) - 1,  r = R - 2 t beta2^t / (1 - beta2^t)
///   p = p - lr m / (1 - beta1^t) if r <= 5, else
///   p = p - lr m / (1 - beta1^t) sqrt((r - 4) (r - 2) R / ((R - 4) (R - 2) r)) sqrt(1 - beta2^t) / (sqrt(v) + eps)
/// Throws on an lr, eps or weight_decay that is negative or not finite and on a beta outside [0, 1).
/// Liu et al. 2020, arXiv:1908.03265, Algorithm 2 (with 5 for 4 as the bound of r, as PyTorch has it).
using RAdam = RuleOptimizer<RAdamOptions>;

}  // namespace evenkeel::optim
