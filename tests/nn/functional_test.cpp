#include "evenkeel/nn/functional.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("the functional forms take PyTorch's arguments") {
  const Tensor x = random({2, 3, 4}, 1);
  const Tensor weight = random({4}, 2);
  const Tensor bias = random({4}, 3);
  const Tensor plain = functional::layer_norm(x, {4});
  check_close(functional::layer_norm(x, {4}, weight).array(), (plain * weight).array(), 1e-14, "weight only");
  check_close(functional::layer_norm(x, {4}, {}, bias).array(), (plain + bias).array(), 1e-14, "bias only");
  check_close(functional::rms_norm(x, {4}, weight, 0.1).array(),
              (x * rsqrt(mean(square(x), {2}, true) + 0.1) * weight).array(), 1e-14, "rms_norm");
  CHECK_THROWS_WITH(functional::layer_norm(x, {}), Contains("at least 1-dimensional"));
  CHECK_THROWS_WITH(functional::layer_norm(x, {3}), Contains("Given normalized_shape=[3]"));
  CHECK_THROWS_WITH(functional::layer_norm(x, {4}, random({3}, 1)),
                    "layer_norm: Expected weight to be of same shape as normalized_shape, but got weight of shape [3] "
                    "and normalized_shape=[4]");
  CHECK_THROWS_WITH(functional::layer_norm(x, {4}, weight, random({1, 4}, 1)), Contains("Expected bias to be of same"));
  CHECK_THROWS_WITH(functional::rms_norm(x, {4}, random({3}, 1)), Contains("rms_norm: Expected weight"));

  Tensor mean = zeros({3}, {.dtype = DType::float64}), var = ones({3}, {.dtype = DType::float64});
  const Tensor own = functional::instance_norm(x);
  check_close(functional::instance_norm(x, mean, var).array(), own.array(), 0, "with running statistics");
  check_close(mean.array(), (0.1 * evenkeel::mean(x, {0, 2})).array(), 1e-14, "running_mean");
  const Tensor by_running = functional::instance_norm(x, mean, var, {}, {}, {.use_input_stats = false, .eps = 0.5});
  const Tensor expected = (x - reshape(mean, {3, 1})) / sqrt(reshape(var, {3, 1}) + 0.5);
  check_close(by_running.array(), expected.array(), 1e-14, "by running statistics");
  CHECK_THROWS_WITH(functional::instance_norm(x, {}, {}, {}, {}, {.use_input_stats = false}),
                    "instance_norm: Expected running_mean and running_var to be defined when use_input_stats=False");
  CHECK_THROWS_WITH(functional::instance_norm(x, mean), Contains("give running_mean and running_var, or neither"));
  CHECK_THROWS_WITH(functional::instance_norm(ones({2, 3, 1})), Contains("Expected more than 1 spatial element"));
}

}  // namespace
}  // namespace evenkeel::test
