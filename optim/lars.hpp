#pragma once

#include "evenkeel/optim/rule_optimizer.hpp"

#include <limits>

namespace evenkeel::optim {

struct LARSOptions {
  double lr = std::numeric_limits<double>::quiet_NaN();  ///< must be given
  double momentum = 0.9;
  double weight_decay = 0;
  double trust_coefficient = 1e-3;
  double eps = 1e-8;
  bool adapt = true;
  bool maximize = false;

  using Rule = kernels::LarsStep;
  static constexpr const char* kName = "LARS";
  static std::vector<StateSpec> state();
  Rule rule(const Progress& at) const;
  void check(const std::string& op) const;
  std::vector<StateField> fields();
};

extern template class RuleOptimizer<LARSOptions>;

/// LARS, for large batches: a momentum step whose rate is the layer's own. For a gradient g and a parameter p:
///   g = -g if maximize
///   rate = lr trust_coefficient ||p|| / (||g|| + weight_decay ||p|| + eps), with 2-norms of the whole tensors
///   b = momentum b + rate (g + weight_decay p),  p = p - b
/// rate = lr where a norm is 0 and in groups with adapt = false, which is for biases and the parameters of norms.
/// Throws on a missing lr and on an option that is negative or not finite.
/// You, Gitman & Ginsburg 2017, arXiv:1708.03888, Algorithm 1; its polynomial rate is PolynomialLR. PyTorch has none.
using LARS = RuleOptimizer<LARSOptions>;

}  // namespace evenkeel::optim
