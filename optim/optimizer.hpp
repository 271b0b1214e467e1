#pragma once

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/optim/state.hpp"

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace evenkeel::optim {

/// Parameters to optimize. With names (Module::named_parameters()) the optimizer's saved state is matched by name,
/// without by position.
struct ParamList {
  ParamList(std::initializer_list<Tensor> params) : ParamList(std::vector<Tensor>(params)) {}
  ParamList(std::vector<Tensor> params) : tensors(std::move(params)), names(tensors.size()) {}
  ParamList(const std::vector<std::pair<std::string, Tensor>>& named);

  std::vector<Tensor> tensors;
  std::vector<std::string> names;  ///< one per tensor, "" for none
};

/// For the checks of options and schedules: throw unless a value is finite, or at least 0 and finite.
void check_finite(std::string_view op, std::string_view option, double value);
void check_not_negative(std::string_view op, std::string_view option, double value);
/// The same for several.
void check_not_negative(std::string_view op, std::initializer_list<std::pair<std::string_view, double>> options);
/// Throws unless the weight of an old average lies in [0, 1).
void check_beta(std::string_view op, std::string_view option, double value);

/// Parameters with options of their own.
template <class Options>
struct ParamGroup {
  ParamList params;
  Options options;
};

/// An array that an optimizer keeps per parameter: of its shape and dtype, or one number.
struct StateSpec {
  std::string name;
  bool counter = false;   ///< one int64
  bool number = false;    ///< one float64
  bool optional = false;  ///< may be missing where the others are present
};

/// Base of all optimizers. A step changes each parameter that has a gradient, in one pass and in place (autograd
/// notices if a graph still needs the old values); one without a gradient is left alone, state and all.
/// float32 parameters and their state are updated in float32: a step far below half a unit in the last place of the
/// parameter (1e-8 on a weight of 1) changes nothing.
class Optimizer {
 public:
  virtual ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// "SGD"
  virtual std::string type_name() const = 0;
  /// One step. When it throws (a gradient that does not fit, no memory), nothing has changed.
  void step();
  /// set_to_none: the gradients become undefined, else 0.
  void zero_grad(bool set_to_none = true);

  std::size_t num_groups() const { return groups_.size(); }
  std::vector<Tensor> params(std::size_t group = 0) const;
  double lr(std::size_t group = 0) const { return option(group, "lr"); }
  /// Throws for a group that is not there, and unless lr is finite.
  void set_lr(std::size_t group, double lr);
  /// An option by its name, for schedulers: "lr", "momentum", "beta1". Throws if this optimizer has none such.
  double option(std::size_t group, std::string_view name) const;
  void set_option(std::size_t group, std::string_view name, double value);
  bool has_option(std::string_view name) const;
  /// The learning rate that schedules start from: the group's lr when the first scheduler came, see LRScheduler.
  std::optional<double>& initial_lr(std::size_t group);

  /// Options of each group ("param_groups.0.lr") and state of each parameter ("state.conv1.weight.momentum_buffer", or
  /// "state.3.exp_avg" if it has no name). Arrays of state share storage with the optimizer: clone() to keep them.
  NamedArrays state_dict() const;
  /// Copies values in; a continued run is bit-identical. Missing, unexpected and misshapen entries are thrown as one
  /// error, and nothing has changed then.
  void load_state_dict(const NamedArrays& state);
  /// The checks of load_state_dict(); the plan writes, as long as groups and parameters stay what they are.
  LoadPlan plan_load_state_dict(const NamedArrays& state);

 protected:
  explicit Optimizer(std::vector<StateSpec> state);

  const std::vector<StateSpec>& state_specs() const { return state_specs_; }
  /// Throws for a group that is not there.
  void check_group(std::size_t group) const;
  /// Checks the parameters and adds them; `options` points to members that outlive this.
  void add_group(ParamList params, std::vector<StateField> options);
  /// A parameter that has a gradient. Both are contiguous, of equal shape and dtype; state: one array per StateSpec,
  /// undefined until update() sets it.
  struct Update {
    std::size_t group;
    const Array* grad;
    Array* param;
    std::span<Array> state;
    std::uint32_t had_state = 0;  ///< bit i: state[i] is defined already
  };
  /// Makes one step, in one pass over all elements of all parameters. Allocates and checks before it changes a value;
  /// if it throws, the state that it set is undefined again.
  virtual void update(std::span<Update> updates) = 0;

 private:
  struct Param {
    Tensor tensor;
    std::string name;
    std::vector<Array> state;
  };
  struct Group {
    std::vector<Param> params;
    std::vector<StateField> options;
    std::optional<double> initial_lr;
  };
  const Group& group_at(std::size_t group) const;
  void check_param(const Tensor& tensor, const std::vector<Tensor>& others) const;
  double* find_option(std::size_t group, std::string_view name) const;
  void check_update(const Array& grad, const Param& param) const;
  void update_or_undo(std::span<Update> updates);
  void load_param(StateLoader& loader, const std::string& prefix, Param& param) const;

  std::vector<StateSpec> state_specs_;
  std::vector<Group> groups_;
};

/// An optimizer with groups of the given options, which have check() and fields().
template <class Options>
class GroupedOptimizer : public Optimizer {
 public:
  /// Throws on bad options, an undefined, integer or non-leaf tensor, and a parameter that is already here.
  void add_param_group(ParamGroup<Options> group) {
    group.options.check(type_name());
    Options& kept = options_.emplace_back(group.options);
    try {
      add_group(std::move(group.params), kept.fields());
    } catch (...) {
      options_.pop_back();
      throw;
    }
  }
  /// Of one group; throws for one that is not there.
  Options& options(std::size_t group = 0) {
    this->check_group(group);
    return options_[group];
  }
  const Options& options(std::size_t group = 0) const {
    this->check_group(group);
    return options_[group];
  }

 protected:
  using Optimizer::Optimizer;
  void add_param_groups(std::vector<ParamGroup<Options>> groups) {
    require(!groups.empty(), type_name(), "optimizer got an empty parameter list");
    for (ParamGroup<Options>& group : groups) {
      add_param_group(std::move(group));
    }
  }

 private:
  std::deque<Options> options_;  // a deque: StateField points into it
};

}  // namespace evenkeel::optim
