#include "evenkeel/optim/optimizer.hpp"

#include <algorithm>
#include <cmath>

namespace evenkeel::optim {
namespace {

std::string group_prefix(std::size_t group) { return concat("param_groups.", group, "."); }

std::string state_prefix(const std::string& name, std::size_t index) {
  return name.empty() ? concat("state.", index, ".") : concat("state.", name, ".");
}

}  // namespace

void check_finite(std::string_view op, std::string_view option, double value) {
  require(std::isfinite(value), op, option, " must be finite, got ", value);
}

void check_not_negative(std::string_view op, std::string_view option, double value) {
  require(value >= 0, op, option, " must be at least 0, got ", value);
  check_finite(op, option, value);
}

void check_not_negative(std::string_view op, std::initializer_list<std::pair<std::string_view, double>> options) {
  for (const auto& [name, value] : options) {
    check_not_negative(op, name, value);
  }
}

void check_beta(std::string_view op, std::string_view option, double value) {
  require(value >= 0 && value < 1, op, option, " must lie in [0, 1), got ", value);
}

ParamList::ParamList(const std::vector<std::pair<std::string, Tensor>>& named) {
  for (const auto& [name, tensor] : named) {
    tensors.push_back(tensor);
    names.push_back(name);
  }
}

Optimizer::Optimizer(std::vector<StateSpec> state) : state_specs_(std::move(state)) {}
Optimizer::~Optimizer() = default;

void Optimizer::check_param(const Tensor& tensor, const std::vector<Tensor>& others) const {
  require(tensor.defined(), type_name(), "can't optimize an undefined tensor");
  require<DtypeError>(is_floating(tensor.dtype()), type_name(), "can't optimize a tensor of ", tensor.dtype(),
                      " (shape ", tensor.shape(), "), expected float32 or float64");
  require(tensor.is_leaf(), type_name(), "can't optimize a non-leaf Tensor (made by ", tensor.op_name(), ", shape ",
          tensor.shape(), ")");
  const auto same = [&](const Tensor& other) { return other.is(tensor); };
  require(std::ranges::none_of(others, same), type_name(),
          "optimizer contains a parameter group with duplicate parameters (shape ", tensor.shape(), ")");
  for (const Group& group : groups_) {
    require(std::ranges::none_of(group.params, same, &Param::tensor), type_name(),
            "some parameters appear in more than one parameter group (shape ", tensor.shape(), ")");
  }
}

void Optimizer::add_group(ParamList params, std::vector<StateField> options) {
  require(!params.tensors.empty(), type_name(), "optimizer got an empty parameter list");
  Group group;
  std::vector<Tensor> seen;
  for (std::size_t i = 0; i < params.tensors.size(); ++i) {
    check_param(params.tensors[i], seen);
    seen.push_back(params.tensors[i]);
    group.params.push_back({params.tensors[i], params.names[i], std::vector<Array>(state_specs_.size())});
  }
  group.options = std::move(options);
  groups_.push_back(std::move(group));
}

void Optimizer::step() {
  std::vector<Update> updates;
  std::deque<Array> copies;                                 // of what is not contiguous
  std::vector<std::pair<Array*, const Array*>> write_back;  // from copies of parameters
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    updates.reserve(updates.size() + groups_[group].params.size());
    for (Param& param : groups_[group].params) {
      if (!param.tensor.grad().defined()) {
        continue;
      }
      const Array& grad = param.tensor.grad().array();
      Array& values = param.tensor.mutable_array();
      check_update(grad, param);
      Update& u = updates.emplace_back(Update{group, &grad, &values, param.state});
      for (std::size_t i = 0; i < param.state.size(); ++i) {
        u.had_state |= static_cast<std::uint32_t>(param.state[i].defined()) << i;
      }
      if (!grad.is_contiguous()) {
        u.grad = &copies.emplace_back(grad.clone());
      }
      if (!values.is_contiguous()) {
        u.param = &copies.emplace_back(values.clone());
        write_back.emplace_back(&values, u.param);
      }
    }
  }
  update_or_undo(updates);
  for (const auto& [values, copy] : write_back) {
    values->copy_(*copy);
  }
}

/// State that an update made before it failed has no values yet: the next step must find none.
void Optimizer::update_or_undo(std::span<Update> updates) {
  const LongLivedScope state_lives_on;
  try {
    update(updates);
  } catch (...) {
    for (const Update& u : updates) {
      for (std::size_t i = 0; i < u.state.size(); ++i) {
        if ((u.had_state >> i & 1) == 0) {
          u.state[i] = {};
        }
      }
    }
    throw;
  }
}

void Optimizer::check_update(const Array& grad, const Param& param) const {
  const Array& values = param.tensor.array();
  require_alike(grad.dtype() == values.dtype(), grad.shape() == values.shape(), type_name(), "gradient is ",
                grad.dtype(), " of shape ", grad.shape(), ", the parameter ", values.dtype(), " of shape ",
                values.shape());
  for (std::size_t i = 0; i < state_specs_.size(); ++i) {
    const Array& state = param.state[i];
    const StateSpec& spec = state_specs_[i];
    const bool fits = !state.defined() || spec.counter || spec.number || state.dtype() == values.dtype();
    require<StateError>(fits, type_name(), spec.name, " is ", state.dtype(), ", but the parameter became ",
                        values.dtype(), "; make a new optimizer after converting a model");
  }
}

