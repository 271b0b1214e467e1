// norm_act: a norm and the activation behind it as one op give what both give one after the other.

#include "evenkeel/nn/norm/norm_act.hpp"

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/normalize_groups.hpp"
#include "evenkeel/models/cifar_resnet.hpp"
#include "evenkeel/models/conv_norm_act.hpp"
#include "evenkeel/models/resnet.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/identity.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/registry.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

using namespace evenkeel;
using namespace evenkeel::nn;

namespace {

using Hooks = std::vector<std::pair<Module*, std::size_t>>;

/// Hooks on everything below `model`: its norms and activations run apart.
Hooks keep_apart(Module& model) {
  Hooks hooks;
  for (const auto& [name, module] : model.named_modules()) {
    hooks.emplace_back(module, module->register_forward_hook([](const auto&, const auto&, const auto&) {}));
  }
  return hooks;
}

void let_together(const Hooks& hooks) {
  for (const auto& [module, id] : hooks) {
    module->remove_forward_hook(id);
  }
}

void randomize(Module& model, Generator& generator) {
  for (const auto& [name, parameter] : model.named_parameters()) {
    Tensor p = parameter;
    p.mutable_array().copy_(randn(p.shape(), generator, {.dtype = p.dtype()}).array());
  }
}

using Values = std::vector<double>;
Values values(const Array& array) { return array.to(DType::float64).to_vector<double>(); }

/// What one step computes: y, then the gradients of x and the parameters, then the state.
std::vector<Values> step(Layer& model, const Tensor& input, const Tensor& dy) {
  model.zero_grad();
  Tensor x = input.detach();
  x.requires_grad_(true);
  const Tensor y = model(x * 1);  // no leaf: it may be overwritten
  std::vector<Values> result = {values(y.array())};
  (y * dy).backward(ones(y.shape(), {.dtype = y.dtype()}));
  result.push_back(values(x.grad().array()));
  for (const Tensor& parameter : model.parameters()) {
    result.push_back(values(parameter.grad().array()));
  }
  for (const auto& [name, value] : model.state_dict()) {
    result.push_back(values(value));
  }
  return result;
}

double worst(const Values& a, const Values& b) {
  REQUIRE(a.size() == b.size());
  double scale = 1, error = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(std::isfinite(a[i]));
    scale = std::max(scale, std::abs(a[i]));
    error = std::max(error, std::abs(a[i] - b[i]));
  }
  return error / scale;
}

StateDict copied(const Module& model) {
  StateDict state;
  for (const auto& [name, value] : model.state_dict()) {
    state.emplace_back(name, value.clone());
  }
  return state;
}

/// Compares a step with both layers as one and one after the other, from the same state.
void check_same(Layer& model, const Shape& input, DType dtype, bool same_bits) {
  Generator generator(5);
  model.to(dtype);
  randomize(model, generator);
  const Tensor x = randn(input, generator, {.dtype = dtype});
  const StateDict before = copied(model);
  const Tensor dy = randn(no_grad([&] { return model(x); }).shape(), generator, {.dtype = dtype});
  model.load_state_dict(before);
  const std::vector<Values> together = step(model, x, dy);
  model.load_state_dict(before);
  const Hooks hooks = keep_apart(model);
  const std::vector<Values> apart = step(model, x, dy);
  let_together(hooks);
  REQUIRE(together.size() == apart.size());
  CHECK((!same_bits || together[0] == apart[0]));
  for (std::size_t i = 0; i < apart.size(); ++i) {
    CAPTURE(i);
    CHECK(worst(apart[i], together[i]) <= (dtype == DType::float64 ? 1e-12 : 2e-5));
  }
}

std::vector<std::unique_ptr<Layer>> activations() {
  std::vector<std::unique_ptr<Layer>> result;
  result.push_back(std::make_unique<ReLU>());
  result.push_back(std::make_unique<ReLU>(ActivationOptions{.inplace = true}));
  result.push_back(std::make_unique<LeakyReLU>(0.2));
  result.push_back(std::make_unique<SiLU>());
  result.push_back(std::make_unique<Hardswish>());
  return result;
}

