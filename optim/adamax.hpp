#pragma once

#include "evenkeel/optim/rule_optimizer.hpp"

namespace evenkeel::optim {

struct AdamaxOptions {
  double lr = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool maximize = false;

  using Rule = kernels::AdamaxStep;
  static constexpr const char* kName = "Adamax";
  static std::vector<StateSpec> state();
  Rule rule(const Progress& at) const;
  void check(const std::string& op) const;
  std::vector<StateField> fields();
};

extern template class RuleOptimizer<AdamaxOptions>;

/// Adamax, with torch.optim.Adamax's rules. For a gradient g, a parameter p and its t-th step:
///   g = -g if maximize;  g = g + weight_decay p
///   m = beta1 m + (1 - beta1) g,  u = max(beta2 u, |g| + eps)
///   p = p - lr / (1 - beta1^t) m / u
/// Throws on an lr, eps or weight_decay that is negative or not finite and on a beta outside [0, 1).
/// Kingma & Ba 2015, arXiv:1412.6980, Algorithm 2.
using Adamax = RuleOptimizer<AdamaxOptions>;

}  // namespace evenkeel::optim
