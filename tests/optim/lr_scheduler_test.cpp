#include "evenkeel/optim/lr_scheduler.hpp"

#include "evenkeel/optim/adam.hpp"
#include "evenkeel/optim/cyclic_lr.hpp"
#include "evenkeel/optim/one_cycle.hpp"
#include "evenkeel/optim/reduce_lr_on_plateau.hpp"
#include "evenkeel/optim/rmsprop.hpp"
#include "evenkeel/optim/sequential_lr.hpp"
#include "evenkeel/optim/sgd.hpp"
#include "evenkeel/optim/swa_lr.hpp"
#include "evenkeel/optim/warm_restarts.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

using namespace evenkeel;
using namespace evenkeel::optim;

namespace {

using Schedulers = std::vector<std::shared_ptr<LRScheduler>>;
using MakeSchedulers = std::function<Schedulers(Optimizer&)>;

std::unique_ptr<Optimizer> make_sgd() {
  const Tensor a(Array::zeros({1}), true), b(Array::zeros({1}), true);
  return std::make_unique<SGD>(
      std::vector<ParamGroup<SGDOptions>>{{{a}, {.lr = 0.5, .momentum = 0.9}}, {{b}, {.lr = 0.03, .momentum = 0.9}}});
}

std::unique_ptr<Optimizer> make_adam() {
  return std::make_unique<Adam>(ParamList{Tensor(Array::zeros({1}), true)}, AdamOptions{.lr = 0.5});
}

std::unique_ptr<Optimizer> make_rmsprop() {
  return std::make_unique<RMSprop>(ParamList{Tensor(Array::zeros({1}), true)}, RMSpropOptions{.lr = 0.5});
}

template <class T, class... Args>
MakeSchedulers one(Args... args) {
  return [=](Optimizer& o) { return Schedulers{std::make_shared<T>(o, args...)}; };
}

Schedulers sequential(Optimizer& o) {
  return {std::make_shared<SequentialLR>(
      o, Schedulers{std::make_shared<LinearLR>(o, 0.1, 1.0, 5), std::make_shared<CosineAnnealingLR>(o, 20, 0.001)},
      std::vector<std::int64_t>{5})};
}

Schedulers three_parts(Optimizer& o) {
  return {std::make_shared<SequentialLR>(
      o,
      Schedulers{std::make_shared<ConstantLR>(o, 0.25, 4), std::make_shared<ExponentialLR>(o, 0.9),
                 std::make_shared<StepLR>(o, 3, 0.5)},
      std::vector<std::int64_t>{6, 17})};
}

Schedulers chained(Optimizer& o) {
  auto first = std::make_shared<LinearLR>(o, 0.2, 1.0, 10);
  return {std::move(first), std::make_shared<ExponentialLR>(o, 0.95)};
}

Schedulers chained_scheduler(Optimizer& o) {
  return {std::make_shared<ChainedScheduler>(
      o, Schedulers{std::make_shared<ConstantLR>(o, 0.1, 12), std::make_shared<ExponentialLR>(o, 0.9),
                    std::make_shared<PolynomialLR>(o, 30, 0.5)})};
}

LambdaLR::Function constant(double value) {
  return [value](std::int64_t) { return value; };
}

Schedulers sequential_more(Optimizer& o) {
  return {std::make_shared<SequentialLR>(
      o,
      Schedulers{std::make_shared<PolynomialLR>(o, 10), std::make_shared<MultiplicativeLR>(o, constant(0.9)),
                 std::make_shared<SWALR>(o, std::vector{0.1}, 4)},
      std::vector<std::int64_t>{7, 20})};
}

const OneCycleOptions kOneCycle{.max_lr = {1.5, 0.2}, .total_steps = 41};
const OneCycleOptions kOneCycleLinear{.max_lr = {0.4},
                                      .total_steps = 41,
                                      .pct_start = 0.25,
                                      .anneal_strategy = Anneal::linear,
                                      .base_momentum = {0.8},
                                      .max_momentum = {0.9},
                                      .div_factor = 10,
                                      .final_div_factor = 100,
                                      .three_phase = true};
const std::vector<LambdaLR::Function> kLambdas = {[](std::int64_t e) { return 1 / (1 + static_cast<double>(e)); },
                                                  [](std::int64_t e) { return std::pow(0.9, static_cast<double>(e)); }};

const std::vector<LambdaLR::Function> kFactors = {[](std::int64_t e) { return 1 - 0.5 / (1 + static_cast<double>(e)); },
                                                  constant(1.02)};
const CyclicOptions kCyclic{.base_lr = {0.01}, .max_lr = {0.5, 0.1}, .step_size_up = 5, .step_size_down = 8};
const CyclicOptions kCyclicHalving{
    .base_lr = {0.1}, .max_lr = {0.9}, .step_size_up = 4, .mode = CycleMode::triangular2, .base_momentum = {0.7}};
const CyclicOptions kCyclicExp{
    .base_lr = {0.1}, .max_lr = {0.9}, .step_size_up = 6, .mode = CycleMode::exp_range, .gamma = 0.97};
const CyclicOptions kCyclicOwn{.base_lr = {0.1, 0.2},
                               .max_lr = {0.4},
                               .step_size_up = 3,
                               .scale_fn = [](double x) { return 1 / (1 + x); },
                               .scale_mode = ScaleMode::iterations,
                               .max_momentum = {0.95, 0.9}};
const CyclicOptions kCyclicOwnCycles{.base_lr = {0.1},
                                     .max_lr = {0.4},
                                     .step_size_up = 3,
                                     .scale_fn = [](double x) { return std::pow(0.8, x); },
                                     .cycle_momentum = false};

struct Case {
  std::string name;
  MakeSchedulers make;
  std::unique_ptr<Optimizer> (*optimizer)() = make_sgd;
};

const std::vector<Case> kCases = {
    {"step", one<StepLR>(7, 0.3)},
    {"multi_step", one<MultiStepLR>(std::vector<std::int64_t>{3, 9, 9, 30}, 0.5)},
    {"exponential", one<ExponentialLR>(0.87)},
    {"cosine", one<CosineAnnealingLR>(9, 0.002)},
    {"cosine_long", one<CosineAnnealingLR>(45)},
    {"linear", one<LinearLR>(0.25, 0.75, 11)},
    {"linear_default", one<LinearLR>()},
    {"constant", one<ConstantLR>(0.4, 6)},
    {"lambda", one<LambdaLR>(kLambdas)},
    {"one_cycle", one<OneCycleLR>(kOneCycle)},
    {"one_cycle_linear", one<OneCycleLR>(kOneCycleLinear), make_adam},
    {"sequential", sequential},
    {"three_parts", three_parts},
    {"chained", chained},
    {"polynomial", one<PolynomialLR>()},
    {"polynomial_long", one<PolynomialLR>(25, 1.7)},
    {"multiplicative", one<MultiplicativeLR>(constant(0.95))},
    {"multiplicative_two", one<MultiplicativeLR>(kFactors)},
    {"warm_restarts", one<CosineAnnealingWarmRestarts>(7)},
    {"warm_restarts_doubling", one<CosineAnnealingWarmRestarts>(4, 2, 0.01)},
    {"cyclic", one<CyclicLR>(kCyclic)},
    {"cyclic_halving", one<CyclicLR>(kCyclicHalving), make_rmsprop},
    {"cyclic_exp", one<CyclicLR>(kCyclicExp), make_adam},
    {"cyclic_own", one<CyclicLR>(kCyclicOwn)},
    {"cyclic_own_cycles", one<CyclicLR>(kCyclicOwnCycles)},
    {"swa", one<SWALR>(std::vector{0.05, 0.1})},
    {"swa_linear", one<SWALR>(std::vector{0.2}, 7, Anneal::linear)},
    {"swa_at_once", one<SWALR>(std::vector{0.2}, 0)},
    {"chained_scheduler", chained_scheduler},
    {"sequential_more", sequential_more},
};

/// "<case> <group> <quantity>" to the values of PyTorch.
using Expected = std::map<std::string, std::vector<double>>;

Expected read_fixture() {
  Expected expected;
  for (const char* name_of_file : {"/schedulers.txt", "/schedulers_more.txt"}) {
    std::ifstream file(std::string(EVENKEEL_FIXTURES) + name_of_file);
    for (std::string line; std::getline(file, line);) {
      std::istringstream in(line);
      std::string name, group, quantity;
      in >> name >> group >> quantity;
      std::vector<double>& values = expected[concat(name, " ", group, " ", quantity)];
      for (double value; in >> value;) {
        values.push_back(value);
      }
    }
  }
  return expected;
}

void check_now(const Optimizer& optimizer, const Expected& expected, const std::string& name, std::size_t step) {
  CAPTURE(name);
  CAPTURE(step);
  const std::string momentum = optimizer.has_option("momentum") ? "momentum" : "beta1";
  for (std::size_t group = 0; group < optimizer.num_groups(); ++group) {
    CAPTURE(group);
    CHECK(optimizer.lr(group) == doctest::Approx(expected.at(concat(name, " ", group, " lr")).at(step)).epsilon(1e-11));
    const double wanted = expected.at(concat(name, " ", group, " momentum")).at(step);
    CHECK(optimizer.option(group, momentum) == doctest::Approx(wanted).epsilon(1e-11));
  }
}

constexpr std::size_t kSteps = 40;

double metric(std::size_t i) {
  const double curve[] = {5.0, 4.0, 3.99, 3.99, 3.5, 3.6, 3.7, 3.4};
  return i == 20 ? std::nan("") : curve[i % 8] / static_cast<double>(1 + i / 16);
}

}  // namespace

