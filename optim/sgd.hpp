#pragma once

#include "evenkeel/optim/optimizer.hpp"

#include <limits>

namespace evenkeel::optim {

struct SGDOptions {
  double lr = std::numeric_limits<double>::quiet_NaN();  ///< must be given
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool maximize = false;

  void check(const std::string& op) const;
  std::vector<StateField> fields();
};

extern template class GroupedOptimizer<SGDOptions>;

/// Stochastic gradient descent, with torch.optim.SGD's rules. For a gradient g and a parameter p:
///   g = -g if maximize;  g = g + weight_decay p
///   b = g at the first step, afterwards b = momentum b + (1 - dampening) g
///   p = p - lr b, with nesterov p = p - lr (g + momentum b), without momentum p = p - lr g
/// Throws on a missing or negative lr, negative momentum or weight_decay, an option that is not finite, and on nesterov
/// without momentum or with dampening. Sutskever et al. 2013, "On the importance of initialization and momentum in deep
/// learning".
class SGD : public GroupedOptimizer<SGDOptions> {
 public:
  SGD(ParamList params, SGDOptions options);
  explicit SGD(std::vector<ParamGroup<SGDOptions>> groups);
  std::string type_name() const override { return "SGD"; }

 protected:
  void update(std::span<Update> updates) override;
};

}  // namespace evenkeel::optim
