#pragma once

#include "evenkeel/optim/rule_optimizer.hpp"

namespace evenkeel::optim {

struct AdagradOptions {
  double lr = 1e-2;
  double lr_decay = 0;
  double weight_decay = 0;
  double initial_accumulator_value = 0;
  double eps = 1e-10;
  bool maximize = false;

  using Rule = kernels::AdagradStep;
  static constexpr const char* kName = "Adagrad";
  static std::vector<StateSpec> state();
  Rule rule(const Progress& at) const;
  void check(const std::string& op) const;
  std::vector<StateField> fields();
};

extern template class RuleOptimizer<AdagradOptions>;

/// Adagrad, with torch.optim.Adagrad's rules. For a gradient g, a parameter p and its t-th step:
///   g = -g if maximize;  g = g + weight_decay p
///   s = s + g^2, from initial_accumulator_value on
///   p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)
/// A parameter's s is made at its first step (PyTorch: with the optimizer). Throws on an option that is negative or not
/// finite. Duchi, Hazan & Singer 2011, "Adaptive subgradient methods for online learning and stochastic optimization".
using Adagrad = RuleOptimizer<AdagradOptions>;

}  // namespace evenkeel::optim
