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
    const std::size_t dot = name.rfind('.');
    const std::string owner = dot == std::string::npos ? "" : name.substr(0, dot);
    const std::string own_name = dot == std::string::npos ? name : name.substr(dot + 1);
    const bool decays = parameter.rank() > 1 && own_name != "bias" && !norms.contains(owner);
    (decays ? split.decayed : split.not_decayed).emplace_back(name, parameter);
  }
  return split;
}

std::string to_string(const DecaySplit& split) {
  return concat("weight decay for ", listed(split.decayed), "; none for ", listed(split.not_decayed));
}

}  // namespace evenkeel::training
