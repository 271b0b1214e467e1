// Options that optimizers refuse.

#include "tests/errors/wrong_calls.hpp"
#include "tests/optim/every_optimizer.hpp"

#include <limits>

namespace evenkeel::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class Optim>
WrongCall refused(std::string text, typename Optim::Options options) {
  return wrong<ValueError>(std::move(text), [options](World& w) { return Optim({w.leaf}, options).num_groups(); });
}

}  // namespace

WrongCalls wrong_options() {
  using namespace optim;
  return {
      refused<RMSprop>("RMSprop: lr must be at least 0, got -1", {.lr = -1}),
      refused<RMSprop>("RMSprop: alpha must be at least 0, got -0.5", {.alpha = -0.5}),
      refused<RMSprop>("RMSprop: eps must be at least 0, got nan", {.eps = kNaN}),
      refused<RMSprop>("RMSprop: weight_decay must be finite, got inf", {.weight_decay = kInfinity}),
      refused<RMSprop>("RMSprop: momentum must be at least 0, got -1", {.momentum = -1}),
      refused<Adagrad>("Adagrad: lr must be finite, got inf", {.lr = kInfinity}),
      refused<Adagrad>("Adagrad: lr_decay must be at least 0, got -1", {.lr_decay = -1}),
      refused<Adagrad>("Adagrad: weight_decay must be at least 0, got -1", {.weight_decay = -1}),
      refused<Adagrad>("Adagrad: initial_accumulator_value must be at least 0, got -1",
                       {.initial_accumulator_value = -1}),
      refused<Adagrad>("Adagrad: eps must be at least 0, got -1", {.eps = -1}),
      refused<Adadelta>("Adadelta: lr must be at least 0, got nan", {.lr = kNaN}),
      refused<Adadelta>("Adadelta: rho must lie in [0, 1], got 1.5", {.rho = 1.5}),
      refused<Adadelta>("Adadelta: eps must be at least 0, got -1", {.eps = -1}),
      refused<Adadelta>("Adadelta: weight_decay must be at least 0, got -1", {.weight_decay = -1}),
      refused<NAdam>("NAdam: lr must be at least 0, got -1", {.lr = -1}),
      refused<NAdam>("NAdam: beta1 must lie in [0, 1), got 1", {.beta1 = 1}),
      refused<NAdam>("NAdam: beta2 must lie in [0, 1), got -1", {.beta2 = -1}),
      refused<NAdam>("NAdam: eps must be at least 0, got -1", {.eps = -1}),
      refused<NAdam>("NAdam: weight_decay must be at least 0, got -1", {.weight_decay = -1}),
      refused<NAdam>("NAdam: momentum_decay must be at least 0, got -1", {.momentum_decay = -1}),
      refused<RAdam>("RAdam: lr must be at least 0, got -1", {.lr = -1}),
      refused<RAdam>("RAdam: beta1 must lie in [0, 1), got 2", {.beta1 = 2}),
      refused<RAdam>("RAdam: beta2 must lie in [0, 1), got 1", {.beta2 = 1}),
      refused<RAdam>("RAdam: eps must be at least 0, got -1", {.eps = -1}),
      refused<RAdam>("RAdam: weight_decay must be at least 0, got -1", {.weight_decay = -1}),
      refused<Adamax>("Adamax: lr must be at least 0, got -1", {.lr = -1}),
      refused<Adamax>("Adamax: beta1 must lie in [0, 1), got nan", {.beta1 = kNaN}),
      refused<Adamax>("Adamax: beta2 must lie in [0, 1), got 1", {.beta2 = 1}),
      refused<Adamax>("Adamax: eps must be at least 0, got -1", {.eps = -1}),
      refused<Adamax>("Adamax: weight_decay must be at least 0, got -1", {.weight_decay = -1}),
      refused<Lion>("Lion: lr must be at least 0, got -1", {.lr = -1}),
      refused<Lion>("Lion: beta1 must lie in [0, 1), got 1", {.beta1 = 1}),
      refused<Lion>("Lion: beta2 must lie in [0, 1), got 1", {.beta2 = 1}),
      refused<Lion>("Lion: weight_decay must be at least 0, got -1", {.weight_decay = -1}),
      refused<LARS>("LARS: parameter group didn't specify a value of required optimization parameter lr", {}),
      refused<LARS>("LARS: lr must be at least 0, got -1", {.lr = -1}),
      refused<LARS>("LARS: momentum must be at least 0, got -1", {.lr = 1, .momentum = -1}),
      refused<LARS>("LARS: weight_decay must be at least 0, got -1", {.lr = 1, .weight_decay = -1}),
      refused<LARS>("LARS: trust_coefficient must be at least 0, got -1", {.lr = 1, .trust_coefficient = -1}),
      refused<LARS>("LARS: eps must be finite, got inf", {.lr = 1, .eps = kInfinity}),
      refused<LAMB>("LAMB: lr must be at least 0, got -1", {.lr = -1}),
      refused<LAMB>("LAMB: beta1 must lie in [0, 1), got 1", {.beta1 = 1}),
      refused<LAMB>("LAMB: beta2 must lie in [0, 1), got 1", {.beta2 = 1}),
      refused<LAMB>("LAMB: eps must be at least 0, got -1", {.eps = -1}),
      refused<LAMB>("LAMB: weight_decay must be at least 0, got -1", {.weight_decay = -1}),
  };
}

}  // namespace evenkeel::test
