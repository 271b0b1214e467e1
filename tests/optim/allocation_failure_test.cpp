// Every allocation of an optimizer's step fails once, small ones and those of storages: nothing changes, and the step
// that follows is the one that would have been.

#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/storage.hpp"
#include "tests/optim/every_optimizer.hpp"
#include "tests/optim/failing_new.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <new>
#include <utility>

using namespace evenkeel;
using namespace evenkeel::optim;

namespace {

using MakeOptimizer = std::function<std::unique_ptr<Optimizer>(std::vector<Tensor>)>;

/// Parameters of both dtypes, one of them strided, one with a strided gradient.
struct Run {
  explicit Run(const MakeOptimizer& make)
      : params{Tensor(Array::arange(0, 6).reshape({2, 3}).transpose(0, 1), true),
               Tensor(Array::arange(1, 5, 1, DType::float64), true), Tensor(Array::ones({3, 2}), true)},
        optimizer(make(params)) {
    for (std::size_t i = 0; i < params.size(); ++i) {
      const Array grad = Array::arange(1, 1 + static_cast<double>(params[i].numel()), 1, params[i].dtype());
      params[i].set_grad(Tensor(i == 2 ? grad.reshape({2, 3}).transpose(0, 1) : grad.reshape(params[i].shape())));
    }
  }

  /// Values of the parameters and of all that the optimizer keeps, by name.
  std::vector<std::pair<std::string, std::vector<double>>> everything() const {
    std::vector<std::pair<std::string, std::vector<double>>> result;
    for (const Tensor& p : params) {
      result.emplace_back("", p.array().to(DType::float64).to_vector<double>());
      result.emplace_back("version", std::vector<double>{static_cast<double>(p.array().version())});
    }
    for (const auto& [name, array] : optimizer->state_dict()) {
      result.emplace_back(name, array.to(DType::float64).to_vector<double>());
    }
    return result;
  }

  std::vector<Tensor> params;
  std::unique_ptr<Optimizer> optimizer;
};

/// Steps with `fail(k)` before, for k = 0, 1, ..., until nothing failed, as `restore` says; how many did. A failure may
/// also be met inside the step, which then succeeds.
template <class Fail, class Restore>
int check_failures(const MakeOptimizer& make, int steps_before, const Fail& fail, const Restore& restore) {
  Run right(make);
  for (int i = 0; i <= steps_before; ++i) {
    right.optimizer->step();
  }
  const auto expected = right.everything();
  for (int k = 0;; ++k) {
    CAPTURE(k);
    REQUIRE(k < 1000);
    Run run(make);
    for (int i = 0; i < steps_before; ++i) {
      run.optimizer->step();
    }
    const auto before = run.everything();
    bool failed = false;
    fail(k);
    try {
      run.optimizer->step();
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    const bool nothing_failed = restore();
    if (failed) {
      CHECK(run.everything() == before);
      run.optimizer->step();
    }
    CHECK(run.everything() == expected);
    if (!failed && nothing_failed) {
      return k;
    }
  }
}

void check_optimizer(const MakeOptimizer& make) {
  const ThreadsGuard one(1);  // helpers are hired once in the life of the process
  for (const int steps_before : {0, 1}) {
    CAPTURE(steps_before);
    const int small = check_failures(
        make, steps_before, [](int k) { test::allocations_until_failure = k; },
        [] { return std::exchange(test::allocations_until_failure, -1) >= 0; });
    CHECK(small >= 4);
    const int storages = check_failures(
        make, steps_before,
        [](int k) { set_memory_limit(memory_stats().in_use + 64 * static_cast<std::size_t>(k) + 1); },
        [] {
          set_memory_limit(0);
          return true;
        });
    CHECK(storages >= 2);  // the copies of what is strided, and at first the state
  }
}

}  // namespace

TEST_CASE("SGD: a failed allocation in step() changes nothing") {
  check_optimizer([](std::vector<Tensor> params) { return std::make_unique<SGD>(params, SGDOptions{.lr = 0.1}); });
  check_optimizer([](std::vector<Tensor> params) {
    return std::make_unique<SGD>(params, SGDOptions{.lr = 0.1, .momentum = 0.9, .nesterov = true});
  });
}

TEST_CASE("Adam and AdamW: a failed allocation in step() changes nothing") {
  for (const bool amsgrad : {false, true}) {
    check_optimizer([amsgrad](std::vector<Tensor> params) {
      return std::make_unique<Adam>(params, AdamOptions{.lr = 0.1, .amsgrad = amsgrad});
    });
    check_optimizer([amsgrad](std::vector<Tensor> params) {
      return std::make_unique<AdamW>(params, AdamWOptions{.lr = 0.1, .amsgrad = amsgrad});
    });
  }
}

TEST_CASE("every optimizer: a failed allocation in step() changes nothing") {
  for (const auto& [name, make] : test::every_optimizer()) {
    CAPTURE(name);
    check_optimizer([&make = make](std::vector<Tensor> params) { return make({params}); });
  }
}
