#include "evenkeel/optim/optimizer.hpp"

#include "evenkeel/core/kernels/elementwise/optimizer.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/parallel.hpp"
#include "tests/optim/every_optimizer.hpp"
#include "tests/support/isa_guard.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <memory>

using namespace evenkeel;
using namespace evenkeel::optim;

namespace {

Tensor parameter(std::vector<double> values) {
  const auto n = static_cast<std::int64_t>(values.size());
  return tensor(values, {n}, true);
}

void set_grad(Tensor& p, std::vector<double> values) { p.set_grad(tensor(values, p.shape())); }

double value(const Tensor& p, std::size_t i = 0) { return p.to_vector<double>()[i]; }

/// Three steps with gradients that differ, then the values.
template <class T>
std::vector<double> run(T& optimizer, Tensor& p, int from, int to) {
  for (int i = from; i < to; ++i) {
    set_grad(p, {std::sin(i + 1.0), -0.5 * i, 0.25});
    optimizer.step();
  }
  return p.to_vector<double>();
}

}  // namespace

TEST_CASE("dampening, nesterov, decay and maximize follow PyTorch's order, step by step") {
  Tensor p = parameter({2});
  SGD damped({p}, {.lr = 0.1, .momentum = 0.5, .dampening = 0.25});
  set_grad(p, {1});
  damped.step();
  CHECK(value(p) == doctest::Approx(1.9));  // the first buffer is the gradient, undampened
  damped.step();
  CHECK(value(p) == doctest::Approx(1.9 - 0.1 * (0.5 + 0.75)));

  Tensor q = parameter({2});
  SGD nesterov({q}, {.lr = 0.1, .momentum = 0.5, .nesterov = true});
  set_grad(q, {1});
  nesterov.step();
  CHECK(value(q) == doctest::Approx(2 - 0.1 * 1.5));

  Tensor r = parameter({2});
  SGD maximize({r}, {.lr = 0.1, .weight_decay = 0.3, .maximize = true});
  set_grad(r, {1});
  maximize.step();
  CHECK(value(r) == doctest::Approx(2 - 0.1 * (-1 + 0.6)));
}

TEST_CASE("a parameter without gradient is left alone, one with a zero gradient decays") {
  Tensor absent = parameter({4}), zero = parameter({4});
  SGD sgd({absent, zero}, {.lr = 0.5, .momentum = 0.9, .weight_decay = 0.1});
  set_grad(zero, {0});
  sgd.step();
  CHECK(value(absent) == 4);
  CHECK(value(zero) == doctest::Approx(3.8));
  // The late parameter's buffer starts undampened at its first use.
  set_grad(absent, {1});
  sgd.step();
  CHECK(value(absent) == doctest::Approx(4 - 0.5 * 1.4));
}

TEST_CASE("a changed learning rate does not rescale the momentum buffer") {
  Tensor p = parameter({0});
  SGD sgd({p}, {.lr = 1, .momentum = 0.5});
  set_grad(p, {1});
  sgd.step();
  sgd.options().lr = 0.1;
  sgd.step();
  CHECK(value(p) == doctest::Approx(-1 - 0.1 * 1.5));
}

TEST_CASE("Adam's eps stands outside the root; AdamW decays apart from the gradient") {
  Tensor p = parameter({1});
  Adam adam({p}, {.lr = 0.1, .eps = 0.5});
  set_grad(p, {2});
  adam.step();
  CHECK(value(p) == doctest::Approx(1 - 0.1 * 2 / (2 + 0.5)));
  Tensor q = parameter({1});
  AdamW adamw({q}, {.lr = 0.1, .eps = 0.5, .weight_decay = 0.2});
  set_grad(q, {2});
  adamw.step();
  CHECK(value(q) == doctest::Approx(0.98 - 0.1 * 2 / (2 + 0.5)));
  CHECK(AdamWOptions{}.weight_decay == 0.01);
  CHECK(AdamOptions{}.weight_decay == 0);
}

