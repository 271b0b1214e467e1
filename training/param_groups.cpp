#include "evenkeel/training/param_groups.hpp"

#include <set>

namespace evenkeel::training {
namespace {

std::string listed(const std::vector<std::pair<std::string, Tensor>>& parameters) {
  std::string text = concat(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    text += (i == 0 ? ": " : ", ") + parameters[i].first;
  }
  return text;
}

/// "layer.parametrizations.weight.original" belongs to "layer" as "weight", as "layer.weight" does.
std::pair<std::string, std::string> place_of(std::string name) {
  constexpr std::string_view kComputed = "parametrizations.";
  if (const std::size_t at = name.rfind(kComputed); at == 0 || (at != std::string::npos && name[at - 1] == '.')) {
    const std::size_t start = at + kComputed.size();
    name = name.substr(0, at) + name.substr(start, name.find('.', start) - start);
  }
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? std::pair(std::string(), name)
                                  : std::pair(name.substr(0, dot), name.substr(dot + 1));
}

}  // namespace

DecaySplit split_by_decay(const nn::Module& model) {
  std::set<std::string> norms;
  for (const auto& [name, module] : model.named_modules()) {
    if (dynamic_cast<const nn::FusibleNorm*>(module) != nullptr) {
      norms.insert(name);
    }
  }
  DecaySplit split;
  for (const auto& [name, parameter] : model.named_parameters()) {
    const auto [owner, own_name] = place_of(name);
    const bool decays = parameter.rank() > 1 && own_name != "bias" && !norms.contains(owner);
    (decays ? split.decayed : split.not_decayed).emplace_back(name, parameter);
  }
  return split;
}

std::string to_string(const DecaySplit& split) {
  return concat("weight decay for ", listed(split.decayed), "; none for ", listed(split.not_decayed));
}

}  // namespace evenkeel::training
