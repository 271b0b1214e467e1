#include "evenkeel/nn/norm/act_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("ActNorm starts from the first training batch, once, and not again after loading") {
  ActNorm norm(3, {.eps = 0});
  norm.to(DType::float64);
  const Tensor x = random({4, 3, 5, 2}, 1) * 3.0 + 2.0;
  norm.eval();
  check_close(norm(x).array(), x.array(), 0, "before the first batch");
  norm.train();
  norm(zeros({0, 3, 5, 2}, {.dtype = DType::float64}));
  CHECK(norm.initialized.array().item_int64() == 0);
  const Tensor y = norm(x);
  check_close(mean(y, {0, 2, 3}).array(), Array::zeros({3}), 1e-14, "mean");
  check_close(var(y, {0, 2, 3}, 0).array(), Array::ones({3}), 1e-13, "variance");
  const Tensor second = norm(x * 2.0);
  check_close(second.array(), (x * reshape(norm.weight * 2.0, {1, 3, 1, 1}) + reshape(norm.bias, {1, 3, 1, 1})).array(),
              1e-14, "the second batch");
  ActNorm loaded(3);
  loaded.to(DType::float64);
  loaded.load_state_dict(norm.state_dict());
  check_close(loaded(x * 7.0).array(), norm(x * 7.0).array(), 0, "after loading");
  CHECK_THROWS_WITH(ActNorm(3)(ones({1, 3})), Contains("ActNorm: Expected more than 1 value per channel"));
}

}  // namespace
}  // namespace evenkeel::test
