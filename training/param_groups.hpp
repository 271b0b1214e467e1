#pragma once

#include "evenkeel/nn/module.hpp"
#include "evenkeel/optim/optimizer.hpp"

#include <string>
#include <utility>
#include <vector>

namespace evenkeel::training {

/// A model's parameters by their full names, as weight decay is for them or not.
struct DecaySplit {
  std::vector<std::pair<std::string, Tensor>> decayed, not_decayed;
};

/// Weight decay is not for biases and not for what belongs to norms: parameters of rank 0 or 1, those named "bias", and
/// all of a norm that has them with more dims (LayerNorm over an image). A tied parameter stands under its first name.
DecaySplit split_by_decay(const nn::Module& model);

/// "weight decay for 12 parameters: conv1.weight, ...; none for 25: conv1.bias, ..."
std::string to_string(const DecaySplit& split);

/// The groups of split_by_decay(), for any optimizer: with the options given, and with weight_decay = 0, in which LARS
/// and LAMB do not adapt the rate (You et al. 2017 and 2020 leave these parameters out). A group without parameters is
/// left out.
///   optim::AdamW adamw(training::param_groups_without_decay(net, optim::AdamWOptions{.weight_decay = 0.05}));
template <class Options>
std::vector<optim::ParamGroup<Options>> param_groups_without_decay(const nn::Module& model, const Options& options) {
  const DecaySplit split = split_by_decay(model);
  Options without = options;
  without.weight_decay = 0;
  if constexpr (requires { without.adapt; }) {
    without.adapt = false;
  }
  std::vector<optim::ParamGroup<Options>> groups;
  if (!split.decayed.empty()) {
    groups.push_back({split.decayed, options});
  }
  if (!split.not_decayed.empty()) {
    groups.push_back({split.not_decayed, without});
  }
  return groups;
}

}  // namespace evenkeel::training
