#pragma once

#include "evenkeel/optim/rule_optimizer.hpp"

namespace evenkeel::optim {

struct LionOptions {
  double lr = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0;
  bool maximize = false;

  using Rule = kernels::LionStep;
  static constexpr const char* kName = "Lion";
  static std::vector<StateSpec> state();
  Rule rule(const Progress& at) const;
  void check(const std::string& op) const;
  std::vector<StateField> fields();
};

extern template class RuleOptimizer<LionOptions>;

/// Lion. For a gradient g and a parameter p:
///   g = -g if maximize;  p = p (1 - lr weight_decay)
///   p = p - lr sign(beta1 m + (1 - beta1) g),  m = beta2 m + (1 - beta2) g
/// Throws on an lr or weight_decay that is negative or not finite and on a beta outside [0, 1).
/// Chen et al. 2023, arXiv:2302.06675, Algorithm 2; PyTorch has none.
using Lion = RuleOptimizer<LionOptions>;

}  // namespace evenkeel::optim
