#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops.hpp"

#include <doctest/doctest.h>

#include <cmath>

namespace evenkeel {
namespace {

using Values = std::vector<double>;

Tensor leaf(const Values& values, const Shape& shape) { return tensor(values, shape, true); }
Tensor number(double value) { return leaf({value}, {}); }
Values values_of(const Tensor& x) { return x.to_vector<double>(); }

}  // namespace

TEST_CASE("create_graph gives derivatives of any order") {
  const Tensor x = number(1.5);
  Tensor y = exp(x * 2.0);  // exp keeps its output
  for (int order = 1; order <= 4; ++order) {
    y = grad({y}, {x}, {}, {.create_graph = true})[0];
    CHECK(y.item() == doctest::Approx(std::pow(2.0, order) * std::exp(3.0)).epsilon(1e-12));
  }
  const Tensor v = leaf({1, 2}, {2});
  const Tensor w = leaf({1, 2, 3, 4, 5, 6}, {3, 2});
  const std::vector<Tensor> first = grad({sum(w * v * v)}, {v, w}, {}, {.create_graph = true});
  const std::vector<Tensor> second = grad({sum(first[0] * first[0]) + sum(first[1])}, {v, w});
  // first = (2 s_j v_j, v_j^2) with s = column sums (9, 12): d/dv = 8 s^2 v + 3 * 2 v, d/dw_ij = 8 s_j v_j^2
  CHECK(values_of(second[0]) == Values{8 * 81 + 6, 8 * 144 * 2 + 12});
  CHECK(values_of(second[1]) == Values{72, 384, 72, 384, 72, 384});
}

TEST_CASE("backward with create_graph leaves differentiable grads") {
  Tensor x = number(3);
  const Tensor y = x * x * x;
  y.backward({}, false, true);
  CHECK(x.grad().item() == 27);
  const Tensor first = x.grad();
  x.zero_grad();
  first.backward();
  CHECK(x.grad().item() == 18);
}

TEST_CASE("an op without second derivative says so") {
  const Tensor x = number(3);
  const auto once = [&] {
    return record({.name = "once", .inputs = {x}, .twice_differentiable = false}, x.array().clone(),
                  [](const Saved&, const Tensor& dy) -> Grads { return {dy}; });
  };
  CHECK(grad({once()}, {x})[0].item() == 1);
  CHECK_THROWS_WITH(grad({once()}, {x}, {}, {.create_graph = true}),
                    "grad: 'once' has no second derivative, so it can't be part of a backward with create_graph=true");
}

TEST_CASE("formulas run with grad mode off, unless create_graph") {
  const Tensor x = number(3);
  bool recording = true;
  const auto probe = [&] {
    return record({.name = "probe", .inputs = {x}}, x.array().clone(), [&](const Saved&, const Tensor& dy) -> Grads {
      recording = grad_enabled();
      return {dy};
    });
  };
  probe().backward();
  CHECK_FALSE(recording);
  CHECK_FALSE(x.grad().requires_grad());
  grad({probe()}, {x}, {}, {.create_graph = true});
  CHECK(recording);
  {
    const Tensor y = probe();
    const NoGradGuard guard;
    y.backward();
    CHECK_FALSE(grad_enabled());
  }
  CHECK(x.grad().item() == 2);
}

}  // namespace evenkeel
