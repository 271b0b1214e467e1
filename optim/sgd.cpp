#include "evenkeel/optim/sgd.hpp"

#include "evenkeel/core/kernels/elementwise/optimizer.hpp"

#include <cmath>
#include <tuple>

namespace evenkeel::optim {

template class GroupedOptimizer<SGDOptions>;

void SGDOptions::check(const std::string& op) const {
  require(!std::isnan(lr), op, "parameter group didn't specify a value of required optimization parameter lr");
  check_not_negative(op, "lr", lr);
  check_not_negative(op, "momentum", momentum);
  check_finite(op, "dampening", dampening);
  check_not_negative(op, "weight_decay", weight_decay);
  require(!nesterov || (momentum > 0 && dampening == 0), op,
          "Nesterov momentum requires a momentum and zero dampening");
}

std::vector<StateField> SGDOptions::fields() {
  return {{"lr", &lr},
          {"momentum", &momentum},
          {"dampening", &dampening},
          {"weight_decay", &weight_decay},
          {"nesterov", &nesterov},
          {"maximize", &maximize}};
}

SGD::SGD(ParamList params, SGDOptions options)
    : SGD(std::vector<ParamGroup<SGDOptions>>{{std::move(params), options}}) {}

SGD::SGD(std::vector<ParamGroup<SGDOptions>> groups)
    : GroupedOptimizer({{.name = "momentum_buffer", .optional = true}}) {
  add_param_groups(std::move(groups));
}

void SGD::update(std::span<Update> updates) {
  std::tuple<std::vector<kernels::SgdPart<float>>, std::vector<kernels::SgdPart<double>>> parts;
  std::get<0>(parts).reserve(updates.size());
  std::get<1>(parts).reserve(updates.size());
  std::vector<bool> first_steps(updates.size());
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const Update& u = updates[i];
    first_steps[i] = !u.state[0].defined();
    if (first_steps[i] && options(u.group).momentum != 0) {
      u.state[0] = Array::empty(u.param->shape(), u.param->dtype());
    }
  }
  // Nothing is allocated from here on.
  for (std::size_t i = 0; i < updates.size(); ++i) {
    Update& u = updates[i];
    const SGDOptions& o = options(u.group);
    const kernels::SgdStep step{.lr = o.lr,
                                .momentum = o.momentum,
                                .dampening = o.dampening,
                                .weight_decay = o.weight_decay,
                                .nesterov = o.nesterov,
                                .maximize = o.maximize,
                                .first = first_steps[i]};
    dispatch_float(u.param->dtype(), "SGD", [&]<class T>() {
      T* buffer = o.momentum != 0 ? u.state[0].mutable_data<T>() : nullptr;
      std::get<std::vector<kernels::SgdPart<T>>>(parts).push_back(
          {step, u.param->numel(), u.grad->data<T>(), u.param->mutable_data<T>(), buffer});
    });
  }
  kernels::sgd_step<float>(std::get<0>(parts));
  kernels::sgd_step<double>(std::get<1>(parts));
}

}  // namespace evenkeel::optim
