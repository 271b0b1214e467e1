// norm(x, act): a norm and the activation behind it as one op give what both give one after the other.

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/normalize_groups.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/identity.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "tests/support/fused_activation.hpp"
#include "tests/support/layer_cases.hpp"
#include "tests/support/norm_traits.hpp"

#include <functional>
#include <memory>
#include <string>

using namespace evenkeel;
using namespace evenkeel::nn;
using test::doubles;

namespace {

using MakeLayer = std::function<std::unique_ptr<Layer>()>;

/// Every activation of the table of layers that a norm can run, and one in place.
std::vector<MakeLayer> activations() {
  std::vector<MakeLayer> result = {[] { return std::make_unique<ReLU>(ActivationOptions{.inplace = true}); }};
  Generator generator(1);
  for (const auto rows : test::LayerCaseFile::all()) {
    for (const test::LayerCase& row : rows()) {
      if (row.make(generator)->fused()) {
        result.push_back([make = row.make] {
          Generator unused(1);
          return make(unused);
        });
      }
    }
  }
  REQUIRE(result.size() >= 5);
  return result;
}

/// A ReLU that computes something else.
class Doubled : public ReLU {
 public:
  Tensor forward(const Tensor& x) override { return relu(x) * 2; }
};

}  // namespace

TEST_CASE("every norm of the registry with every activation: as one op and one after the other") {
  const std::vector<MakeLayer> all = activations();
  test::for_each_norm([&](const std::string& name, const test::NormTraits&) {
    for (const MakeLayer& activation : all) {
      const std::string kind = concat(*activation());
      CAPTURE(kind);
      const bool is_relu = kind.starts_with("ReLU");
      for (const DType dtype : {DType::float32, DType::float64}) {
        CAPTURE(dtype);
        Sequential net;
        net.append(make_norm(name, 4)).append(activation());
        test::check_fused(net, {3, 4, 5, 7}, dtype, is_relu);
        net.eval();
        test::check_fused(net, {3, 4, 5, 7}, dtype, is_relu);
      }
    }
  });
}

TEST_CASE("which norms become one op with what follows them") {
  test::for_each_norm([](const std::string& name, const test::NormTraits& traits) {
    Sequential net;
    net.append(make_norm(name, 4)).append<SiLU>();
    CHECK(fuses(net[0], net[1]) == traits.fuses);
  });
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
    CHECK(test::largest_error(doubles(expected.array()), doubles(y.array())) < 1e-6);
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
        CHECK(doubles(kept.array()) == doubles(dy.array()));
        for (std::size_t i = 0; i < over.size(); ++i) {
          CHECK(doubles(over[i].array()) == doubles(elsewhere[i].array()));
        }
      }
    }
  }
}
