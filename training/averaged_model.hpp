#pragma once

#include "evenkeel/nn/module.hpp"

#include <cstdint>
#include <functional>

namespace evenkeel::training {

/// The weight that a model gets in the averages which n others are in: average = average + weight (model - average).
/// (PyTorch's avg_fn gives the new average; all that it offers have this form.)
using AverageFn = std::function<double(std::int64_t num_averaged)>;

/// Exponential moving average: weight 1 - decay. Throws unless decay lies in [0, 1].
/// Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging", with exponential weights.
AverageFn get_ema_avg_fn(double decay = 0.999);
/// The mean of all: weight 1 / (n + 1). Izmailov et al. 2018, arXiv:1803.05407 (stochastic weight averaging).
AverageFn get_swa_avg_fn();

struct AverageOptions {
  AverageFn avg_fn = get_swa_avg_fn();
  bool use_buffers = false;  ///< average floating buffers, too, instead of copying them
};

/// Averages of a model's parameters over its training, PyTorch's AveragedModel. It is no module but the values of one,
/// under the model's names; to evaluate or to save them as a model's, put them into the model for a while:
///   training::AveragedModel ema(net, {.avg_fn = training::get_ema_avg_fn(0.99), .use_buffers = true});
///   // after each step
///   ema.update_parameters(net);
///   // to evaluate
///   const training::AveragesGuard averages(ema, net);
/// The first update copies. Buffers are copied with each update, floating ones averaged with use_buffers (integer ones,
/// such as num_batches_tracked, are always copied). Without use_buffers the statistics of batch norms do not belong to
/// the averages: call nn::update_bn(batches, net) under a guard, which keeps what it finds in the model.
class AveragedModel {
 public:
  /// Copies the model's values.
  explicit AveragedModel(const nn::Module& model, AverageOptions options = {});

  /// Takes the model's values into the averages. Throws, changing nothing, unless it has the parameters and buffers of
  /// the model that this was made of, in the same dtype, and for a weight outside [0, 1].
  void update_parameters(const nn::Module& model);
  std::int64_t n_averaged() const { return n_averaged_; }
  /// The averages under the model's names, for load_state_dict() of another one. They share storage with this.
  const nn::StateDict& averages() const { return averages_; }

  /// "n_averaged" and, as "module.KEY", the averages: PyTorch's names. avg_fn is not saved.
  nn::StateDict state_dict() const;
  /// All or nothing, as a module's.
  void load_state_dict(const nn::StateDict& state) { plan_load_state_dict(state).commit(); }
  /// The checks of load_state_dict(); the plan writes.
  LoadPlan plan_load_state_dict(const nn::StateDict& state);

 private:
  friend class AveragesGuard;
  /// The model's values in the order of the averages.
  std::vector<Array> matching(std::string_view op, const nn::Module& model) const;

  AverageOptions options_;
  nn::StateDict averages_;
  std::vector<bool> is_buffer_;
  std::int64_t n_averaged_ = 0;
};

/// While it lives, the model has the averages as its values. Afterwards it has its own ones again, and the averages are
/// what the model had meanwhile (statistics of update_bn), but left as they were if an exception ends it.
/// A graph that was recorded before, and needs the values, notices that they changed. Throws as update_parameters().
class AveragesGuard {
 public:
  AveragesGuard(AveragedModel& averaged, nn::Module& model);
  ~AveragesGuard();
  AveragesGuard(const AveragesGuard&) = delete;
  AveragesGuard& operator=(const AveragesGuard&) = delete;

 private:
  AveragedModel& averaged_;
  std::vector<Array> values_;  // the model's: handles
  std::vector<Array> own_;     // copies of what it had
  int exceptions_;
};

}  // namespace evenkeel::training
