#include "evenkeel/nn/norm/layer_scale.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("LayerScale multiplies each channel by its factor") {
  LayerScale scale(3, {.init = 0.5});
  scale.gamma.mutable_array().copy_(Array::from(std::vector<float>{1, -2, 3}, {3}));
  CHECK(doubles(scale(ones({2, 3, 2}))) == std::vector<double>{1, 1, -2, -2, 3, 3, 1, 1, -2, -2, 3, 3});
  CHECK(doubles(LayerScale(2)(ones({1, 2}))) == std::vector<double>(2, static_cast<double>(1e-5F)));
  CHECK_THROWS_WITH(LayerScale(3)(ones({3})), Contains("expected at least 2D input (got 1D input of shape [3])"));
}

}  // namespace
}  // namespace evenkeel::test
