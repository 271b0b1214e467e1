#include "evenkeel/nn/norm/evo_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

TEST_CASE("EvoNormS0 chooses its groups as choose_gn_groups does") {
  CHECK(EvoNormS0(64).num_groups == 32);
  CHECK(EvoNormS0(48).num_groups == 16);
  CHECK(EvoNormS0(7).num_groups == 1);
}

TEST_CASE("EvoNormS0 gives a sample the same result in any batch, in train and eval") {
  EvoNormS0 norm(6);
  norm.to(DType::float64);
  const Tensor x = random({4, 6, 3, 2}, 3);
  const Tensor all = norm(x);
  norm.eval();
  for (std::int64_t n = 0; n < 4; ++n) {
    const Tensor one = norm(slice(x, 0, n, n + 1));
    CHECK(one.to_vector<double>() == slice(all, 0, n, n + 1).to_vector<double>());
  }
}

}  // namespace
}  // namespace evenkeel::test
