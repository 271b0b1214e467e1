// Groups that are added while a schedule runs, and schedules that fail: what an optimizer has then.

#include "evenkeel/optim/adagrad.hpp"
#include "evenkeel/optim/cyclic_lr.hpp"
#include "evenkeel/optim/lr_scheduler.hpp"
#include "evenkeel/optim/one_cycle.hpp"
#include "evenkeel/optim/reduce_lr_on_plateau.hpp"
#include "evenkeel/optim/sequential_lr.hpp"
#include "evenkeel/optim/sgd.hpp"
#include "evenkeel/optim/swa_lr.hpp"
#include "evenkeel/optim/warm_restarts.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace evenkeel;
using namespace evenkeel::optim;
using doctest::Approx;
using doctest::Contains;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

ParamList one_parameter() { return {Tensor(Array::zeros({1}), true)}; }

SGDOptions at(double lr) { return {.lr = lr, .momentum = 0.9}; }

/// The rate of a group that comes with 0.8 after two steps, for four steps more.
std::vector<double> late_rates(const std::function<std::shared_ptr<LRScheduler>(Optimizer&)>& make) {
  SGD sgd(one_parameter(), at(0.5));
  const auto schedule = make(sgd);
  schedule->step();
  schedule->step();
  sgd.add_param_group({one_parameter(), at(0.8)});
  std::vector<double> rates;
  for (int i = 0; i < 4; ++i) {
    schedule->step();
    rates.push_back(sgd.lr(1));
    CHECK(schedule->get_last_lr() == std::vector<double>{sgd.lr(0), sgd.lr(1)});
  }
  CHECK(sgd.initial_lr(1) == 0.8);
  return rates;
}

template <class T, class... Args>
std::vector<double> late(const Args&... args) {
  return late_rates([&](Optimizer& o) { return std::make_shared<T>(o, args...); });
}

void check_rates(const std::vector<double>& rates, const std::vector<double>& expected) {
  REQUIRE(rates.size() == expected.size());
  for (std::size_t i = 0; i < rates.size(); ++i) {
    CAPTURE(i);
    CHECK(rates[i] == Approx(expected[i]).epsilon(1e-12));
  }
}

/// What a schedule can change, of an optimizer with two groups.
std::vector<double> everything(Optimizer& o) {
  std::vector<double> result;
  for (const auto& [name, array] : o.state_dict()) {
    result.push_back(static_cast<double>(std::hash<std::string>{}(name) % 1000));
    result.push_back(array.to(DType::float64).item());
  }
  return result;
}

template <class Make>
void check_unchanged(const Make& make, const char* text) {
  CAPTURE(text);
  SGD sgd(std::vector<ParamGroup<SGDOptions>>{{one_parameter(), at(0.5)}, {one_parameter(), at(0.25)}});
  const std::vector<double> before = everything(sgd);
  CHECK_THROWS_WITH(make(sgd), Contains(text));
  CHECK(everything(sgd) == before);
  CHECK(!sgd.initial_lr(0));
}

}  // namespace

