#pragma once

#include "evenkeel/optim/rule_optimizer.hpp"

namespace evenkeel::optim {

/// Options of Adam (kDecoupled = false) and AdamW (true), which differ in weight_decay's default.
template <bool kDecoupled>
struct AdamFamilyOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = kDecoupled ? 1e-2 : 0;
  bool amsgrad = false;
  bool maximize = false;

  using Rule = kernels::AdamStep;
  static constexpr const char* kName = kDecoupled ? "AdamW" : "Adam";
  static std::vector<StateSpec> state();
  Rule rule(const Progress& at) const;
  void check(const std::string& op) const;
  std::vector<StateField> fields();
};

using AdamOptions = AdamFamilyOptions<false>;
using AdamWOptions = AdamFamilyOptions<true>;

extern template class RuleOptimizer<AdamOptions>;
extern template class RuleOptimizer<AdamWOptions>;

/// Adam and AdamW, with the rules of torch.optim. For a gradient g, a parameter p and its t-th step:
///   g = -g if maximize;  Adam: g = g + weight_decay p,  AdamW: p = p (1 - lr weight_decay)
///   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
///   p = p - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
/// amsgrad takes the largest v so far. t counts the steps in which this parameter had a gradient.
/// Throws on an lr, eps or weight_decay that is negative or not finite and on a beta outside [0, 1).
/// Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1; Loshchilov & Hutter 2019, arXiv:1711.05101, Algorithm 2.
using Adam = RuleOptimizer<AdamOptions>;
using AdamW = RuleOptimizer<AdamWOptions>;

}  // namespace evenkeel::optim
