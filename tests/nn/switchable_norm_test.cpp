#include "evenkeel/nn/norm/switchable_norm.hpp"

#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

TEST_CASE("SwitchableNorm2d with all its weight on one kind is that kind") {
  const Tensor x = random({3, 4, 5, 2}, 1);
  const auto with_weight = [&](std::int64_t kind) {
    SwitchableNorm2d norm(4);
    norm.to(DType::float64);
    for (Tensor* weights : {&norm.mean_weight, &norm.var_weight}) {
      weights->mutable_array().fill_(-1000);
      weights->mutable_array().mutable_data<double>()[kind] = 0;
    }
    return norm(x);
  };
  const auto same = [&](Layer&& norm, std::int64_t kind) {
    norm.to(DType::float64);
    check_close(with_weight(kind).array(), norm(x).array(), 1e-12, norm.type_name());
  };
  same(GroupNorm(4, 4), 0);
  same(GroupNorm(1, 4), 1);
  same(BatchNorm2d(4), 2);
}

}  // namespace
}  // namespace evenkeel::test
