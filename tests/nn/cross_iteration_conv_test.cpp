#include "evenkeel/nn/norm/cross_iteration_conv.hpp"

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/gradcheck.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("CrossIterationConv2d: the gradient with a full window; what keeps the window as it is; bad options") {
  const Tensor x0 = random({2, 3, 4, 2}, 1), x1 = random({3, 3, 4, 2}, 2).requires_grad_();
  const Conv2dOptions padded{.kernel_size = 3, .padding = 1, .bias = false};
  const auto after_one_step = [&] {
    Generator generator(1);
    auto layer = std::make_unique<CrossIterationConv2d>(3, 2, generator, padded, CrossIterationOptions{.window = 2});
    layer->to(DType::float64);
    (*layer)(x0);
    Array& weight = layer->conv->weight.mutable_array();
    weight.copy_((Tensor(weight.clone()) * 0.75 - 0.0625).array());
    return layer;
  };
  const auto f = [&](const std::vector<Tensor>& in) { return (*after_one_step())(in[0]); };
  const GradcheckReport report = gradcheck(f, {x1}, {.raise = false});
  CHECK_MESSAGE(report.ok, report.text);

  const auto layer = after_one_step();
  const Array expected = (*after_one_step())(x1).array();
  no_grad([&] { return (*layer)(x0 * 3.0); });
  layer->eval();
  (*layer)(x0);
  layer->train();
  check_close((*layer)(x1).array(), expected, 0, "after forwards that do not count");

  Generator g(1);
  const Conv2dOptions how{.kernel_size = 1, .bias = false};
  CHECK_THROWS_WITH(CrossIterationConv2d(2, 3, g, {.kernel_size = 1}), Contains("must have no bias"));
  CHECK_THROWS_WITH(CrossIterationConv2d(2, 3, g, how, {.window = 0}), Contains("window must be at least 1, got 0"));
  CHECK_THROWS_WITH(CrossIterationConv2d(2, 3, g, how, {.burn_in = -1}), Contains("burn_in"));
  CHECK_THROWS_WITH(CrossIterationConv2d(2, 3, g, how)(ones({1, 2, 1, 1})),
                    Contains("CrossIterationConv2d: Expected more than 1 value per channel when training"));
}

}  // namespace
}  // namespace evenkeel::test
