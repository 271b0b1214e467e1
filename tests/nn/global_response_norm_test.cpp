#include "evenkeel/nn/norm/global_response_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/layer_formula.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

TEST_CASE("GlobalResponseNorm against ((1 + weight n) x + bias)") {
  for (const Shape& shape : {Shape{2, 3, 5, 4}, Shape{1, 7, 1, 1}, Shape{5, 3, 1, 2}}) {
    CAPTURE(shape);
    check_formula(GlobalResponseNorm(shape[1], {.eps = 0.01}), shape,
                  [&](const Tensor& x, const std::vector<Tensor>& p) {
                    const Tensor rows = reshape(x, {shape[0], shape[1], shape[2] * shape[3]});
                    const Tensor g = sqrt(sum(rows * rows, {2}));
                    const Tensor total = sum(g, {1}, true) + 0.01 * static_cast<double>(shape[1]);
                    const Tensor n = reshape(g / total, {shape[0], shape[1], 1, 1}) * static_cast<double>(shape[1]);
                    return (by_channel(p[0]) * n + 1.0) * x + by_channel(p[1]);
                  });
  }
}

}  // namespace
}  // namespace evenkeel::test
