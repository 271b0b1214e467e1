#include "evenkeel/nn/norm/adaptive_instance_norm.hpp"

#include "evenkeel/autograd/gradcheck.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("adaptive_instance_norm gives the content the style's statistics, and is differentiable in both") {
  const Tensor x = random({2, 3, 4, 5}, 1).requires_grad_(), style = random({2, 3, 6, 2}, 2).requires_grad_();
  const Tensor y = functional::adaptive_instance_norm(x, style, 0);
  CHECK(y.shape() == x.shape());
  check_close(mean(y, {2, 3}).array(), mean(style, {2, 3}).array(), 1e-14, "mean");
  check_close(var(y, {2, 3}).array(), var(style, {2, 3}).array(), 1e-13, "variance");
  const auto f = [](const std::vector<Tensor>& in) { return functional::adaptive_instance_norm(in[0], in[1]); };
  const GradcheckReport report = gradcheck(f, {x, style}, {.raise = false});
  CHECK_MESSAGE(report.ok, report.text);
  const Tensor one = random({1, 3, 5}, 3);
  CHECK(functional::adaptive_instance_norm(x, one).shape() == x.shape());
  CHECK_THROWS_WITH(functional::adaptive_instance_norm(x, ones({3, 3, 4, 5})),
                    "adaptive_instance_norm: a style of shape [3, 3, 4, 5] does not fit content of shape [2, 3, 4, 5]");
  CHECK_THROWS_WITH(functional::adaptive_instance_norm(ones({2, 3}), one), Contains("at least 3 dims"));
  CHECK_THROWS_WITH(functional::adaptive_instance_norm(x, ones({1, 3, 1})), Contains("more than 1 spatial element"));
}

}  // namespace
}  // namespace evenkeel::test
