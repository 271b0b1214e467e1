#pragma once

// Every optimizer with its options, one row each: what all have in common is tested over these. The names are the cases
// of tests/fixtures/make_optimizers_more.py.

#include "evenkeel/optim/adadelta.hpp"
#include "evenkeel/optim/adagrad.hpp"
#include "evenkeel/optim/adam.hpp"
#include "evenkeel/optim/adamax.hpp"
#include "evenkeel/optim/lamb.hpp"
#include "evenkeel/optim/lars.hpp"
#include "evenkeel/optim/lion.hpp"
#include "evenkeel/optim/nadam.hpp"
#include "evenkeel/optim/radam.hpp"
#include "evenkeel/optim/rmsprop.hpp"
#include "evenkeel/optim/sgd.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace evenkeel::test {

/// One group of parameters or two; the second has half the rate and 0.1 more weight decay.
using MakeOptimizer = std::function<std::unique_ptr<optim::Optimizer>(const std::vector<optim::ParamList>& groups)>;

template <class Optim>
MakeOptimizer make(typename Optim::Options options) {
  return [options](const std::vector<optim::ParamList>& params) {
    std::vector<optim::ParamGroup<typename Optim::Options>> groups;
    for (const optim::ParamList& list : params) {
      groups.push_back({list, options});
    }
    if (groups.size() == 2) {
      groups[1].options.lr /= 2;
      groups[1].options.weight_decay += 0.1;
    }
    return std::make_unique<Optim>(groups);
  };
}

inline std::vector<std::pair<std::string, MakeOptimizer>> every_optimizer() {
  using namespace optim;
  return {
      {"rmsprop", make<RMSprop>({})},
      {"rmsprop_momentum", make<RMSprop>({.lr = 0.005, .alpha = 0.9, .weight_decay = 0.05, .momentum = 0.8})},
      {"rmsprop_centered", make<RMSprop>({.lr = 0.02, .eps = 1e-4, .centered = true, .maximize = true})},
      {"rmsprop_all", make<RMSprop>({.alpha = 0.8, .weight_decay = 0.1, .momentum = 0.5, .centered = true})},
      {"adagrad", make<Adagrad>({})},
      {"adagrad_all",
       make<Adagrad>(
           {.lr = 0.1, .lr_decay = 0.05, .weight_decay = 0.02, .initial_accumulator_value = 0.3, .eps = 1e-3})},
      {"adagrad_maximize", make<Adagrad>({.lr = 0.05, .maximize = true})},
      {"adadelta", make<Adadelta>({})},
      {"adadelta_all", make<Adadelta>({.lr = 0.7, .rho = 0.8, .eps = 1e-3, .weight_decay = 0.1, .maximize = true})},
      {"nadam", make<NAdam>({})},
      {"nadam_decay",
       make<NAdam>(
           {.lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-5, .weight_decay = 0.1, .momentum_decay = 0.05})},
      {"nadam_decoupled", make<NAdam>({.weight_decay = 0.2, .decoupled_weight_decay = true, .maximize = true})},
      {"radam", make<RAdam>({})},
      {"radam_decay", make<RAdam>({.lr = 0.02, .beta1 = 0.8, .beta2 = 0.9, .eps = 1e-4, .weight_decay = 0.1})},
      {"radam_decoupled",
       make<RAdam>({.lr = 0.01, .weight_decay = 0.2, .decoupled_weight_decay = true, .maximize = true})},
      {"adamax", make<Adamax>({})},
      {"adamax_all",
       make<Adamax>({.lr = 0.02, .beta1 = 0.8, .beta2 = 0.9, .eps = 1e-3, .weight_decay = 0.1, .maximize = true})},
      {"adam_maximize", make<Adam>({.weight_decay = 0.1, .maximize = true})},
      {"adamw_maximize", make<AdamW>({.amsgrad = true, .maximize = true})},
      {"sgd_decoupled", make<SGD>({.lr = 0.05, .momentum = 0.9, .weight_decay = 0.1, .decoupled_weight_decay = true})},
      {"sgd_decoupled_plain",
       make<SGD>({.lr = 0.05, .weight_decay = 0.1, .maximize = true, .decoupled_weight_decay = true})},
      {"lion", make<Lion>({})},
      {"lion_all", make<Lion>({.lr = 0.01, .beta1 = 0.8, .beta2 = 0.95, .weight_decay = 0.1, .maximize = true})},
      {"lars", make<LARS>({.lr = 0.5})},
      {"lars_decay",
       make<LARS>({.lr = 0.5, .weight_decay = 0.3, .trust_coefficient = 0.02, .eps = 1e-3, .maximize = true})},
      {"lars_not_adapted", make<LARS>({.lr = 0.05, .adapt = false})},
      {"lamb", make<LAMB>({})},
      {"lamb_decay", make<LAMB>({.lr = 0.02, .beta1 = 0.8, .beta2 = 0.9, .weight_decay = 0.3, .maximize = true})},
      {"lamb_not_adapted", make<LAMB>({.lr = 0.02, .weight_decay = 0.1, .adapt = false})},
  };
}

}  // namespace evenkeel::test
