// Options that optimizers and schedules refuse.

#include "evenkeel/optim/cyclic_lr.hpp"
#include "evenkeel/optim/sequential_lr.hpp"
#include "evenkeel/optim/swa_lr.hpp"
#include "evenkeel/optim/warm_restarts.hpp"
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

template <class Scheduler, class... Args>
WrongCall refused_schedule(std::string text, Args... args) {
  return wrong<ValueError>(std::move(text), [=](World& w) { return Scheduler(w.adam, args...).last_epoch(); });
}

WrongCalls wrong_schedule_options() {
  using namespace optim;
  const auto cyclic = [](std::string text, CyclicOptions options) {
    return refused_schedule<CyclicLR>(std::move(text), std::move(options));
  };
  return {
      refused_schedule<PolynomialLR>("PolynomialLR: total_iters must be at least 0, got -1", -1),
      refused_schedule<PolynomialLR>("PolynomialLR: power must be at least 0, got nan", 5, kNaN),
      refused_schedule<MultiplicativeLR>("MultiplicativeLR: there must be 1 functions, got 0",
                                         std::vector<FunctionLR::Function>()),
      refused_schedule<CosineAnnealingWarmRestarts>(
          "CosineAnnealingWarmRestarts: Expected positive integer T_0, but got 0", 0),
      refused_schedule<CosineAnnealingWarmRestarts>(
          "CosineAnnealingWarmRestarts: Expected integer T_mult >= 1, but got 0", 1, 0),
      wrong<ValueError>("CosineAnnealingWarmRestarts: Expected non-negative epoch, but got -0.5",
                        [](World& w) {
                          SGD sgd({w.leaf}, {.lr = 1});
                          CosineAnnealingWarmRestarts schedule(sgd, 3);
                          schedule.step(-0.5);
                          return 0;
                        }),
      cyclic("CyclicLR: base_lr must have 1 values, got 0", {.max_lr = {1}}),
      cyclic("CyclicLR: max_lr must have 1 values, got 2", {.base_lr = {1}, .max_lr = {1, 2}}),
      cyclic("CyclicLR: step_size_up must be positive, got 0", {.base_lr = {1}, .max_lr = {1}, .step_size_up = 0}),
      cyclic("CyclicLR: step_size_down must be at least 0, got -1",
             {.base_lr = {1}, .max_lr = {1}, .step_size_down = -1}),
      refused_schedule<SWALR>("SWALR: anneal_epochs must be equal or greater than 0, got -1", std::vector{0.1}, -1),
      refused_schedule<SWALR>("SWALR: swa_lr must have 1 values, got 2", std::vector{0.1, 0.2}),
      wrong<ValueError>("ChainedScheduler: expects at least one scheduler to be chained, but got no scheduler",
                        [](World& w) { return ChainedScheduler(w.adam, {}).last_epoch(); }),
      wrong<ValueError>("ChainedScheduler: all schedulers must belong to the optimizer given, got another's at index 0",
                        [](World& w) { return ChainedScheduler(w.adam, {nullptr}).last_epoch(); }),
  };
}

WrongCalls wrong_optimizer_options() {
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

}  // namespace

WrongCalls wrong_options_of_training() {
  WrongCalls all = wrong_optimizer_options();
  const WrongCalls more = wrong_schedule_options();
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace evenkeel::test
