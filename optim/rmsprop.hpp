#pragma once

#include "evenkeel/optim/rule_optimizer.hpp"

namespace evenkeel::optim {

struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;
  double momentum = 0;
  bool centered = false;
  bool maximize = false;

  using Rule = kernels::RmsPropStep;
  static constexpr const char* kName = "RMSprop";
  static std::vector<StateSpec> state();
  Rule rule(const Progress& at) const;
  void check(const std::string& op) const;
  std::vector<StateField> fields();
};

extern template class RuleOptimizer<RMSpropOptions>;

/// RMSprop, with torch.optim.RMSprop's rules. For a gradient g and a parameter p:
///   g = -g if maximize;  g = g + weight_decay p
///   v = alpha v + (1 - alpha) g^2;  if centered m = alpha m + (1 - alpha) g and v - m^2 stands for v below
///   u = g / (sqrt(v) + eps);  with momentum b = momentum b + u and b stands for u below
///   p = p - lr u
/// v - m^2 is at least 0 (PyTorch: NaN where rounding makes it negative). Throws on an option that is negative or not
/// finite. Tieleman & Hinton 2012, "Lecture 6.5 - RMSProp"; centered: Graves 2013, arXiv:1308.0850, equations 38-45.
using RMSprop = RuleOptimizer<RMSpropOptions>;

}  // namespace evenkeel::optim