TEST_CASE("schedules equal PyTorch's over 40 steps") {
  const Expected expected = read_fixture();
  for (const Case& c : kCases) {
    const auto optimizer = c.optimizer();
    const Schedulers schedulers = c.make(*optimizer);
    check_now(*optimizer, expected, c.name, 0);
    for (std::size_t step = 1; step <= kSteps; ++step) {
      for (const auto& scheduler : schedulers) {
        scheduler->step();
      }
      check_now(*optimizer, expected, c.name, step);
      CHECK(schedulers.back()->get_last_lr()[0] == optimizer->lr(0));
    }
  }
}

TEST_CASE("a schedule resumed at any step goes on bit for bit") {
  for (const Case& c : kCases) {
    CAPTURE(c.name);
    for (const std::size_t at : {1U, 5U, 6U, 17U, 31U}) {
      const auto whole = c.optimizer(), resumed = c.optimizer();
      const Schedulers first = c.make(*whole);
      for (std::size_t step = 0; step < at; ++step) {
        for (const auto& scheduler : first) {
          scheduler->step();
        }
      }
      const Schedulers second = c.make(*resumed);
      resumed->load_state_dict(whole->state_dict());
      for (std::size_t i = 0; i < first.size(); ++i) {
        second[i]->load_state_dict(first[i]->state_dict());
      }
      for (std::size_t step = at; step < kSteps; ++step) {
        for (std::size_t i = 0; i < first.size(); ++i) {
          first[i]->step();
          second[i]->step();
        }
        CHECK(resumed->lr(0) == whole->lr(0));
      }
      CHECK(second[0]->last_epoch() == static_cast<std::int64_t>(kSteps));
    }
  }
}