TEST_CASE("a group added later is scheduled, by PyTorch's rules, from the rate that it comes with") {
  check_rates(late<StepLR>(4, 0.5), {0.8, 0.4, 0.4, 0.4});
  check_rates(late<MultiStepLR>(std::vector<std::int64_t>{4, 5}, 0.5), {0.8, 0.4, 0.2, 0.2});
  check_rates(late<ExponentialLR>(0.5), {0.4, 0.2, 0.1, 0.05});
  check_rates(late<ConstantLR>(0.5, 4), {0.8, 1.6, 1.6, 1.6});
  // factor(epoch) / factor(epoch - 1), of factors 1/2, 5/8, 3/4, 7/8, 1
  check_rates(late<LinearLR>(0.5, 1.0, 4), {0.8 * 7 / 6, 0.8 * 8 / 6, 0.8 * 8 / 6, 0.8 * 8 / 6});
  const double at_2 = 1 + std::cos(std::acos(-1) * 2 / 8);
  const auto cosine = [&](int epoch) { return 0.8 * (1 + std::cos(std::acos(-1) * epoch / 8)) / at_2; };
  check_rates(late<CosineAnnealingLR>(8), {cosine(3), cosine(4), cosine(5), cosine(6)});
  check_rates(late<LambdaLR>(LambdaLR::Function([](std::int64_t e) { return 1 / static_cast<double>(1 + e); })),
              {0.8 / 4, 0.8 / 5, 0.8 / 6, 0.8 / 7});
  check_rates(late<PolynomialLR>(4), {0.4, 0, 0, 0});
  check_rates(late<MultiplicativeLR>(LambdaLR::Function([](std::int64_t e) { return 1 / static_cast<double>(e); })),
              {0.8 / 3, 0.8 / 12, 0.8 / 60, 0.8 / 360});
  check_rates(late<CosineAnnealingWarmRestarts>(2), {0.4, 0.8, 0.4, 0.8});
  check_rates(late<SWALR>(std::vector{0.2}, 4, Anneal::linear), {0.5, 0.2, 0.2, 0.2});
  check_rates(late<CyclicLR>(CyclicOptions{.base_lr = {0.1}, .max_lr = {0.5}, .step_size_up = 4}),
              {0.4, 0.5, 0.4, 0.3});
  const auto both = [](Optimizer& o) {
    return std::make_shared<ChainedScheduler>(
        o, std::vector<std::shared_ptr<LRScheduler>>{std::make_shared<ExponentialLR>(o, 0.5),
                                                     std::make_shared<StepLR>(o, 4, 0.5)});
  };
  check_rates(late_rates(both), {0.4, 0.1, 0.05, 0.025});
  const auto warm = [](Optimizer& o) { return warmup(o, 4, std::make_shared<ExponentialLR>(o, 0.5), 0.5); };
  check_rates(late_rates(warm), {0.8 * 7 / 6, 0.8, 0.4, 0.2});
}

TEST_CASE("ReduceLROnPlateau reduces a group added later too") {
  SGD sgd(one_parameter(), at(0.5));
  ReduceLROnPlateau schedule(sgd, {.factor = 0.5, .patience = 0, .min_lr = {0.3}});
  schedule.step(1);
  sgd.add_param_group({one_parameter(), at(0.8)});
  schedule.step(1);
  CHECK(sgd.lr(0) == 0.3);
  CHECK(sgd.lr(1) == 0.4);
  schedule.step(1);
  CHECK(sgd.lr(1) == 0.3);
  CHECK(schedule.get_last_lr() == std::vector<double>{0.3, 0.3});
}

