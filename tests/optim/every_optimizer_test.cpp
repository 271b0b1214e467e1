// Every optimizer over 20 steps: the values of PyTorch, or of the paper's algorithm, by every instruction set; a run
// that is saved half way and goes on elsewhere; options that are refused.

#include "tests/optim/every_optimizer.hpp"

#include "tests/support/fixture.hpp"
#include "tests/support/isa_guard.hpp"

#include <limits>
#include <map>

namespace evenkeel::test {
namespace {

constexpr const char* kFile = "optimizers_more.safetensors";
constexpr std::int64_t kSteps = 20;

/// Three parameters in two groups; b has no gradient at some steps.
struct Training {
  Training(const std::map<std::string, Array>& start, const MakeOptimizer& make) {
    for (const auto& [name, values] : start) {
      params.emplace_back(name, Tensor(values.clone(), true));
    }
    optimizer = make({std::vector{params[0], params[1]}, std::vector{params[2]}});
  }

  void step(std::int64_t i, const Fixture& inputs) {
    for (auto& [name, p] : params) {
      const bool has_none = name == "b" && (i == 0 || i == 3 || i == 11);
      p.set_grad(has_none ? Tensor() : Tensor(inputs.at("inputs/" + name + "_grads").select(0, i).to(p.dtype())));
    }
    optimizer->step();
  }

  std::map<std::string, Array> values() const {
    std::map<std::string, Array> result;
    for (const auto& [name, p] : params) {
      result.emplace(name, p.array().clone());
    }
    return result;
  }

  std::vector<std::pair<std::string, Tensor>> params;
  std::unique_ptr<optim::Optimizer> optimizer;
};

/// Names, shapes and numbers.
std::vector<std::pair<std::string, std::vector<double>>> numbers(const NamedArrays& arrays) {
  std::vector<std::pair<std::string, std::vector<double>>> result;
  for (const auto& [name, array] : arrays) {
    result.emplace_back(concat(name, array.shape()), array.to(DType::float64).to_vector<double>());
  }
  return result;
}

std::map<std::string, Array> start(const Fixture& inputs, DType dtype) {
  std::map<std::string, Array> result;
  for (const char* name : {"a", "b", "c"}) {
    result.emplace(name, inputs.at(concat("inputs/", name)).to(dtype));
  }
  return result;
}

}  // namespace

TEST_CASE("every optimizer equals PyTorch's, or the paper's algorithm, over 20 steps") {
  const Fixture inputs(kFile);
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    replay(kFile, every_optimizer(), {.float64 = 1e-12, .float32 = 1e-5},
           [&](FixtureCase& one, const MakeOptimizer& make) {
             Training run(start(inputs, one.dtype), make);
             std::map<std::string, Array> after;
             for (const auto& [name, p] : run.params) {
               Shape shape = p.shape();
               shape.insert(0, kSteps);
               after.emplace(name, Array::empty(shape, one.dtype));
             }
             for (std::int64_t i = 0; i < kSteps; ++i) {
               run.step(i, inputs);
               for (const auto& [name, p] : run.params) {
                 after.at(name).select(0, i).copy_(p.array());
               }
             }
             for (const auto& [name, values] : after) {
               one.check(values, name);
             }
           },
           "", {"inputs"});
  }
}

TEST_CASE("every optimizer goes on from saved state bit for bit") {
  struct Saved {
    std::int64_t step;
    std::map<std::string, Array> values;
    NamedArrays state;
  };
  const Fixture inputs(kFile);
  for (const auto& [name, make] : every_optimizer()) {
    CAPTURE(name);
    for (const DType dtype : {DType::float32, DType::float64}) {
      Training whole(start(inputs, dtype), make);
      std::vector<Saved> saves;
      for (std::int64_t i = 0; i < 13; ++i) {
        if (i == 1 || i == 6) {  // before b's first step, and amid all
          saves.push_back({i, whole.values(), whole.optimizer->state_dict()});
          for (auto& [key, array] : saves.back().state) {
            array = array.clone();
          }
        }
        whole.step(i, inputs);
      }
      for (const Saved& save : saves) {
        CAPTURE(save.step);
        Training resumed(save.values, make);
        resumed.optimizer->set_lr(1, 7);
        resumed.optimizer->load_state_dict(save.state);
        for (std::int64_t i = save.step; i < 13; ++i) {
          resumed.step(i, inputs);
        }
        CHECK(numbers(resumed.optimizer->state_dict()) == numbers(whole.optimizer->state_dict()));
        const std::map<std::string, Array> got = resumed.values(), expected = whole.values();
        CHECK(numbers({got.begin(), got.end()}) == numbers({expected.begin(), expected.end()}));
      }
    }
  }
}

TEST_CASE("a centered RMSprop divides by no root of a negative number") {
  Tensor p(Array::zeros({1000}), true);
  optim::RMSprop optimizer({p}, {.lr = 0, .alpha = 0.5, .centered = true});
  p.set_grad(Tensor(Array::arange(0.1, 100.05, 0.1)));  // the same at each step: in the end v - m^2 is rounding alone
  for (int i = 0; i < 60; ++i) {
    optimizer.step();
  }
  CHECK(p.to_vector<float>() == std::vector<float>(1000, 0.0F));
}

}  // namespace evenkeel::test
