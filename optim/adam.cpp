#include "optim/adam.hpp"

#include "core/kernels/optimizer.hpp"

#include <cmath>

namespace evenkeel::optim {
namespace {

enum StateIndex : std::size_t { kSteps, kMean, kSquare, kLargest };

}  // namespace

template <bool kDecoupled>
void AdamFamilyOptions<kDecoupled>::check(const std::string& op) const {
  require(lr >= 0, op, "Invalid learning rate: ", lr);
  require(eps >= 0, op, "Invalid epsilon value: ", eps);
  require(beta1 >= 0 && beta1 < 1, op, "Invalid beta parameter at index 0: ", beta1);
  require(beta2 >= 0 && beta2 < 1, op, "Invalid beta parameter at index 1: ", beta2);
  require(weight_decay >= 0, op, "Invalid weight_decay value: ", weight_decay);
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
void AdamFamily<kDecoupled>::update(std::size_t group, const Array& grad, Array& param, std::span<Array> state) {
  const Options& o = this->options(group);
  const auto zeros_unless_there = [&](Array& array) {
    if (!array.defined()) {
      array = Array::zeros(param.shape(), param.dtype());
    }
  };
  if (!state[kSteps].defined()) {
    state[kSteps] = Array::zeros({}, DType::int64);
  }
  zeros_unless_there(state[kMean]);
  zeros_unless_there(state[kSquare]);
  if (o.amsgrad) {
    zeros_unless_there(state[kLargest]);
  }
  const auto t = static_cast<double>(++*state[kSteps].mutable_data<std::int64_t>());
  const kernels::AdamStep step{.lr = o.lr,
                               .beta1 = o.beta1,
                               .beta2 = o.beta2,
                               .eps = o.eps,
                               .weight_decay = o.weight_decay,
                               .bias_correction1 = 1 - std::pow(o.beta1, t),
                               .root_bias_correction2 = std::sqrt(1 - std::pow(o.beta2, t)),
                               .decoupled = kDecoupled,
                               .maximize = o.maximize};
  dispatch_float(param.dtype(), this->type_name(), [&]<class T>() {
    T* largest = o.amsgrad ? state[kLargest].mutable_data<T>() : nullptr;
    kernels::adam_step(step, param.numel(), grad.data<T>(), param.mutable_data<T>(), state[kMean].mutable_data<T>(),
                       state[kSquare].mutable_data<T>(), largest);
  });
}

template struct AdamFamilyOptions<false>;
template struct AdamFamilyOptions<true>;
template class AdamFamily<false>;
template class AdamFamily<true>;

}  // namespace evenkeel::optim
