#include "optim/sgd.hpp"

#include "core/kernels/optimizer.hpp"

#include <cmath>

namespace evenkeel::optim {

void SGDOptions::check(const std::string& op) const {
  require(!std::isnan(lr), op, "parameter group didn't specify a value of required optimization parameter lr");
  require(lr >= 0, op, "Invalid learning rate: ", lr);
  require(momentum >= 0, op, "Invalid momentum value: ", momentum);
  require(weight_decay >= 0, op, "Invalid weight_decay value: ", weight_decay);
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

void SGD::update(std::size_t group, const Array& grad, Array& param, std::span<Array> state) {
  const SGDOptions& o = options(group);
  Array& buffer = state[0];
  kernels::SgdStep step{.lr = o.lr,
                        .momentum = o.momentum,
                        .dampening = o.dampening,
                        .weight_decay = o.weight_decay,
                        .nesterov = o.nesterov,
                        .maximize = o.maximize,
                        .first = !buffer.defined()};
  const bool uses_momentum = o.momentum != 0;
  if (uses_momentum && step.first) {
    buffer = Array::empty(param.shape(), param.dtype());
  }
  dispatch_float(param.dtype(), "SGD", [&]<class T>() {
    T* b = uses_momentum ? buffer.mutable_data<T>() : nullptr;
    kernels::sgd_step(step, param.numel(), grad.data<T>(), param.mutable_data<T>(), b);
  });
}

}  // namespace evenkeel::optim
