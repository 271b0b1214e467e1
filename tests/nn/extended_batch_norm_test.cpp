#include "evenkeel/nn/norm/extended_batch_norm.hpp"

#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

TEST_CASE("ExtendedBatchNorm keeps the channels' relative scale and removes their means") {
  ExtendedBatchNorm norm(2, {.eps = 0});
  norm.to(DType::float64);
  const Tensor y = norm(tensor<double>({1, 30, 3, 10}, {2, 2}));
  const double deviation = std::sqrt((100 + 361 + 64 + 1) / 4.0);  // around the mean of all, 11
  const std::vector<double> expected = {-1 / deviation, 10 / deviation, 1 / deviation, -10 / deviation};
  check_close(y.array(), Array::from(expected, {2, 2}), 1e-14, "y");
}

}  // namespace
}  // namespace evenkeel::test
