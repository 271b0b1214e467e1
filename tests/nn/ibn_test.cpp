#include "evenkeel/nn/norm/ibn.hpp"

#include "evenkeel/nn/norm/batch_norm.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("IBN splits the channels, and refuses a split that leaves a part empty") {
  IBN norm(7);
  CHECK(norm.instance_features == 3);
  CHECK(norm.batch->num_features == 4);
  CHECK_THROWS_WITH(IBN(1), Contains("IBN: ratio 0.5 of 1 channels"));
  CHECK_THROWS_WITH(IBN(8, {.ratio = 1}), Contains("ratio 1"));
}

}  // namespace
}  // namespace evenkeel::test