TEST_CASE("a schedule with one value per group has none for a group added later: an error that changes nothing") {
  const auto two = [] {
    return std::vector<ParamGroup<SGDOptions>>{{one_parameter(), at(0.5)}, {one_parameter(), at(0.25)}};
  };
  const auto check = [](SGD& sgd, auto& schedule, const auto& step) {
    step();
    sgd.add_param_group({one_parameter(), at(0.8)});
    const std::vector<double> before = everything(sgd);
    const std::int64_t epoch = schedule.last_epoch();
    const std::vector<double> last = schedule.get_last_lr();
    const std::size_t saved = schedule.state_dict().size();
    for (int i = 0; i < 2; ++i) {
      CHECK_THROWS_WITH(step(), Contains("group 2 was added after the schedule was made"));
      CHECK(everything(sgd) == before);
      CHECK(!sgd.initial_lr(2));
      CHECK(schedule.last_epoch() == epoch);
      CHECK(schedule.get_last_lr() == last);
      CHECK(schedule.state_dict().size() == saved);
    }
  };
  {
    SGD sgd(two());
    LambdaLR schedule(sgd, {[](std::int64_t) { return 1.0; }, [](std::int64_t) { return 0.5; }});
    check(sgd, schedule, [&] { schedule.step(); });
  }
  {
    SGD sgd(two());
    OneCycleLR schedule(sgd, {.max_lr = {1}, .total_steps = 10});
    check(sgd, schedule, [&] { schedule.step(); });
  }
  {
    SGD sgd(two());
    SequentialLR schedule(sgd, {std::make_shared<OneCycleLR>(sgd, OneCycleOptions{.max_lr = {1}, .total_steps = 10})},
                          {});
    check(sgd, schedule, [&] { schedule.step(); });
  }
  {
    SGD sgd(two());
    CyclicLR schedule(sgd, {.base_lr = {0.1}, .max_lr = {1}, .base_momentum = {0.8, 0.7}});
    check(sgd, schedule, [&] { schedule.step(); });
  }
  {
    SGD sgd(two());
    SWALR schedule(sgd, {0.1, 0.2});
    check(sgd, schedule, [&] { schedule.step(); });
  }
  {
    SGD sgd(two());
    const auto first = std::make_shared<ExponentialLR>(sgd, 0.5);
    ChainedScheduler schedule(sgd, {first, std::make_shared<SWALR>(sgd, std::vector{0.1, 0.2})});
    check(sgd, schedule, [&] { schedule.step(); });
    CHECK(first->last_epoch() == 1);
    CHECK(first->get_last_lr() == std::vector<double>{0.25, 0.125});
  }
  SGD sgd(two());
  ReduceLROnPlateau plateau(sgd, {.patience = 0, .min_lr = {0.1, 0.2}});
  plateau.step(1);
  sgd.add_param_group({one_parameter(), at(0.8)});
  CHECK_THROWS_WITH(plateau.step(1), Contains("group 2 was added after the schedule was made"));
  CHECK(plateau.last_epoch() == 1);
  CHECK(sgd.lr(0) == 0.5);
}

