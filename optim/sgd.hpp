#pragma once

#include "evenkeel/optim/rule_optimizer.hpp"

#include <limits>

namespace evenkeel::optim {

struct SGDOptions {
  double lr = std::numeric_limits<double>::quiet_NaN();  ///< must be given
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool maximize = false;
  bool decoupled_weight_decay = false;

  using Rule = kernels::SgdStep;
  static constexpr const char* kName = "SGD";
  static std::vector<StateSpec> state();
  Rule rule(const Progress& at) const;
  void check(const std::string& op) const;
  std::vector<StateField> fields();
};

extern template class RuleOptimizer<SGDOptions>;

/// Stochastic gradient descent, with torch.optim.SGD's rules. For a gradient g and a parameter p:
///   g = -g if maximize;  g = g + weight_decay p, if decoupled p = p (1 - lr weight_decay) instead
///   b = g at the first step, afterwards b = momentum b + (1 - dampening) g
///   p = p - lr b, with nesterov p = p - lr (g + momentum b), without momentum p = p - lr g
/// Throws on a missing or negative lr, negative momentum or weight_decay, an option that is not finite, and on nesterov
/// without momentum or with dampening. Sutskever et al. 2013, "On the importance of initialization and momentum in deep
/// learning". decoupled_weight_decay, which PyTorch's lacks, is SGDW: Loshchilov & Hutter 2019, arXiv:1711.05101,
/// Algorithm 1, whose lambda is lr weight_decay here, as AdamW has it.
using SGD = RuleOptimizer<SGDOptions>;

}  // namespace evenkeel::optim