TEST_CASE("CosineAnnealingWarmRestarts goes to any epoch, and to parts of one, as PyTorch's") {
  const Expected expected = read_fixture();
  constexpr double kNext = -1;  // a plain step()
  const std::vector<double> steps = {0.25,  0.5,   kNext, 2.75,  3,  3.5,   10.25, kNext, kNext,  40.5,
                                     kNext, 1.125, 0,     kNext, 21, kNext, 13,    39,    120.75, kNext};
  for (const bool doubling : {false, true}) {
    const auto optimizer = make_sgd();
    CosineAnnealingWarmRestarts scheduler(*optimizer, 3, doubling ? 2 : 1, doubling ? 0.02 : 0);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      steps[i] == kNext ? scheduler.step() : scheduler.step(steps[i]);
      check_now(*optimizer, expected, doubling ? "fractional_doubling" : "fractional", i + 1);
    }
    CHECK(scheduler.last_epoch() == 121);
  }
}

TEST_CASE("ReduceLROnPlateau equals PyTorch's and resumes") {
  const Expected expected = read_fixture();
  const std::vector<std::pair<std::string, PlateauOptions>> cases = {
      {"plateau", {.factor = 0.5, .patience = 2, .cooldown = 1, .min_lr = {0.01, 0}}},
      {"plateau_max",
       {.mode = PlateauMode::max,
        .factor = 0.3,
        .patience = 1,
        .threshold = 0.01,
        .threshold_mode = ThresholdMode::abs}}};
  for (const auto& [name, options] : cases) {
    const auto optimizer = make_sgd();
    auto scheduler = std::make_unique<ReduceLROnPlateau>(*optimizer, options);
    for (std::size_t step = 0; step < kSteps; ++step) {
      check_now(*optimizer, expected, name, step);
      scheduler->step(metric(step));
      auto copy = std::make_unique<ReduceLROnPlateau>(*optimizer, options);
      copy->load_state_dict(scheduler->state_dict());
      scheduler = std::move(copy);
    }
    check_now(*optimizer, expected, name, kSteps);
    CHECK(scheduler->last_epoch() == static_cast<std::int64_t>(kSteps));
  }
}