/// A ReLU that computes something else.
class Doubled : public ReLU {
 public:
  Tensor forward(const Tensor& x) override { return relu(x) * 2; }
};

}  // namespace

TEST_CASE("every norm of the registry with every activation: as one op and one after the other") {
  for (const NormEntry& entry : norms()) {
    const std::string name(entry.name);
    CAPTURE(name);
    for (std::size_t i = 0; i < activations().size(); ++i) {
      const std::string kind = concat(*activations()[i]);
      CAPTURE(kind);
      const bool is_relu = kind.starts_with("ReLU");
      for (const DType dtype : {DType::float32, DType::float64}) {
        CAPTURE(dtype);
        Sequential net;
        net.append(make_norm(entry.name, 4)).append(std::move(activations()[i]));
        check_same(net, {3, 4, 5, 7}, dtype, is_relu);
        net.eval();
        check_same(net, {3, 4, 5, 7}, dtype, is_relu);
      }
    }
  }
}

TEST_CASE("the norms of the documented networks become one op with what follows them") {
  for (const char* name : {"bn", "gn", "ln", "in", "rms", "frozen_bn", "brn", "ghost_bn", "bgn", "bcn"}) {
    CAPTURE(name);
    Sequential net;
    net.append(make_norm(name, 4)).append<SiLU>();
    CHECK(fuses(net[0], net[1]));
  }
  Sequential net;
  net.append<BatchNorm2d>(4).append<Tanh>().append<Doubled>().append<Identity>().append<ReLU>();
  CHECK_FALSE(fuses(net[0], net[1]));  // no form of it in the kernel
  CHECK_FALSE(fuses(net[0], net[2]));  // a class of its own
  CHECK_FALSE(fuses(net[3], net[4]));  // no norm
  CHECK(fuses(net[0], net[4]));
}

TEST_CASE("the result is the norm's op alone; hooks and anomaly mode see both layers") {
  Sequential net;
  net.append<BatchNorm2d>(3).append<ReLU>();
  Generator generator(1);
  const Tensor x = randn({2, 3, 4, 5}, generator);
  CHECK(net(x).op_name() == "normalize_groups");
  {
    const AnomalyGuard anomaly;
    CHECK(net(x).op_name() == "relu");
  }
  for (const std::int64_t hooked : {0, 1}) {
    Tensor seen_x, seen_y;
    int calls = 0;
    const std::size_t id = net[hooked]->register_forward_hook([&](const Module&, const auto& in, const auto& out) {
      ++calls;
      seen_x = in[0];
      seen_y = out[0];
    });
    const Tensor y = net(x);
    CHECK(calls == 1);
    CHECK(y.op_name() == "relu");
    CHECK(seen_x.is(x) == (hooked == 0));
    CHECK(seen_y.is(y) == (hooked == 1));
    net[hooked]->remove_forward_hook(id);
  }
  CHECK(net(x).op_name() == "normalize_groups");
}

