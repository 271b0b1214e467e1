#include "evenkeel/nn/norm/instance_norm.hpp"

#include "evenkeel/nn/container.hpp"
#include "tests/support/values.hpp"

#include <cmath>

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("InstanceNorm moves its statistics by hand-counted values, and counts no batches") {
  InstanceNorm1d norm(2, {.momentum = 0.25, .track_running_stats = true});
  norm.to(DType::float64);
  norm(tensor<double>({1, 3, 0, 4, 2, 6, 1, 1}, {2, 2, 2}));
  // Instances (1, 3), (0, 4), (2, 6), (1, 1): means 2, 2, 4, 1, unbiased variances 2, 8, 8, 0.
  CHECK(doubles(norm.running_mean) == std::vector<double>{0.25 * 3, 0.25 * 1.5});
  CHECK(doubles(norm.running_var) == std::vector<double>{0.75 + 0.25 * 5, 0.75 + 0.25 * 4});
  CHECK(norm.num_batches_tracked.array().item_int64() == 0);
  norm.eval();
  const Tensor one = norm(tensor<double>({1, 2}, {1, 2, 1}));  // a single element is fine with running statistics
  CHECK(doubles(one)[0] == doctest::Approx((1 - 0.75) / std::sqrt(2 + 1e-5)).epsilon(1e-12));
  norm.reset_running_stats();
  CHECK(doubles(norm.running_mean) == std::vector<double>{0, 0});
  CHECK(doubles(norm.running_var) == std::vector<double>{1, 1});
}

TEST_CASE("InstanceNorm refuses other channels, single elements and other ranks, and names itself") {
  InstanceNorm2d norm(3);
  CHECK_THROWS_WITH(norm(ones({2, 5, 4, 4})),
                    "InstanceNorm2d: expected input's size at dim=1 to match num_features (3), but got: 5 (input of "
                    "shape [2, 5, 4, 4])");
  CHECK_THROWS_WITH(norm(ones({5, 4, 4})),
                    "InstanceNorm2d: expected input's size at dim=0 to match num_features (3), but got: 5 (input of "
                    "shape [5, 4, 4])");
  CHECK_THROWS_WITH(norm(ones({2, 3})), "InstanceNorm2d: expected 3D or 4D input (got 2D input of shape [2, 3])");
  CHECK_THROWS_WITH(InstanceNorm1d(3)(ones({2, 3, 4, 4})), Contains("expected 2D or 3D input (got 4D input"));
  CHECK_THROWS_WITH(InstanceNorm3d(3)(ones({3, 4, 4})), Contains("expected 4D or 5D input (got 3D input"));
  CHECK_THROWS_WITH(norm(ones({2, 3, 1, 1})),
                    "InstanceNorm2d: Expected more than 1 spatial element when training, got input size [2, 3, 1, 1]; "
                    "use larger maps, GroupNorm(1, 3) or BatchNorm");
  CHECK_THROWS_WITH(InstanceNorm1d(8)(ones({8, 1})), Contains("got input size [8, 1]; use larger maps or BatchNorm"));
  norm.eval();
  CHECK_THROWS_WITH(norm(ones({2, 3, 1, 1})), Contains("Expected more than 1 spatial element"));
  Sequential net;
  net.append<InstanceNorm2d>(3);
  CHECK_THROWS_WITH(net(ones({2, 4, 5, 5})), Contains("InstanceNorm2d (0): expected input's size"));
  CHECK_THROWS_WITH(InstanceNorm2d(3, {.eps = -1}), Contains("InstanceNorm2d: eps must be at least 0, got -1"));
  CHECK_THROWS_WITH(InstanceNorm2d(3, {.momentum = 1.5}), Contains("InstanceNorm2d: momentum must lie in [0, 1]"));
  CHECK_THROWS_WITH(InstanceNorm2d(0), Contains("InstanceNorm2d: num_features must be positive, got 0"));
}

TEST_CASE("InstanceNorm refuses running statistics of old files where it has none") {
  const InstanceNorm2d with(3, {.affine = true, .track_running_stats = true});
  Sequential net;
  net.append<InstanceNorm2d>(3, InstanceNormOptions{.affine = true});
  StateDict state;
  for (const auto& [name, value] : with.state_dict()) {
    state.emplace_back("0." + name, value);
  }
  for (const bool strict : {true, false}) {
    CHECK_THROWS_WITH(net.load_state_dict(state, strict),
                      Contains("Unexpected running stats buffer(s) \"0.running_mean\" and \"0.running_var\" for "
                               "InstanceNorm2d with track_running_stats=False."));
    CHECK_THROWS_WITH(net.load_state_dict(state, strict), Contains("remove these keys from the state"));
  }
  state.resize(2);
  CHECK(net.load_state_dict(state).missing.empty());
}

}  // namespace
}  // namespace evenkeel::test
