#include "evenkeel/training/averaged_model.hpp"

#include "evenkeel/core/kernels/elementwise/optimizer.hpp"
#include "evenkeel/optim/state.hpp"

#include <exception>
#include <set>
#include <tuple>

namespace evenkeel::training {
namespace {

constexpr const char* kModule = "module.";
constexpr const char* kCount = "n_averaged";

template <class T>
using Part = kernels::OptimizerPart<T>;

}  // namespace

AverageFn get_ema_avg_fn(double decay) {
  require(decay >= 0 && decay <= 1, "get_ema_avg_fn", "decay must lie in [0, 1], got ", decay);
  return [weight = 1 - decay](std::int64_t) { return weight; };
}

AverageFn get_swa_avg_fn() {
  return [](std::int64_t num_averaged) { return 1 / (static_cast<double>(num_averaged) + 1); };
}

AveragedModel::AveragedModel(const nn::Module& model, AverageOptions options) : options_(std::move(options)) {
  require(static_cast<bool>(options_.avg_fn), "AveragedModel", "avg_fn is empty");
  std::set<std::string> buffers;
  for (const auto& [name, buffer] : model.named_buffers()) {
    buffers.insert(name);
  }
  for (const auto& [name, value] : model.state_dict()) {
    averages_.emplace_back(name, value.clone());
    is_buffer_.push_back(buffers.contains(name));
  }
}

std::vector<Array> AveragedModel::matching(std::string_view op, const nn::Module& model) const {
  const nn::StateDict state = model.state_dict();
  require<StateError>(state.size() == averages_.size(), op, "the model must have ", averages_.size(),
                      " parameters and buffers, got ", state.size());
  std::vector<Array> values;
  for (std::size_t i = 0; i < state.size(); ++i) {
    const auto& [name, average] = averages_[i];
    const auto& [its_name, value] = state[i];
    require<StateError>(its_name == name, op, "expected a model with '", name, "', got '", its_name, "'");
    require<StateError>(value.shape() == average.shape() && value.dtype() == average.dtype(), op, "'", name,
                        "' must be ", average.dtype(), " of shape ", average.shape(), ", got ", value.dtype(),
                        " of shape ", value.shape());
    values.push_back(value);
  }
  return values;
}

void AveragedModel::update_parameters(const nn::Module& model) {
  constexpr const char* kOp = "AveragedModel::update_parameters";
  std::vector<Array> values = matching(kOp, model);
  const kernels::AverageStep step{.weight = n_averaged_ == 0 ? 1 : options_.avg_fn(n_averaged_)};
  require(step.weight >= 0 && step.weight <= 1, kOp, "the weight of a model must lie in [0, 1], got ", step.weight);
  std::tuple<std::vector<Part<float>>, std::vector<Part<double>>> parts;
  std::get<0>(parts).reserve(values.size());
  std::get<1>(parts).reserve(values.size());
  const auto copied = [&](std::size_t i) {
    const bool averaged = is_floating(values[i].dtype()) && (!is_buffer_[i] || options_.use_buffers);
    return n_averaged_ == 0 || !averaged;
  };
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = copied(i) ? values[i] : values[i].contiguous();
  }
  // Nothing is allocated from here on.
  for (std::size_t i = 0; i < values.size(); ++i) {
    Array& average = averages_[i].second;
    if (copied(i)) {
      average.copy_(values[i]);
    } else {
      dispatch_float(average.dtype(), kOp, [&]<class T>() {
        std::get<std::vector<Part<T>>>(parts).push_back(
            {&step, average.numel(), values[i].data<T>(), average.mutable_data<T>(), {}});
      });
    }
  }
  constexpr std::size_t kRule = kernels::OptimizerRules::index_of<kernels::AverageStep>();
  kernels::optimizer_step<float>(kRule, std::get<0>(parts));
  kernels::optimizer_step<double>(kRule, std::get<1>(parts));
  ++n_averaged_;
}

nn::StateDict AveragedModel::state_dict() const {
  nn::StateDict state = {{kCount, Array::scalar(n_averaged_)}};
  for (const auto& [name, average] : averages_) {
    state.emplace_back(kModule + name, average);
  }
  return state;
}

LoadPlan AveragedModel::plan_load_state_dict(const nn::StateDict& state) {
  optim::StateLoader loader("AveragedModel::load_state_dict", state);
  loader.field("", {.name = kCount, .value = &n_averaged_});
  for (auto& [name, average] : averages_) {
    loader.array(kModule + name, average.shape(), average.dtype(), average);
  }
  return loader.plan();
}

AveragesGuard::AveragesGuard(AveragedModel& averaged, nn::Module& model)
    : averaged_(averaged), values_(averaged.matching("AveragesGuard", model)), exceptions_(std::uncaught_exceptions()) {
  for (const Array& value : values_) {
    own_.push_back(value.clone());
  }
  for (std::size_t i = 0; i < values_.size(); ++i) {
    values_[i].copy_(averaged.averages_[i].second);
  }
}

AveragesGuard::~AveragesGuard() {
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (std::uncaught_exceptions() == exceptions_) {
      averaged_.averages_[i].second.copy_(values_[i]);
    }
    values_[i].copy_(own_[i]);
  }
}

}  // namespace evenkeel::training