TEST_CASE("a schedule whose constructor throws leaves the optimizer as it was") {
  check_unchanged([](Optimizer& o) { StepLR(o, 0); }, "step_size must be positive");
  check_unchanged([](Optimizer& o) { StepLR(o, 1, kInf); }, "gamma must be finite");
  check_unchanged([](Optimizer& o) { MultiStepLR(o, {1}, std::nan("")); }, "gamma must be finite");
  check_unchanged([](Optimizer& o) { ExponentialLR(o, kInf); }, "gamma must be finite");
  check_unchanged([](Optimizer& o) { CosineAnnealingLR(o, 0); }, "t_max must be positive");
  check_unchanged([](Optimizer& o) { CosineAnnealingLR(o, 3, -kInf); }, "eta_min must be finite");
  check_unchanged([](Optimizer& o) { LinearLR(o, 2); }, "start_factor must lie in [0, 1]");
  check_unchanged([](Optimizer& o) { ConstantLR(o, -1); }, "factor must lie in [0, 1]");
  check_unchanged([](Optimizer& o) { LambdaLR(o, LambdaLR::Function()); }, "a function is empty");
  const LambdaLR::Function throws = [](std::int64_t) -> double { throw std::runtime_error("from the function"); };
  const LambdaLR::Function half = [](std::int64_t) { return 0.5; };
  check_unchanged([&](Optimizer& o) { LambdaLR(o, {half, throws}); }, "from the function");
  check_unchanged(
      [&](Optimizer& o) {
        LambdaLR(o, {half, [](std::int64_t) { return kInf; }});
      },
      "the rate of group 1 must be finite, got inf");
  check_unchanged([&](Optimizer& o) { LambdaLR(o, std::vector<LambdaLR::Function>{half}); },
                  "there must be 2 functions, got 1");
  check_unchanged([](Optimizer& o) { OneCycleLR(o, {.max_lr = {1}}); }, "total_steps must be positive");
  check_unchanged(
      [](Optimizer& o) {
        OneCycleLR(o, {.max_lr = {1, kInf}, .total_steps = 5});
      },
      "the rate of group 1 must be finite");
  check_unchanged(
      [](Optimizer& o) {
        OneCycleLR(o, {.max_lr = {1}, .total_steps = 5, .base_momentum = {1, 1, 1}});
      },
      "base_momentum must have 2 values");
  check_unchanged([](Optimizer& o) { SequentialLR(o, {}, {}); }, "one scheduler more than milestones");
  check_unchanged([](Optimizer& o) { ChainedScheduler(o, {}); }, "expects at least one scheduler to be chained");
  check_unchanged([](Optimizer& o) { ChainedScheduler(o, {nullptr}); }, "must belong to the optimizer given");
  check_unchanged([](Optimizer& o) { PolynomialLR(o, -1); }, "total_iters must be at least 0, got -1");
  check_unchanged([](Optimizer& o) { PolynomialLR(o, 5, kInf); }, "power must be finite");
  check_unchanged([](Optimizer& o) { MultiplicativeLR(o, LambdaLR::Function()); }, "a function is empty");
  check_unchanged([](Optimizer& o) { CosineAnnealingWarmRestarts(o, 0); }, "Expected positive integer T_0, but got 0");
  check_unchanged([](Optimizer& o) { CosineAnnealingWarmRestarts(o, 1, 0); }, "Expected integer T_mult >= 1");
  check_unchanged([](Optimizer& o) { CosineAnnealingWarmRestarts(o, 1, 1, kInf); }, "eta_min must be finite");
  check_unchanged([](Optimizer& o) { SWALR(o, {1, 2, 3}); }, "swa_lr must have 2 values, got 3");
  check_unchanged([](Optimizer& o) { SWALR(o, {1}, -1); }, "anneal_epochs must be equal or greater than 0, got -1");
  check_unchanged([](Optimizer& o) { SWALR(o, {kInf}, 0); }, "the rate of group 0 must be finite");
  const auto cyclic = [](const CyclicOptions& options, const char* text) {
    check_unchanged([&](Optimizer& o) { CyclicLR(o, options); }, text);
  };
  cyclic({.max_lr = {1}}, "base_lr must have 2 values, got 0");
  cyclic({.base_lr = {1}, .max_lr = {1, 2, 3}}, "max_lr must have 2 values, got 3");
  cyclic({.base_lr = {1}, .max_lr = {1}, .step_size_up = 0}, "step_size_up must be positive, got 0");
  cyclic({.base_lr = {1}, .max_lr = {1}, .step_size_down = -1}, "step_size_down must be at least 0, got -1");
  cyclic({.base_lr = {1}, .max_lr = {1}, .gamma = kInf}, "gamma must be finite");
  cyclic({.base_lr = {1}, .max_lr = {1}, .max_momentum = {1, 1, 1}}, "max_momentum must have 2 values, got 3");
  cyclic({.base_lr = {1}, .max_lr = {1}, .scale_fn = [](double) -> double { throw std::runtime_error("from scale"); }},
         "from scale");
  Adagrad no_momentum(one_parameter());
  CHECK_THROWS_WITH(CyclicLR(no_momentum, {.base_lr = {1}, .max_lr = {1}}),
                    Contains("optimizer must support momentum or beta1 with `cycle_momentum` option enabled"));
  check_unchanged([](Optimizer& o) { ReduceLROnPlateau(o, {.factor = 1}); }, "factor must be below 1");
}

TEST_CASE("warmup and SequentialLR that throw leave rates alone") {
  SGD mine(one_parameter(), at(0.5)), other(one_parameter(), at(0.5));
  const auto then = std::make_shared<StepLR>(other, 3);
  CHECK_THROWS_WITH(warmup(mine, 3, then), Contains("must belong to the optimizer given"));
  CHECK(mine.lr() == 0.5);
  CHECK(!mine.initial_lr(0));
  int calls = 0;
  const auto once = std::make_shared<LambdaLR>(mine, [&calls](std::int64_t) {
    if (++calls > 1) {
      throw std::runtime_error("from the function");
    }
    return 0.5;
  });
  CHECK(mine.lr() == 0.25);
  CHECK_THROWS_WITH(SequentialLR(mine, {once}, {}), "from the function");
  CHECK(mine.lr() == 0.25);
  CHECK(once->last_epoch() == 0);
}