TEST_CASE("OneCycleLR ends at the lowest rate, stays there once, then refuses") {
  const auto optimizer = make_sgd();
  OneCycleLR scheduler(*optimizer, {.max_lr = {1}, .total_steps = 6, .anneal_strategy = Anneal::linear});
  CHECK(optimizer->lr(0) == doctest::Approx(1.0 / 25));
  for (int step = 1; step <= 5; ++step) {
    scheduler.step();
  }
  CHECK(optimizer->lr(0) == doctest::Approx(1.0 / 25 / 1e4));
  scheduler.step();
  CHECK(optimizer->lr(0) == doctest::Approx(1.0 / 25 / 1e4));
  CHECK_THROWS_WITH(scheduler.step(), "OneCycleLR: Tried to step 8 times. The specified number of total steps is 6");
  CHECK(scheduler.last_epoch() == 6);
}

TEST_CASE("schedules without a rising or falling part do not divide by zero") {
  const auto lrs = [](const MakeSchedulers& make, std::size_t steps) {
    const auto optimizer = make_sgd();
    const Schedulers schedulers = make(*optimizer);
    std::vector<double> values = {optimizer->lr(0)};
    for (std::size_t i = 0; i < steps; ++i) {
      schedulers[0]->step();
      values.push_back(optimizer->lr(0));
    }
    return values;
  };
  CHECK(lrs(one<LinearLR>(0.25, 1.0, 0), 2) == std::vector<double>{0.5, 0.5, 0.5});
  CHECK(lrs(one<ConstantLR>(0.25, 0), 2) == std::vector<double>{0.5, 0.5, 0.5});
  CHECK(lrs(one<ConstantLR>(0.0, 2), 3) == std::vector<double>{0, 0, 0.5, 0.5});
  CHECK(lrs(one<LinearLR>(0.0, 1.0, 4), 5) == std::vector<double>{0, 0.125, 0.25, 0.375, 0.5, 0.5});
  for (const double pct : {0.0, 1.0, 0.25}) {
    for (const double lr :
         lrs(one<OneCycleLR>(OneCycleOptions{.max_lr = {1}, .total_steps = 4, .pct_start = pct}), 4)) {
      CHECK(std::isfinite(lr));
    }
  }
  CHECK(std::isfinite(lrs(one<OneCycleLR>(OneCycleOptions{.max_lr = {1}, .total_steps = 1}), 0)[0]));
}

