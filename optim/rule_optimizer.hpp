#pragma once

#include "evenkeel/core/kernels/elementwise/optimizer.hpp"
#include "evenkeel/optim/optimizer.hpp"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

namespace evenkeel::optim {

/// What a rule may depend on beside its options: where a parameter stands before a step.
struct Progress {
  double step = 1;    ///< how many steps it had a gradient in, this one included; where that is counted
  bool first = true;  ///< it has no state yet
  double number = 1;  ///< the state that is one number
};

/// An optimizer of the rules in core/kernels/elementwise/optimizer_rules.hpp. All that is its own stands in Options:
///   using Rule = kernels::...Step;             the numbers of a step, and the formula
///   static constexpr const char* kName         "RMSprop"
///   static std::vector<StateSpec> state()      what is kept per parameter; those like it in the order of the rule's
///   Rule rule(const Progress& at) const        the numbers of the next step of a parameter
///   check(op), fields()                        see GroupedOptimizer
template <class Options_>
class RuleOptimizer : public GroupedOptimizer<Options_> {
 public:
  using Options = Options_;
  explicit RuleOptimizer(ParamList params, Options options = {})
      : RuleOptimizer(std::vector<ParamGroup<Options>>{{std::move(params), options}}) {}
  explicit RuleOptimizer(std::vector<ParamGroup<Options>> groups) : GroupedOptimizer<Options>(Options::state()) {
    this->add_param_groups(std::move(groups));
  }
  std::string type_name() const override { return Options::kName; }

 protected:
  void update(std::span<Optimizer::Update> updates) override;

 private:
  using Rule = typename Options::Rule;
  static constexpr std::size_t kRule = kernels::OptimizerRules::index_of<Rule>();

  Rule ready(const Optimizer::Update& u) const;
  template <class T>
  kernels::OptimizerPart<T> part(const Optimizer::Update& u, const Rule& rule) const;
  void finish(const Optimizer::Update& u, const Rule& rule) const;
};

/// The numbers of the next step; makes the state that it needs and that is not there.
template <class Options>
auto RuleOptimizer<Options>::ready(const Optimizer::Update& u) const -> Rule {
  const Options& o = this->options(u.group);
  const std::vector<StateSpec>& specs = this->state_specs();
  Progress at{.first = u.had_state == 0};
  for (std::size_t i = 0; i < specs.size(); ++i) {
    Array& array = u.state[i];
    if (specs[i].counter) {
      array = array.defined() ? array : Array::zeros({}, DType::int64);
      at.step = static_cast<double>(array.item_int64() + 1);
    } else if (specs[i].number) {
      array = array.defined() ? array : Array::ones({}, DType::float64);
      at.number = array.item();
    }
  }
  const Rule rule = o.rule(at);
  int k = 0;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (!specs[i].counter && !specs[i].number && rule.uses(k++) && !u.state[i].defined()) {
      double initial = 0;
      if constexpr (requires { o.initial_accumulator_value; }) {
        initial = o.initial_accumulator_value;
      }
      u.state[i] = Array::full(u.param->shape(), initial, u.param->dtype());
    }
  }
  return rule;
}

template <class Options>
template <class T>
kernels::OptimizerPart<T> RuleOptimizer<Options>::part(const Optimizer::Update& u, const Rule& rule) const {
  kernels::OptimizerPart<T> result{&rule, u.param->numel(), u.grad->data<T>(), u.param->mutable_data<T>(), {}};
  const std::vector<StateSpec>& specs = this->state_specs();
  int k = 0;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (!specs[i].counter && !specs[i].number) {
      result.state[static_cast<std::size_t>(k)] = rule.uses(k) ? u.state[i].mutable_data<T>() : nullptr;
      ++k;
    }
  }
  return result;
}

/// What a step leaves in the state that is one number.
template <class Options>
void RuleOptimizer<Options>::finish(const Optimizer::Update& u, const Rule& rule) const {
  const std::vector<StateSpec>& specs = this->state_specs();
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].counter) {
      ++*u.state[i].mutable_data<std::int64_t>();
    }
    if constexpr (requires { rule.kept_number; }) {
      if (specs[i].number) {
        *u.state[i].mutable_data<double>() = rule.kept_number;
      }
    }
  }
}

template <class Options>
void RuleOptimizer<Options>::update(std::span<Optimizer::Update> updates) {
  std::vector<Rule> rules;
  std::tuple<std::vector<kernels::OptimizerPart<float>>, std::vector<kernels::OptimizerPart<double>>> parts;
  rules.reserve(updates.size());
  std::get<0>(parts).reserve(updates.size());
  std::get<1>(parts).reserve(updates.size());
  std::int64_t largest = 0;
  for (const Optimizer::Update& u : updates) {
    rules.push_back(ready(u));
    largest = std::max(largest, u.param->numel());
  }
  std::vector<double> room(kernels::LayerwiseRule<Rule> ? kernels::norm_room(largest) : 0);
  // Nothing is allocated from here on.
  for (std::size_t i = 0; i < updates.size(); ++i) {
    dispatch_float(updates[i].param->dtype(), Options::kName, [&]<class T>() {
      const auto next = part<T>(updates[i], rules[i]);
      if constexpr (kernels::LayerwiseRule<Rule>) {
        const auto [of_p, of_measured] = kernels::optimizer_norms<T>(kRule, next, room);
        rules[i] = rules[i].with_norms(of_p, of_measured);
      }
      std::get<std::vector<kernels::OptimizerPart<T>>>(parts).push_back(next);
    });
  }
  kernels::optimizer_step<float>(kRule, std::get<0>(parts));
  kernels::optimizer_step<double>(kRule, std::get<1>(parts));
  for (std::size_t i = 0; i < updates.size(); ++i) {
    finish(updates[i], rules[i]);
  }
}

}  // namespace evenkeel::optim