TEST_CASE("a group that is not there, and rates that are no rates") {
  SGD sgd(one_parameter(), at(0.5));
  CHECK_THROWS_WITH_AS(sgd.set_lr(7, 1), "SGD: there is no parameter group 7, there are 1", IndexError);
  CHECK_THROWS_WITH(sgd.lr(1), "SGD: there is no parameter group 1, there are 1");
  CHECK_THROWS_WITH(sgd.params(1), "SGD: there is no parameter group 1, there are 1");
  CHECK_THROWS_WITH(sgd.options(1), "SGD: there is no parameter group 1, there are 1");
  CHECK_THROWS_WITH(sgd.initial_lr(1), "SGD: there is no parameter group 1, there are 1");
  CHECK_THROWS_WITH(sgd.set_option(1, "momentum", 0), "SGD: there is no parameter group 1, there are 1");
  CHECK_THROWS_WITH(sgd.set_lr(0, kInf), "SGD: lr must be finite, got inf");
  CHECK_THROWS_WITH(sgd.set_lr(0, std::nan("")), "SGD: lr must be finite, got nan");
  CHECK(sgd.lr() == 0.5);
}

TEST_CASE("a run with a group that came late is saved and loaded, before and after the schedule has met the group") {
  struct LateRun {
    explicit LateRun(double lr) : sgd(one_parameter(), at(lr)), step_lr(sgd, 2, 0.5), plateau(sgd, {.patience = 0}) {}
    void step() {
      step_lr.step();
      plateau.step(1);
    }
    SGD sgd;
    StepLR step_lr;
    ReduceLROnPlateau plateau;
  };
  for (const int steps_with_group : {0, 1, 3}) {
    CAPTURE(steps_with_group);
    LateRun whole(0.5), resumed(0.1);
    whole.step();
    whole.sgd.add_param_group({one_parameter(), at(0.8)});
    for (int i = 0; i < steps_with_group; ++i) {
      whole.step();
    }
    resumed.sgd.add_param_group({one_parameter(), at(0.3)});
    resumed.step();
    resumed.sgd.load_state_dict(whole.sgd.state_dict());
    resumed.step_lr.load_state_dict(whole.step_lr.state_dict());
    resumed.plateau.load_state_dict(whole.plateau.state_dict());
    for (int i = 0; i < 4; ++i) {
      CHECK(everything(resumed.sgd) == everything(whole.sgd));
      CHECK(resumed.step_lr.get_last_lr() == whole.step_lr.get_last_lr());
      whole.step();
      resumed.step();
    }
  }
}

TEST_CASE("a state of more groups than there are is refused") {
  SGD two(one_parameter(), at(0.5)), one(one_parameter(), at(0.5));
  two.add_param_group({one_parameter(), at(0.8)});
  const StepLR of_two(two, 2);
  StepLR of_one(one, 2);
  CHECK_THROWS_WITH(of_one.load_state_dict(of_two.state_dict()),
                    Contains("'base_lrs' is float64 of shape [2], expected float64 of shape [1]"));
}

TEST_CASE("CyclicLR leaves the base rate of a schedule before it") {
  SGD optimizer({Tensor(Array::ones({2}), true)}, {.lr = 0.5, .momentum = 0.9});
  auto first = std::make_unique<LinearLR>(optimizer);
  auto second =
      std::make_unique<CyclicLR>(optimizer, CyclicOptions{.base_lr = {0.01}, .max_lr = {0.2}, .step_size_up = 4});
  std::vector<std::shared_ptr<LRScheduler>> both;
  both.push_back(std::move(first));
  both.push_back(std::move(second));
  SequentialLR schedule(optimizer, std::move(both), {4});
  for (const double expected : {1.0 / 6, 7.0 / 30, 0.3, 11.0 / 30, 0.01, 0.0575}) {  // PyTorch's
    CHECK(optimizer.lr() == doctest::Approx(expected).epsilon(1e-12));
    schedule.step();
  }
}
