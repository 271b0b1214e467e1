#include "evenkeel/nn/weighted_layer.hpp"

#include "evenkeel/autograd/grad_mode.hpp"

namespace evenkeel::nn {
namespace {

/// The level "parametrizations" of the names.
class Parametrizations : public Module {
 public:
  explicit Parametrizations(std::unique_ptr<WeightParametrization> weight) { add("weight", std::move(weight)); }
  std::string type_name() const override { return "ModuleDict"; }
};

constexpr const char* kChild = "parametrizations";

}  // namespace

void WeightParametrization::rename_old(const std::string& prefix,
                                       std::initializer_list<std::pair<std::string_view, std::string_view>> names,
                                       StateDict& state) {
  constexpr std::string_view kOurs = "parametrizations.weight.";
  if (!prefix.ends_with(kOurs)) {
    return;
  }
  const std::string layer = prefix.substr(0, prefix.size() - kOurs.size());
  for (auto& [name, value] : state) {
    for (const auto& [old, now] : names) {
      if (name.starts_with(layer) && std::string_view(name).substr(layer.size()) == old) {
        name = concat(prefix, now);
        break;
      }
    }
  }
}

WeightedLayer::WeightedLayer(Array initial_weight, Array initial_bias)
    : weight(parameter("weight", std::move(initial_weight))), bias(parameter("bias", std::move(initial_bias))) {}

Tensor WeightedLayer::effective_weight() { return stored_weight(); }

Tensor WeightedLayer::stored_weight() { return parametrization_ == nullptr ? weight : parametrization_->value(); }

Tensor WeightedLayer::done(Tensor y) const {
  if (parametrization_ != nullptr) {
    parametrization_->commit();
  }
  return y;
}

void WeightedLayer::parametrize(std::unique_ptr<WeightParametrization> parametrization) {
  require<StateError>(parametrization_ == nullptr, type_name(), "the weight has a parametrization already (",
                      parametrization_ == nullptr ? "" : parametrization_->type_name(),
                      "); remove_parametrization first");
  require(parametrization != nullptr, type_name(), "the parametrization must not be nullptr");
  WeightParametrization* kept = parametrization.get();
  add<Parametrizations>(kChild, std::move(parametrization))->train(training());
  parametrization_ = kept;
  weight = Tensor();
}

void WeightedLayer::remove_parametrization() {
  require<StateError>(parametrization_ != nullptr, type_name(), "the weight has no parametrization to remove");
  parametrization_->eval();
  weight = Tensor(no_grad([&] { return parametrization_->value(); }).array().clone(), true);
  parametrization_ = nullptr;
  remove_child(kChild);
}

WeightedLayer& as_weighted(const char* op, Module& layer) {
  auto* weighted = dynamic_cast<WeightedLayer*>(&layer);
  require(weighted != nullptr, op, "a ", layer.type_name(), " was given, expected a Linear, Conv2d or ConvTranspose2d");
  return *weighted;
}

void remove_parametrization(Module& layer) { as_weighted("remove_parametrization", layer).remove_parametrization(); }

}  // namespace evenkeel::nn
