#include "evenkeel/optim/sgd.hpp"

#include "evenkeel/core/kernels/elementwise/optimizer.hpp"

#include <cmath>
#include <tuple>

namespace evenkeel::optim {

template class GroupedOptimizer<SGDOptions>;

void SGDOptions::check(const std::string& op) const {
  require(!std::isnan(lr), op, "parameter group didn't specify a value of required optimization parameter lr");
  require(lr >= 0, op, "lr must be at least 0, got ", lr);
  require(momentum >= 0, op, "momentum must be at least 0, got ", momentum);
  require(weight_decay >= 0, op, "weight_decay must be at least 0, got ", weight_decay);
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
  std::vector<Array> first_buffers(updates.size());  // in place only when all are there
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const Update& u = updates[i];
    if (options(u.group).momentum != 0 && !u.state[0].defined()) {
      first_buffers[i] = Array::empty(u.param->shape(), u.param->dtype());
    }
  }
  std::tuple<std::vector<kernels::SgdPart<float>>, std::vector<kernels::SgdPart<double>>> parts;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    Update& u = updates[i];
    const SGDOptions& o = options(u.group);
    const bool first = !u.state[0].defined();
    if (first) {
      u.state[0] = std::move(first_buffers[i]);
    }
    const kernels::SgdStep step{.lr = o.lr,
                                .momentum = o.momentum,
                                .dampening = o.dampening,
                                .weight_decay = o.weight_decay,
                                .nesterov = o.nesterov,
                                .maximize = o.maximize,
                                .first = first};
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
