#pragma once

#include "evenkeel/optim/rule_optimizer.hpp"

namespace evenkeel::optim {

struct LAMBOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-6;
  double weight_decay = 0.01;
  bool adapt = true;
  bool maximize = false;

  using Rule = kernels::LambStep;
  static constexpr const char* kName = "LAMB";
  static std::vector<StateSpec> state();
  Rule rule(const Progress& at) const;
  void check(const std::string& op) const;
  std::vector<StateField> fields();
};

extern template class RuleOptimizer<LAMBOptions>;

/// LAMB, for large batches: an Adam step whose rate is the layer's own. For a gradient g, a parameter p and its t-th
/// step:
///   g = -g if maximize
///   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
///   u = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay p
///   p = p - lr ||p|| / ||u|| u, with 2-norms of the whole tensors
/// The ratio is 1 where a norm is 0 and in groups with adapt = false, which is for biases and the parameters of norms.
/// Throws on an lr, eps or weight_decay that is negative or not finite and on a beta outside [0, 1).
/// You et al. 2020, arXiv:1904.00962, Algorithm 2, with the identity for phi; eps is that of its experiments. PyTorch
/// has none.
using LAMB = RuleOptimizer<LAMBOptions>;

}  // namespace evenkeel::optim
