#include "evenkeel/nn/norm/layer_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("constant rows: the bias, and no gradient to the input") {
  LayerNorm norm(3);
  norm.to(DType::float64);
  norm.bias.mutable_array().copy_(random({3}, 1).array());
  Tensor x = full({2, 3}, 7, {.dtype = DType::float64, .requires_grad = true});
  const Tensor y = norm(x);
  for (std::int64_t row = 0; row < 2; ++row) {
    CHECK(doubles(slice(y, 0, row, row + 1)) == doubles(norm.bias));
  }
  y.backward(ones({2, 3}, {.dtype = DType::float64}));
  CHECK(doubles(x.grad()) == std::vector<double>(6, 0));
  CHECK(doubles(LayerNorm(1)(random({4, 1}, 2, DType::float32))) == std::vector<double>(4, 0));
}

TEST_CASE("LayerNorm names both shapes") {
  const std::string layer_text =
      "LayerNorm: Given normalized_shape=[3, 4], expected input with shape [*, 3, 4], but got input of size [2, 4, 3]";
  CHECK_THROWS_WITH(LayerNorm(Shape{3, 4})(ones({2, 4, 3})), layer_text.c_str());
  CHECK_THROWS_WITH(LayerNorm(Shape{3, 4})(ones({4})), Contains("but got input of size [4]"));
  CHECK_THROWS_WITH(LayerNorm(Shape{}), Contains("normalized_shape must have at least one size"));
  CHECK_THROWS_WITH(LayerNorm(Shape{3, 0}), Contains("only positive ones, got [3, 0]"));
  CHECK_THROWS_WITH(LayerNorm(3, {.eps = -1}), Contains("LayerNorm: eps must be at least 0, got -1"));
  CHECK_THROWS_WITH(LayerNorm2d(3)(ones({2, 4, 5, 5})),
                    "LayerNorm2d: expected 3 channels, got 4 (input of shape [2, 4, 5, 5])");
  CHECK_THROWS_WITH(LayerNorm2d(3)(ones({2, 3, 5})), Contains("expected 4D input (got 3D input of shape [2, 3, 5])"));
}

}  // namespace
}  // namespace evenkeel::test