TEST_CASE("warmup rises to the base rate, then the next schedule starts at its own beginning") {
  const auto optimizer = make_sgd();
  const auto scheduler = warmup(*optimizer, 4, std::make_shared<CosineAnnealingLR>(*optimizer, 10), 0.2);
  std::vector<double> values = {optimizer->lr(0)};
  for (int i = 0; i < 14; ++i) {
    scheduler->step();
    values.push_back(optimizer->lr(0));
  }
  for (int i = 0; i < 15; ++i) {
    CAPTURE(i);
    const double factor = i < 4 ? 0.2 + 0.8 * i / 4 : (1 + std::cos(3.14159265358979 * (i - 4) / 10)) / 2;
    CHECK(values[static_cast<std::size_t>(i)] == doctest::Approx(0.5 * factor));
  }
  const auto plain = make_sgd();
  const auto next = std::make_shared<StepLR>(*plain, 2);
  CHECK(warmup(*plain, 0, next) == next);
  CHECK(plain->lr(0) == 0.5);
}

TEST_CASE("a rate set by hand is respected, and the base rate is not rescaled") {
  const auto optimizer = make_sgd();
  StepLR scheduler(*optimizer, 2, 0.5);
  optimizer->set_lr(0, 8);
  scheduler.step();
  CHECK(optimizer->lr(0) == 8);
  scheduler.step();
  CHECK(optimizer->lr(0) == 4);
  CHECK(optimizer->initial_lr(0) == 0.5);
}

TEST_CASE("bad arguments are refused") {
  const auto optimizer = make_sgd();
  Optimizer& o = *optimizer;
  CHECK_THROWS_WITH(StepLR(o, 0), "StepLR: step_size must be positive, got 0");
  CHECK_THROWS_WITH(CosineAnnealingLR(o, 0), "CosineAnnealingLR: t_max must be positive, got 0");
  CHECK_THROWS_WITH(LinearLR(o, 1.5), "LinearLR: start_factor must lie in [0, 1], got 1.5");
  CHECK_THROWS_WITH(ConstantLR(o, -1), "ConstantLR: factor must lie in [0, 1], got -1");
  CHECK_THROWS_WITH(LambdaLR(o, std::vector<LambdaLR::Function>(3)), "LambdaLR: there must be 2 functions, got 3");
  CHECK_THROWS_WITH(OneCycleLR(o, {.max_lr = {1}}), "OneCycleLR: total_steps must be positive, got 0");
  CHECK_THROWS_WITH(OneCycleLR(o, {.max_lr = {1, 2, 3}, .total_steps = 5}),
                    "OneCycleLR: max_lr must have 2 values, got 3");
  CHECK_THROWS_WITH(ReduceLROnPlateau(o, {.factor = 1}), "ReduceLROnPlateau: factor must be below 1, got 1");
  const auto step = std::make_shared<StepLR>(o, 1);
  CHECK_THROWS_WITH(SequentialLR(o, {step, step}, {}),
                    "SequentialLR: there must be one scheduler more than milestones, got 2 and 0");
  CHECK_THROWS_WITH(SequentialLR(o, {step, step}, {0}),
                    "SequentialLR: milestones must be positive and rise, got 0 after 0");
  const auto other = make_sgd();
  CHECK_THROWS_WITH(SequentialLR(*other, {step}, {}),
                    "SequentialLR: all schedulers must belong to the optimizer given, got another's at index 0");
}

TEST_CASE("a wrong state is refused as a whole") {
  const auto optimizer = make_sgd();
  StepLR step(*optimizer, 3);
  step.step();
  CHECK_THROWS_WITH(
      step.load_state_dict({{"last_epoch", Array::scalar(std::int64_t{9})}, {"x", Array::ones({1})}}),
      "LRScheduler::load_state_dict: missing key 'base_lrs'; missing key 'last_lr'; missing key 'step_size'; "
      "missing key 'gamma'; unexpected key 'x'");
  CHECK(step.last_epoch() == 1);
  const Schedulers made = sequential(*optimizer);
  NamedArrays state = made[0]->state_dict();
  made[0]->step();
  state.pop_back();
  CHECK_THROWS_WITH(made[0]->load_state_dict(state), doctest::Contains("missing key"));
  CHECK(made[0]->last_epoch() == 1);
}