TEST_CASE("groups have options of their own") {
  Tensor a = parameter({1}), b = parameter({1});
  SGD sgd(std::vector<ParamGroup<SGDOptions>>{{{a}, {.lr = 1}}});
  sgd.add_param_group({{b}, {.lr = 0.5}});
  set_grad(a, {1});
  set_grad(b, {1});
  sgd.step();
  CHECK(value(a) == 0);
  CHECK(value(b) == 0.5);
  CHECK(sgd.num_groups() == 2);
  CHECK(sgd.lr(1) == 0.5);
  sgd.zero_grad(false);
  CHECK(a.grad().to_vector<double>() == std::vector<double>{0});
  sgd.zero_grad();
  CHECK(!b.grad().defined());
}

TEST_CASE("strided parameters and expanded gradients are updated in place") {
  Array base = Array::from(std::vector<double>{1, 2, 3, 4, 5, 6}, {2, 3});
  Tensor p(base.transpose(0, 1), true);
  p.set_grad(Tensor(Array::from(std::vector<double>{1, 10}, {1, 2}).expand({3, 2})));
  SGD sgd({p}, {.lr = 1});
  sgd.step();
  CHECK(base.to_vector<double>() == std::vector<double>{0, 1, 2, -6, -5, -4});
}

TEST_CASE("a step between forward and backward is noticed") {
  Tensor p = parameter({3});
  const std::uint64_t before = p.array().version();
  SGD sgd({p}, {.lr = 1});
  sgd.step();
  CHECK(p.array().version() == before);
  set_grad(p, {1});
  sgd.step();
  CHECK(p.array().version() > before);
}

TEST_CASE("bad options and parameters are refused with PyTorch's sentences") {
  Tensor p = parameter({1});
  const auto sgd = [&](SGDOptions o) { SGD made({p}, o); };
  const auto adam = [&](AdamOptions o) { Adam made({p}, o); };
  CHECK_THROWS_WITH(sgd({}), "SGD: parameter group didn't specify a value of required optimization parameter lr");
  CHECK_THROWS_WITH(sgd({.lr = -1}), "SGD: lr must be at least 0, got -1");
  CHECK_THROWS_WITH(sgd({.lr = 1, .momentum = -0.5}), "SGD: momentum must be at least 0, got -0.5");
  CHECK_THROWS_WITH(sgd({.lr = 1, .weight_decay = -2}), "SGD: weight_decay must be at least 0, got -2");
  CHECK_THROWS_WITH(sgd({.lr = 1, .nesterov = true}), "SGD: Nesterov momentum requires a momentum and zero dampening");
  CHECK_THROWS_WITH(sgd({.lr = 1, .momentum = 0.9, .dampening = 0.1, .nesterov = true}),
                    "SGD: Nesterov momentum requires a momentum and zero dampening");
  CHECK_THROWS_WITH(adam({.lr = -1}), "Adam: lr must be at least 0, got -1");
  const double inf = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH(sgd({.lr = inf}), "SGD: lr must be finite, got inf");
  CHECK_THROWS_WITH(sgd({.lr = 1, .momentum = inf}), "SGD: momentum must be finite, got inf");
  CHECK_THROWS_WITH(sgd({.lr = 1, .momentum = 1, .dampening = std::nan("")}), "SGD: dampening must be finite, got nan");
  CHECK_THROWS_WITH(sgd({.lr = 1, .weight_decay = inf}), "SGD: weight_decay must be finite, got inf");
  CHECK_THROWS_WITH(adam({.lr = inf}), "Adam: lr must be finite, got inf");
  CHECK_THROWS_WITH(adam({.eps = inf}), "Adam: eps must be finite, got inf");
  CHECK_THROWS_WITH(adam({.weight_decay = inf}), "Adam: weight_decay must be finite, got inf");
  CHECK_THROWS_WITH(adam({.beta1 = 1}), "Adam: beta1 must lie in [0, 1), got 1");
  CHECK_THROWS_WITH(adam({.beta2 = -0.1}), "Adam: beta2 must lie in [0, 1), got -0.1");
  CHECK_THROWS_WITH(adam({.eps = -1}), "Adam: eps must be at least 0, got -1");
  CHECK_THROWS_WITH(adam({.weight_decay = -1}), "Adam: weight_decay must be at least 0, got -1");
  CHECK_THROWS_WITH(AdamW({p}, {.lr = std::nan("")}), "AdamW: lr must be at least 0, got nan");

  CHECK_THROWS_WITH(SGD(std::vector<Tensor>{}, {.lr = 1}), "SGD: optimizer got an empty parameter list");
  CHECK_THROWS_WITH(SGD(std::vector<ParamGroup<SGDOptions>>{}), "SGD: optimizer got an empty parameter list");
  CHECK_THROWS_WITH(SGD({Tensor()}, {.lr = 1}), "SGD: can't optimize an undefined tensor");
  CHECK_THROWS_WITH(SGD({Tensor(Array::zeros({2}, DType::int64))}, {.lr = 1}), doctest::Contains("tensor of int64"));
  CHECK_THROWS_WITH(SGD({p, p}, {.lr = 1}), doctest::Contains("a parameter group with duplicate parameters"));
  SGD made({p}, {.lr = 1});
  CHECK_THROWS_WITH(made.add_param_group({{p}, {.lr = 1}}),
                    doctest::Contains("some parameters appear in more than one parameter group"));
  CHECK(made.num_groups() == 1);
  CHECK_THROWS_WITH(made.option(0, "beta1"), "SGD: there is no option 'beta1'");
}

