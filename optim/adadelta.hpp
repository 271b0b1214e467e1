#pragma once

#include "evenkeel/optim/rule_optimizer.hpp"

namespace evenkeel::optim {

struct AdadeltaOptions {
  double lr = 1;
  double rho = 0.9;
  double eps = 1e-6;
  double weight_decay = 0;
  bool maximize = false;

  using Rule = kernels::AdadeltaStep;
  static constexpr const char* kName = "Adadelta";
  static std::vector<StateSpec> state();
  Rule rule(const Progress& at) const;
  void check(const std::string& op) const;
  std::vector<StateField> fields();
};

extern template class RuleOptimizer<AdadeltaOptions>;

/// Adadelta, with torch.optim.Adadelta's rules. For a gradient g and a parameter p:
///   g = -g if maximize;  g = g + weight_decay p
///   v = rho v + (1 - rho) g^2,  u = sqrt(d + eps) / sqrt(v + eps) g,  d = rho d + (1 - rho) u^2
///   p = p - lr u
/// Throws on an lr, eps or weight_decay that is negative or not finite and on a rho outside [0, 1].
/// Zeiler 2012, arXiv:1212.5701, Algorithm 1.
using Adadelta = RuleOptimizer<AdadeltaOptions>;

}  // namespace evenkeel::optim