void Optimizer::zero_grad(bool set_to_none) {
  for (Group& group : groups_) {
    for (Param& param : group.params) {
      param.tensor.zero_grad(set_to_none);
    }
  }
}

void Optimizer::check_group(std::size_t group) const {
  require<IndexError>(group < groups_.size(), type_name(), "there is no parameter group ", group, ", there are ",
                      groups_.size());
}

const Optimizer::Group& Optimizer::group_at(std::size_t group) const {
  check_group(group);
  return groups_[group];
}

std::vector<Tensor> Optimizer::params(std::size_t group) const {
  std::vector<Tensor> tensors;
  for (const Param& param : group_at(group).params) {
    tensors.push_back(param.tensor);
  }
  return tensors;
}

std::optional<double>& Optimizer::initial_lr(std::size_t group) {
  check_group(group);
  return groups_[group].initial_lr;
}

double* Optimizer::find_option(std::size_t group, std::string_view name) const {
  for (const StateField& field : group_at(group).options) {
    if (field.name == name && std::holds_alternative<double*>(field.value)) {
      return std::get<double*>(field.value);
    }
  }
  return nullptr;
}

bool Optimizer::has_option(std::string_view name) const { return find_option(0, name) != nullptr; }

double Optimizer::option(std::size_t group, std::string_view name) const {
  const double* value = find_option(group, name);
  require<IndexError>(value != nullptr, type_name(), "there is no option '", name, "'");
  return *value;
}

void Optimizer::set_lr(std::size_t group, double lr) {
  check_finite(type_name(), "lr", lr);
  set_option(group, "lr", lr);
}

void Optimizer::set_option(std::size_t group, std::string_view name, double value) {
  double* target = find_option(group, name);
  require<IndexError>(target != nullptr, type_name(), "there is no option '", name, "'");
  *target = value;
}

NamedArrays Optimizer::state_dict() const {
  NamedArrays state;
  std::size_t index = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    for (const StateField& field : group.options) {
      save_field(state, group_prefix(g), field);
    }
    state.emplace_back(group_prefix(g) + "size", Array::scalar(static_cast<std::int64_t>(group.params.size())));
    if (group.initial_lr) {
      state.emplace_back(group_prefix(g) + "initial_lr", Array::scalar(*group.initial_lr));
    }
    for (const Param& param : group.params) {
      const std::string prefix = state_prefix(param.name, index++);
      for (std::size_t i = 0; i < state_specs_.size(); ++i) {
        if (param.state[i].defined()) {
          state.emplace_back(prefix + state_specs_[i].name, param.state[i]);
        }
      }
    }
  }
  return state;
}

void Optimizer::load_param(StateLoader& loader, const std::string& prefix, Param& param) const {
  const auto has = [&](const StateSpec& spec) { return loader.has(prefix + spec.name); };
  const bool any = std::ranges::any_of(state_specs_, has);
  for (std::size_t i = 0; i < state_specs_.size(); ++i) {
    const StateSpec& spec = state_specs_[i];
    Array& target = param.state[i];
    if (!any || (spec.optional && !has(spec))) {
      loader.on_success([&target] { target = {}; });
    } else if (spec.counter || spec.number) {
      loader.array(prefix + spec.name, {}, spec.counter ? DType::int64 : DType::float64, target);
    } else {
      loader.array(prefix + spec.name, param.tensor.shape(), param.tensor.dtype(), target);
    }
  }
}

void Optimizer::load_state_dict(const NamedArrays& state) { plan_load_state_dict(state).commit(); }

LoadPlan Optimizer::plan_load_state_dict(const NamedArrays& state) {
  const std::string op = concat(type_name(), "::load_state_dict");
  StateLoader loader(op, state);
  std::size_t index = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Group& group = groups_[g];
    for (const StateField& field : group.options) {
      loader.field(group_prefix(g), field);
    }
    const Array* size = loader.find(group_prefix(g) + "size", {}, DType::int64);
    if (size != nullptr && size->item_int64() != static_cast<std::int64_t>(group.params.size())) {
      loader.problem(
          concat("loaded state dict contains a parameter group that doesn't match the size of optimizer's "
                 "group ",
                 g, " (", size->item_int64(), " parameters, expected ", group.params.size(), ")"));
    }
    if (!loader.has(group_prefix(g) + "initial_lr")) {
      loader.on_success([&group] { group.initial_lr.reset(); });
    } else if (const Array* lr = loader.find(group_prefix(g) + "initial_lr", {}, DType::float64)) {
      loader.on_success([&group, value = lr->item()] { group.initial_lr = value; });
    }
    for (Param& param : group.params) {
      load_param(loader, state_prefix(param.name, index++), param);
    }
  }
  return loader.plan();
}

}  // namespace evenkeel::optim