TEST_CASE_TEMPLATE("a run continued from saved state is bit-identical", T, SGD, Adam, AdamW) {
  const auto make = [](const std::vector<std::pair<std::string, Tensor>>& named) {
    if constexpr (std::is_same_v<T, SGD>) {
      return std::make_unique<T>(named, SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.1, .weight_decay = 0.01});
    } else {
      return std::make_unique<T>(named, typename T::Options{.lr = 0.1, .weight_decay = 0.01, .amsgrad = true});
    }
  };
  Tensor whole = parameter({1, -2, 3}), unused = parameter({5});
  const auto first = make({{"layer.weight", whole}, {"unused", unused}});
  run(*first, whole, 0, 4);
  first->set_lr(0, 0.05);
  Tensor resumed(whole.array().clone(), true), unused2 = parameter({5});
  const auto second = make({{"layer.weight", resumed}, {"unused", unused2}});
  second->load_state_dict(first->state_dict());
  CHECK(second->lr() == 0.05);
  CHECK(run(*second, resumed, 4, 9) == run(*first, whole, 4, 9));
}

TEST_CASE("saved state is matched by name and shape, and refused as a whole") {
  Tensor a = parameter({1, 2}), b = parameter({3});
  SGD saved(std::vector<std::pair<std::string, Tensor>>{{"a", a}, {"b", b}}, {.lr = 0.1, .momentum = 0.9});
  set_grad(a, {1, 1});
  set_grad(b, {7});
  saved.step();
  const NamedArrays state = saved.state_dict();
  std::vector<std::string> names;
  for (const auto& [name, array] : state) {
    names.push_back(name);
  }
  CHECK(names == std::vector<std::string>{"param_groups.0.lr", "param_groups.0.momentum", "param_groups.0.dampening",
                                          "param_groups.0.weight_decay", "param_groups.0.nesterov",
                                          "param_groups.0.maximize", "param_groups.0.size", "state.a.momentum_buffer",
                                          "state.b.momentum_buffer"});

  Tensor a2 = parameter({0, 0}), b2 = parameter({0});
  SGD swapped(std::vector<std::pair<std::string, Tensor>>{{"b", b2}, {"a", a2}}, {.lr = 9, .momentum = 0.5});
  swapped.load_state_dict(state);
  set_grad(b2, {0});
  swapped.step();
  CHECK(value(b2) == doctest::Approx(-0.1 * 0.9 * 7));

  Tensor a3 = parameter({0}), c3 = parameter({0});
  SGD other(std::vector<std::pair<std::string, Tensor>>{{"a", a3}, {"c", c3}}, {.lr = 9, .momentum = 0.5});
  CHECK_THROWS_WITH(
      other.load_state_dict(state),
      "SGD::load_state_dict: 'state.a.momentum_buffer' is float64 of shape [2], expected float64 of shape "
      "[1]; unexpected key 'state.b.momentum_buffer'");
  CHECK(other.lr() == 9);
  Adam adam({a3}, {});
  CHECK_THROWS_WITH(adam.load_state_dict(state), doctest::Contains("missing key 'param_groups.0.beta1'"));
  SGD fewer({a3}, {.lr = 9});
  CHECK_THROWS_WITH(fewer.load_state_dict(saved.state_dict()),
                    doctest::Contains("doesn't match the size of optimizer's group 0 (2 parameters, expected 1)"));
}

