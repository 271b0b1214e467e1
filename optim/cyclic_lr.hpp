#pragma once

#include "evenkeel/optim/lr_scheduler.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace evenkeel::optim {

enum class CycleMode : std::uint8_t { triangular, triangular2, exp_range };
enum class ScaleMode : std::uint8_t { cycle, iterations };

struct CyclicOptions {
  std::vector<double> base_lr = {};  ///< the lowest rate: one value, or one per group
  std::vector<double> max_lr = {};   ///< the highest rate, before it is scaled
  std::int64_t step_size_up = 2000;
  std::optional<std::int64_t> step_size_down = {};  ///< as many as up if not given
  CycleMode mode = CycleMode::triangular;           ///< ignored if there is a scale_fn
  double gamma = 1;                                 ///< of exp_range
  std::function<double(double)> scale_fn = {};  ///< of the cycle's number, from 1 on, or of the steps, see scale_mode
  ScaleMode scale_mode = ScaleMode::cycle;      ///< of scale_fn
  bool cycle_momentum = true;
  std::vector<double> base_momentum = {0.8};
  std::vector<double> max_momentum = {0.9};
};

/// Rates that rise from base_lr to max_lr over step_size_up steps and fall again over step_size_down, stepped after
/// every batch, while the momentum (beta1 of Adam) goes the other way, from max_momentum to base_momentum:
///   lr = base_lr + (max_lr - base_lr) height scale,  with height from 0 to 1 and back
/// scale is 1 (triangular), halves with each cycle (triangular2) or is gamma^steps (exp_range), or comes from scale_fn,
/// which is not part of the saved state. The rates at construction are replaced; base_lr is remembered as the base
/// rate where no schedule came before. (Rises and falls begin at base_lr then, too; PyTorch's at the older base rate.)
/// With one value for all, groups that are added later take part.
/// Throws on a max_lr or momentum without a value for each group, on step sizes without steps and where the optimizer
/// has no momentum to cycle. Smith 2017, arXiv:1506.01186.
class CyclicLR : public LRScheduler {
 public:
  CyclicLR(Optimizer& optimizer, CyclicOptions options);

 protected:
  double next_lr(std::size_t group) override;
  void set_lrs(std::vector<double> lrs) override;

 private:
  /// How far the rates are from the base, as a part of the way to the maximum.
  double height() const;
  double momentum(std::size_t group) const;

  CyclicOptions options_;
  std::int64_t step_size_down_;
  std::string momentum_name_;
};

}  // namespace evenkeel::optim
