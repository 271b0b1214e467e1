#include "evenkeel/nn/norm/batch_group_norm.hpp"

#include "evenkeel/nn/norm/batch_norm.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

TEST_CASE("BatchGroupNorm with a group per channel is BatchNorm") {
  BatchGroupNorm groups(3, {.num_groups = 3});
  BatchNorm2d norm(3);
  for (const bool training : {true, false}) {
    groups.train(training);
    norm.train(training);
    const Tensor x = random({2, 3, 4, 5}, 1, DType::float32);
    CHECK(groups(x).to_vector<float>() == norm(x).to_vector<float>());
    CHECK(groups.running_var.to_vector<float>() == norm.running_var.to_vector<float>());
  }
}

}  // namespace
}  // namespace evenkeel::test