TEST_CASE("steps below float32's resolution stall without drift") {
  Tensor p(Array::ones({3}), true);
  SGD sgd({p}, {.lr = 1e-8});
  p.set_grad(Tensor(Array::ones({3})));
  for (int i = 0; i < 3000; ++i) {
    sgd.step();
  }
  CHECK(p.to_vector<float>() == std::vector<float>{1, 1, 1});
}

TEST_CASE_TEMPLATE("kernels equal plain loops on every instruction set and any number of threads", T, float, double) {
  const std::int64_t n = 2 * kElementGrain + 13;
  const auto wave = [&](double f) {
    std::vector<T> values(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<T>(std::sin(f * static_cast<double>(i + 1)));
    }
    return values;
  };
  const auto g = wave(0.37), p = wave(1.1), m = wave(0.7);
  std::vector<T> v = wave(0.9), top = wave(0.2);
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = std::abs(v[i]);
    top[i] = std::abs(top[i]);
  }
  for (const Isa isa : supported_isas()) {
    const IsaGuard isa_guard(isa);
    CAPTURE(name(isa));
    std::array<std::vector<T>, 2> sgd_p = {p, p}, adam_p = {p, p};
    for (std::size_t threads : {1U, 2U}) {
      const ThreadsGuard guard(static_cast<int>(threads));
      auto buffer = m, m2 = m, v2 = v, top2 = top;
      const kernels::SgdStep sgd{.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.01};
      const kernels::AdamStep adam{.lr = 0.1,
                                   .beta1 = 0.8,
                                   .beta2 = 0.9,
                                   .eps = 1e-3,
                                   .weight_decay = 0.01,
                                   .bias_correction1 = 0.5,
                                   .root_bias_correction2 = 0.7,
                                   .amsgrad = true};
      std::vector<kernels::OptimizerPart<T>> sgd_parts, adam_parts;
      // Cut into parameters in another way for each thread count: the numbers are those of the elements alone.
      std::int64_t first = 0;
      for (const std::int64_t size : threads == 1 ? std::vector{n} : std::vector<std::int64_t>{1, 0, 7, 40000, 3, n}) {
        const std::int64_t count = std::min(size, n - first);
        sgd_parts.push_back(
            {&sgd, count, g.data() + first, sgd_p[threads - 1].data() + first, {buffer.data() + first}});
        adam_parts.push_back({&adam,
                              count,
                              g.data() + first,
                              adam_p[threads - 1].data() + first,
                              {m2.data() + first, v2.data() + first, top2.data() + first}});
        first += count;
      }
      kernels::optimizer_step<T>(kernels::OptimizerRules::index_of<kernels::SgdStep>(), sgd_parts);
      kernels::optimizer_step<T>(kernels::OptimizerRules::index_of<kernels::AdamStep>(), adam_parts);
    }
    CHECK(sgd_p[0] == sgd_p[1]);
    CHECK(adam_p[0] == adam_p[1]);
    double worst = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double gi = static_cast<double>(g[i]) + 0.01 * static_cast<double>(p[i]);
      const double sgd = static_cast<double>(p[i]) - 0.1 * (0.9 * static_cast<double>(m[i]) + 0.7 * gi);
      const double mean = 0.8 * static_cast<double>(m[i]) + 0.2 * gi;
      const double square = std::max(0.9 * static_cast<double>(v[i]) + 0.1 * gi * gi, static_cast<double>(top[i]));
      const double adam = static_cast<double>(p[i]) - 0.1 / 0.5 * mean / (std::sqrt(square) / 0.7 + 1e-3);
      worst = std::max(worst, std::abs(static_cast<double>(sgd_p[0][i]) - sgd));
      worst = std::max(worst, std::abs(static_cast<double>(adam_p[0][i]) - adam) / (1 + std::abs(adam)));
    }
    CHECK(worst < (sizeof(T) == 4 ? 1e-5 : 1e-13));
  }
}

