#include "evenkeel/optim/adam.hpp"

#include <cmath>
#include <tuple>

namespace evenkeel::optim {
namespace {

enum StateIndex : std::size_t { kSteps, kMean, kSquare, kLargest };

}  // namespace

template <bool kDecoupled>
void AdamFamilyOptions<kDecoupled>::check(const std::string& op) const {
  check_not_negative(op, "lr", lr);
  check_not_negative(op, "eps", eps);
  require(beta1 >= 0 && beta1 < 1, op, "beta1 must lie in [0, 1), got ", beta1);
  require(beta2 >= 0 && beta2 < 1, op, "beta2 must lie in [0, 1), got ", beta2);
  check_not_negative(op, "weight_decay", weight_decay);
}

template <bool kDecoupled>
std::vector<StateField> AdamFamilyOptions<kDecoupled>::fields() {
  return {
      {"lr", &lr},           {"beta1", &beta1},      {"beta2", &beta2}, {"eps", &eps}, {"weight_decay", &weight_decay},
      {"amsgrad", &amsgrad}, {"maximize", &maximize}};
}

template <bool kDecoupled>
AdamFamily<kDecoupled>::AdamFamily(ParamList params, Options options)
    : AdamFamily(std::vector<ParamGroup<Options>>{{std::move(params), options}}) {}

template <bool kDecoupled>
AdamFamily<kDecoupled>::AdamFamily(std::vector<ParamGroup<Options>> groups)
    : GroupedOptimizer<Options>({{.name = "step", .counter = true},
                                 {.name = "exp_avg"},
                                 {.name = "exp_avg_sq"},
                                 {.name = "max_exp_avg_sq", .optional = true}}) {
  this->add_param_groups(std::move(groups));
}

template <bool kDecoupled>
void AdamFamily<kDecoupled>::ensure_state(const Optimizer::Update& u) const {
  const auto zeros_unless_there = [&](Array& array) {
    if (!array.defined()) {
      array = Array::zeros(u.param->shape(), u.param->dtype());
    }
  };
  if (!u.state[kSteps].defined()) {
    u.state[kSteps] = Array::zeros({}, DType::int64);
  }
  zeros_unless_there(u.state[kMean]);
  zeros_unless_there(u.state[kSquare]);
  if (this->options(u.group).amsgrad) {
    zeros_unless_there(u.state[kLargest]);
  }
}

/// Of the step after those that are counted.
template <bool kDecoupled>
kernels::AdamStep AdamFamily<kDecoupled>::next_step(const Optimizer::Update& u) const {
  const Options& o = this->options(u.group);
  const auto t = static_cast<double>(u.state[kSteps].item_int64() + 1);
  return {.lr = o.lr,
          .beta1 = o.beta1,
          .beta2 = o.beta2,
          .eps = o.eps,
          .weight_decay = o.weight_decay,
          .bias_correction1 = 1 - std::pow(o.beta1, t),
          .root_bias_correction2 = std::sqrt(1 - std::pow(o.beta2, t)),
          .decoupled = kDecoupled,
          .maximize = o.maximize};
}

template <bool kDecoupled>
void AdamFamily<kDecoupled>::update(std::span<Optimizer::Update> updates) {
  std::tuple<std::vector<kernels::AdamPart<float>>, std::vector<kernels::AdamPart<double>>> parts;
  std::get<0>(parts).reserve(updates.size());
  std::get<1>(parts).reserve(updates.size());
  for (const Optimizer::Update& u : updates) {
    ensure_state(u);
  }
  // Nothing is allocated from here on.
  for (Optimizer::Update& u : updates) {
    const kernels::AdamStep step = next_step(u);
    dispatch_float(u.param->dtype(), this->type_name(), [&]<class T>() {
      const std::span<Array> s = u.state;
      T* largest = this->options(u.group).amsgrad ? s[kLargest].mutable_data<T>() : nullptr;
      std::get<std::vector<kernels::AdamPart<T>>>(parts).push_back(
          {step, u.param->numel(), u.grad->data<T>(), u.param->mutable_data<T>(), s[kMean].mutable_data<T>(),
           s[kSquare].mutable_data<T>(), largest});
    });
  }
  kernels::adam_step<float>(std::get<0>(parts));
  kernels::adam_step<double>(std::get<1>(parts));
  for (Optimizer::Update& u : updates) {
    ++*u.state[kSteps].template mutable_data<std::int64_t>();
  }
}

template struct AdamFamilyOptions<false>;
template struct AdamFamilyOptions<true>;
template class GroupedOptimizer<AdamOptions>;
template class GroupedOptimizer<AdamWOptions>;
template class AdamFamily<false>;
template class AdamFamily<true>;

}  // namespace evenkeel::optim
