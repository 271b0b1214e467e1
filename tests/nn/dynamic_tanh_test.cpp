#include "evenkeel/nn/norm/dynamic_tanh.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/layer_formula.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

TEST_CASE("DynamicTanh against 2 sigmoid(2 alpha x) - 1") {
  const auto squash = [](const Tensor& x, const Tensor& alpha) { return 2.0 * sigmoid(x * alpha * 2.0) - 1.0; };
  check_formula(DynamicTanh(3), {2, 3, 5, 4}, [&](const Tensor& x, const std::vector<Tensor>& p) {
    return squash(x, p[0]) * by_channel(p[1]) + by_channel(p[2]);
  });
  check_formula(DynamicTanh(4, {.channels_last = true}), {5, 2, 4},
                [&](const Tensor& x, const std::vector<Tensor>& p) { return squash(x, p[0]) * p[1] + p[2]; });
  check_formula(DynamicTanh(7, {.affine = false}), {1, 7},
                [&](const Tensor& x, const std::vector<Tensor>& p) { return squash(x, p[0]); });
  CHECK_THROWS_WITH(DynamicTanh(3, {.channels_last = true})(ones({3, 4})),
                    "DynamicTanh: expected 3 channels at dim -1, got 4 (input of shape [3, 4])");
}

}  // namespace
}  // namespace evenkeel::test