namespace {

/// Parameters of odd sizes, some in one chunk, some over several, one of them a strided view, of both dtypes.
std::vector<Tensor> odd_parameters(std::uint64_t seed) {
  Generator generator(seed);
  std::vector<Tensor> params;
  for (const Shape& shape : {Shape{1}, Shape{3, 5}, Shape{2 * kElementGrain + 7}, Shape{}, Shape{0}, Shape{129}}) {
    params.push_back(randn(shape, generator));
    params.push_back(randn(shape, generator, {.dtype = DType::float64}));
  }
  params.emplace_back(randn({7, 6}, generator).array().transpose(0, 1));
  return params;
}

void set_grads(const std::vector<Tensor>& params, std::uint64_t seed) {
  Generator generator(seed);
  for (Tensor param : params) {
    param.set_grad(randn(param.shape(), generator, {.dtype = param.dtype()}));
  }
}

/// Three steps of one optimizer per parameter, or of one over all of them.
template <class Optim, class Options>
std::vector<Tensor> trained(const Options& options, bool together) {
  const std::vector<Tensor> params = odd_parameters(5);
  std::vector<std::unique_ptr<Optim>> optimizers;
  if (together) {
    optimizers.push_back(std::make_unique<Optim>(params, options));
  } else {
    for (const Tensor& param : params) {
      optimizers.push_back(std::make_unique<Optim>(std::vector<Tensor>{param}, options));
    }
  }
  for (std::uint64_t i = 0; i < 3; ++i) {
    set_grads(params, 11 + i);
    for (const auto& optimizer : optimizers) {
      optimizer->step();
    }
  }
  return params;
}

template <class Optim, class Options>
void check_together(const Options& options) {
  const std::vector<Tensor> before = odd_parameters(5);
  std::vector<Tensor> alone;
  {
    const ThreadsGuard guard(1);
    alone = trained<Optim>(options, false);
  }
  for (const int threads : {1, 2, 3}) {
    CAPTURE(threads);
    const ThreadsGuard guard(threads);
    const std::vector<Tensor> together = trained<Optim>(options, true);
    for (std::size_t i = 0; i < alone.size(); ++i) {
      CAPTURE(i);
      dispatch_float(alone[i].dtype(), "test", [&]<class T>() {
        CHECK(alone[i].to_vector<T>() == together[i].to_vector<T>());
        CHECK((alone[i].numel() == 0 || alone[i].to_vector<T>() != before[i].to_vector<T>()));
      });
    }
  }
}

}  // namespace

TEST_CASE("all parameters in one pass: bit for bit what each alone gets, with any number of threads") {
  check_together<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true});
  check_together<SGD>(SGDOptions{.lr = 0.1});
  check_together<Adam>(AdamOptions{.lr = 0.1, .weight_decay = 0.01, .amsgrad = true});
  check_together<AdamW>(AdamWOptions{.lr = 0.1});
  check_together<RMSprop>(RMSpropOptions{.momentum = 0.9, .centered = true});
  check_together<Adagrad>(AdagradOptions{.lr_decay = 0.1});
  check_together<Adadelta>(AdadeltaOptions{});
  check_together<NAdam>(NAdamOptions{.weight_decay = 0.1});
  check_together<RAdam>(RAdamOptions{.lr = 0.01});
  check_together<Adamax>(AdamaxOptions{});
  check_together<Lion>(LionOptions{.weight_decay = 0.1});
  check_together<LARS>(LARSOptions{.lr = 1, .weight_decay = 0.1});
  check_together<LAMB>(LAMBOptions{});
}

TEST_CASE("a step that runs out of memory changes nothing") {
  const std::vector<Tensor> params = {zeros({100}), zeros({100000})};
  set_grads(params, 1);
  SGD sgd(params, {.lr = 1, .momentum = 0.9});
  set_memory_limit(memory_stats().in_use + 1000);
  CHECK_THROWS_AS(sgd.step(), OutOfMemory);
  set_memory_limit(0);
  CHECK(params[0].to_vector<float>() == std::vector<float>(100, 0.0F));
  sgd.step();
  const std::vector<float> g = params[0].grad().to_vector<float>();
  CHECK(params[0].to_vector<float>()[99] == -g[99]);
  CHECK(sgd.state_dict().size() > 0);
}
