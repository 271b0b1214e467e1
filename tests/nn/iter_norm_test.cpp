#include "evenkeel/nn/norm/iter_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

/// Channel c becomes channel c + 1, the last one the first.
Tensor roll_channels(const Tensor& x) {
  return cat({slice(x, 1, x.size(1) - 1, x.size(1)), slice(x, 1, 0, x.size(1) - 1)}, 1);
}

TEST_CASE("IterNorm: the output's covariance comes near to I, in one group and in three") {
  const Tensor noise = random({50, 6, 4, 3}, 1);
  const Tensor x = noise + roll_channels(noise) * 0.4 + 10.0;
  for (const std::int64_t groups : {1, 3}) {
    CAPTURE(groups);
    IterNorm norm(6, {.num_groups = groups, .iterations = 12, .eps = 0});
    norm.to(DType::float64);
    const Tensor rows = reshape(transpose(norm(x), 0, 1), {groups, 6 / groups, 600});
    const Tensor covariance = matmul(rows, transpose(rows, 1, 2)) / 600.0;
    for (std::int64_t g = 0; g < groups; ++g) {
      for (std::int64_t i = 0; i < 6 / groups; ++i) {
        for (std::int64_t j = 0; j < 6 / groups; ++j) {
          CHECK(select(select(select(covariance, 0, g), 0, i), 0, j).item() ==
                doctest::Approx(i == j ? 1.0 : 0.0).epsilon(1e-6));
        }
      }
    }
  }
  CHECK_THROWS_WITH(IterNorm(6, {.num_groups = 4}), Contains("IterNorm: the number of channels must be divisible"));
  CHECK_THROWS_WITH(IterNorm(6, {.iterations = -1}), Contains("iterations must be at least 0, got -1"));
}

}  // namespace
}  // namespace evenkeel::test
