#include "evenkeel/nn/norm/power_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("PowerNorm: the backward moves running_nu, the forward running_phi, eval neither") {
  PowerNorm norm(2, {.eps = 0, .momentum = 0.25, .warmup_steps = 0});
  norm.to(DType::float64);
  const auto values = [](const Tensor& t) { return t.to_vector<double>(); };
  Tensor x = tensor<double>({1, 2, 3, -2}, {2, 2}, true);
  const Tensor y = norm(x);
  CHECK(values(y) == std::vector<double>{1, 2, 3, -2});  // phi from before this step: 1
  CHECK(values(norm.running_phi) == std::vector<double>{0.75 + 0.25 * 5, 0.75 + 0.25 * 4});
  CHECK(values(norm.running_nu) == std::vector<double>{0, 0});
  y.backward(tensor<double>({1, 0, 1, 1}, {2, 2}), true);
  CHECK(values(x.grad()) == std::vector<double>{1, 0, 1, 1});  // nu was 0
  CHECK(values(norm.running_nu) == std::vector<double>{0.25 * 2, 0.25 * -1});
  x.zero_grad();
  y.backward(tensor<double>({1, 0, 1, 1}, {2, 2}));
  CHECK(values(x.grad()) == std::vector<double>{1 - 0.5, 0.25 * 2, 1 - 0.5 * 3, 1 + 0.25 * -2});
  norm.eval();
  norm(x).backward(ones({2, 2}, {.dtype = DType::float64}));
  CHECK(values(norm.running_phi) == std::vector<double>{2, 1.75});
  CHECK(norm.num_batches_tracked.array().item_int64() == 1);
}

TEST_CASE("PowerNorm has no second derivative after its warm-up, and is exact before") {
  PowerNorm norm(2, {.warmup_steps = 1});
  Tensor x = random({3, 2}, 1, DType::float32).requires_grad_();
  CHECK_NOTHROW(sum(norm(x)).backward({}, true, true));
  x.zero_grad();
  CHECK_THROWS_WITH(sum(norm(x)).backward({}, true, true), Contains("power_norm"));
}

}  // namespace
}  // namespace evenkeel::test