TEST_CASE("norm(x, activation) takes functions, layers and children, and runs apart what no norm can run") {
  Generator generator(4);
  const Tensor x = randn({2, 3, 4, 5}, generator);
  BatchNorm2d norm(3);
  const auto check = [&](const Tensor& y, const char* op, const Tensor& expected) {
    CHECK(y.op_name() == op);
    CHECK(worst(values(expected.array()), values(y.array())) < 1e-6);
  };
  check(norm(x, nn::relu), "normalize_groups", relu(norm(x)));
  check(norm(x, silu), "normalize_groups", silu(norm(x)));
  check(norm(x, nn::hardswish), "normalize_groups", hardswish(norm(x)));
  check(norm(x, {nn::leaky_relu, 0.3}), "normalize_groups", leaky_relu(norm(x), 0.3));
  check(norm(x, LeakyReLU(0.3)), "normalize_groups", leaky_relu(norm(x), 0.3));
  check(norm(x, evenkeel::tanh), "tanh", tanh(norm(x)));
  check(norm(x, {elu, 0.5}), "elu", elu(norm(x), 0.5));
  check(norm(x, Doubled()), "mul", relu(norm(x)) * 2);
  Sequential net;
  const Child<BatchNorm2d> child = net.add<BatchNorm2d>("norm", 3);
  const Child<ReLU> act = net.add<ReLU>("act");
  check(child(x, act), "normalize_groups", relu(norm(x)));
  act.slot().replace(std::make_unique<Doubled>());
  check(child(x, act), "mul", relu(norm(x)) * 2);
  child.slot().replace(make_norm("gn", 3));
  check(child(x, nn::relu), "normalize_groups", relu((*net[0].layer())(x)));
  Linear linear(5, 2, generator);  // no norm
  check(linear(x, nn::relu), "relu", relu(linear(x)));
}

TEST_CASE("an error inside names the norm") {
  Sequential net;
  net.append<BatchNorm2d>(3).append<ReLU>();
  CHECK_THROWS_WITH(net(ones({2, 4, 5, 5})), doctest::Contains("BatchNorm2d (0)"));
}

TEST_CASE("blocks and networks: as one op and one after the other") {
  Generator generator(3);
  models::ConvNormAct block(3, 5, generator, {.norm = "gn"});
  check_same(block, {2, 3, 6, 7}, DType::float64, false);
  models::BasicBlock residual(4, 6, generator, {.stride = 2});
  check_same(residual, {3, 4, 7, 5}, DType::float64, true);
  models::CifarResNet resnet(generator, {.depth = 8, .width = 4});
  check_same(resnet, {2, 3, 8, 8}, DType::float64, true);
}

TEST_CASE("the gradient written over dy is the one written elsewhere") {
  constexpr FusedActivation kActivations[] = {{NormActivation::none}, {NormActivation::relu}, {NormActivation::silu}};
  struct View {
    GroupView group;
    AffineView affine;
  };
  // batch norm, group norm, layer norm of (3, 6, 35); batch norm of (18, 35); over the 6 channels
  const View views[] = {{{1, 3, 6, 35}, {6, 35}},
                        {{1, 1, 9, 70}, {6, 35}},
                        {{1, 1, 18, 35}, {35, 1}},
                        {{1, 18, 35, 1}, {35, 1}},
                        {{3, 6, 35, 1}, {6, 35}}};
  Generator generator(2);
  const Tensor x = randn({3, 6, 35}, generator).detach().requires_grad_(true);
  const Tensor dy = randn({3, 6, 35}, generator);
  for (const View& view : views) {
    CAPTURE(view.group.groups);
    const Tensor weight = randn({view.affine.params}, generator).detach().requires_grad_(true);
    const Tensor bias = randn({view.affine.params}, generator).detach().requires_grad_(true);
    for (const FusedActivation& f : kActivations) {
      for (const bool fixed : {false, true}) {
        if (fixed && view.group.slices * view.group.outer * view.group.groups == 9) {
          continue;
        }
        const auto run = [&] {
          const Tensor zero = zeros({view.affine.params}), one = ones({view.affine.params});
          return fixed ? normalize_with(x, zero, one, weight, bias, view.affine, 0.1, f)
                       : normalize_groups(x, weight, bias, view.group, view.affine, {}, f).y;
        };
        // A given gradient stays the caller's; that of `* 1` belongs to the pass alone.
        const Tensor kept = dy * 1;
        const std::vector<Tensor> elsewhere = grad({run()}, {x, weight, bias}, {kept});
        const std::vector<Tensor> over = grad({run() * 1}, {x, weight, bias}, {kept});
        CHECK(values(kept.array()) == values(dy.array()));
        for (std::size_t i = 0; i < over.size(); ++i) {
          CHECK(values(over[i].array()) == values(elsewhere[i].array()));
        }
      }
    }
  }
}
