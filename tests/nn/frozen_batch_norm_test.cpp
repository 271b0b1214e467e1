#include "evenkeel/nn/norm/frozen_batch_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/nn/norm/ghost_batch_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/sync_batch_norm.hpp"
#include "tests/support/values.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Approx;
using doctest::Contains;
using test::doubles;

namespace {

Tensor random(const Shape& shape, unsigned seed, DType dtype = DType::float32) {
  return test::random(shape, seed, dtype);
}

StateDict random_state(std::int64_t c, bool with_counter) {
  StateDict state{{"weight", random({c}, 1).array()},
                  {"bias", random({c}, 2).array()},
                  {"running_mean", random({c}, 3).array()},
                  {"running_var", (random({c}, 4) + 1.25).array()}};
  if (with_counter) {
    state.emplace_back("num_batches_tracked", Array::full({}, 7, DType::int64));
  }
  return state;
}

/// conv, BatchNorm2d(4), and a nested BatchRenorm2d(5) behind a second convolution.
std::unique_ptr<Sequential> network() {
  Generator generator(3);
  auto inner = std::make_unique<Sequential>();
  inner->append<Conv2d>(4, 5, generator, Conv2dOptions{.kernel_size = 2});
  inner->append<BatchRenorm2d>(5);
  auto net = std::make_unique<Sequential>();
  net->append<Conv2d>(3, 4, generator, Conv2dOptions{.kernel_size = 3});
  net->append<BatchNorm2d>(4);
  net->append(std::move(inner));
  return net;
}

}  // namespace

TEST_CASE("the formula, the same in train and eval; nothing learns or moves") {
  FrozenBatchNorm2d norm(3, {.eps = 0.01});
  norm.load_state_dict(random_state(3, false));
  norm.to(DType::float64);
  CHECK(norm.parameters().empty());
  CHECK(norm.named_buffers().size() == 4);
  Tensor x = random({2, 3, 4, 1}, 5, DType::float64).requires_grad_();
  const Tensor dy = random({2, 3, 4, 1}, 6, DType::float64);
  const std::vector<double> w = doubles(norm.weight), b = doubles(norm.bias), m = doubles(norm.running_mean),
                            v = doubles(norm.running_var), xs = doubles(x), dys = doubles(dy);
  for (const bool training : {true, false}) {
    norm.train(training);
    x.zero_grad();
    const Tensor y = norm(x);
    y.backward(dy);
    const std::vector<double> ys = doubles(y), dx = doubles(x.grad());
    for (std::size_t i = 0; i < xs.size(); ++i) {
      const std::size_t c = i / 4 % 3;
      const double scale = w[c] / std::sqrt(v[c] + 0.01);
      CHECK(ys[i] == Approx((xs[i] - m[c]) * scale + b[c]).epsilon(1e-12));
      CHECK(dx[i] == Approx(dys[i] * scale).epsilon(1e-12));
    }
  }
  CHECK(doubles(norm.running_mean) == m);
  CHECK(doubles(norm.running_var) == v);
  CHECK_FALSE(norm.weight.grad().defined());
}

TEST_CASE("files with and without num_batches_tracked load, also inside a model; one with other keys does not") {
  for (const bool with_counter : {true, false}) {
    FrozenBatchNorm2d norm(4);
    norm.load_state_dict(random_state(4, with_counter));
    CHECK(doubles(norm.running_var) == doubles(random({4}, 4) + 1.25));
  }
  BatchNorm2d trained(4);
  trained(random({2, 4, 3, 3}, 1));
  Sequential before, after;
  before.append<BatchNorm2d>(4);
  after.append<FrozenBatchNorm2d>(4);
  CHECK_NOTHROW(after.load_state_dict(before.state_dict()));
  FrozenBatchNorm2d norm(4);
  StateDict wrong = random_state(4, true);
  wrong.emplace_back("momentum", Array::ones({}));
  CHECK_THROWS_WITH(norm.load_state_dict(wrong), Contains("Unexpected key(s) in state_dict: \"momentum\""));
  wrong = random_state(4, true);
  wrong.erase(wrong.begin() + 3);
  CHECK_THROWS_WITH(norm.load_state_dict(wrong), Contains("Missing key(s) in state_dict: \"running_var\""));
}

TEST_CASE("its state is the four tensors; what a fresh layer does") {
  FrozenBatchNorm1d norm(2, {.eps = 0});
  std::vector<std::string> keys;
  for (const auto& [key, value] : norm.state_dict()) {
    keys.push_back(key);
  }
  CHECK(keys == std::vector<std::string>{"weight", "bias", "running_mean", "running_var"});
  const Tensor x = random({5, 2, 3}, 1);
  CHECK(doubles(norm(x)) == doubles(x));
}

TEST_CASE("bad input names the layer") {
  CHECK_THROWS_WITH(FrozenBatchNorm2d(3)(zeros({2, 3})),
                    "FrozenBatchNorm2d: expected 4D input (got 2D input of shape [2, 3])");
  CHECK_THROWS_WITH(FrozenBatchNorm1d(3)(zeros({2, 3, 1, 1})), Contains("FrozenBatchNorm1d: expected 2D or 3D input"));
  CHECK_THROWS_WITH(FrozenBatchNorm(3)(zeros({3})), Contains("FrozenBatchNorm: expected at least 2D input"));
  CHECK_THROWS_WITH(FrozenBatchNorm3d(3)(zeros({2, 3, 1, 1})), Contains("FrozenBatchNorm3d: expected 5D input"));
  CHECK_THROWS_WITH(FrozenBatchNorm2d(3)(zeros({2, 4, 1, 1})),
                    "FrozenBatchNorm2d: expected 3 channels at dim 1, got 4 (input of shape [2, 4, 1, 1])");
  CHECK_THROWS_WITH(FrozenBatchNorm2d(3)(Tensor()), "FrozenBatchNorm2d: the input is an undefined tensor");
  CHECK_THROWS_WITH(FrozenBatchNorm2d(3, {.eps = -1}), "FrozenBatchNorm2d: eps must be at least 0, got -1");
  CHECK_THROWS_WITH(FrozenBatchNorm2d(0), "FrozenBatchNorm2d: num_features must be positive, got 0");
}

TEST_CASE("freeze_batchnorm_stats: statistics stay after a later train(), weight and bias learn") {
  const auto net = network();
  auto& norm = *net->child<BatchNorm2d>("1");
  auto& renorm = *net->child<BatchRenorm2d>("2.1");
  const Tensor x = random({2, 3, 6, 5}, 1);
  (*net)(x);
  norm.weight.requires_grad_(false);
  CHECK(freeze_batchnorm_stats(*net) == std::vector<std::string>{"1", "2.1"});
  net->train();
  CHECK(net->training());
  CHECK_FALSE(norm.training());
  CHECK(norm.statistics_frozen());
  const std::vector<double> mean = doubles(norm.running_mean), var = doubles(norm.running_var),
                            renorm_var = doubles(renorm.running_var);
  const Tensor y = (*net)(x);
  sum(square(y)).backward();
  CHECK(doubles(norm.running_mean) == mean);
  CHECK(doubles(norm.running_var) == var);
  CHECK(doubles(renorm.running_var) == renorm_var);
  CHECK(norm.num_batches_tracked.array().item_int64() == 1);
  for (const Tensor& parameter : {norm.weight, norm.bias, renorm.weight, renorm.bias}) {
    REQUIRE(parameter.grad().defined());
    for (const double g : doubles(parameter.grad())) {
      CHECK(g != 0);
    }
  }
  net->eval();
  CHECK(doubles((*net)(x)) == doubles(y));

  CHECK(unfreeze_batchnorm_stats(*net) == std::vector<std::string>{"1", "2.1"});
  CHECK(unfreeze_batchnorm_stats(*net).empty());
  net->train();
  (*net)(x);
  CHECK(doubles(norm.running_mean) != mean);
  CHECK(norm.num_batches_tracked.array().item_int64() == 2);
}

TEST_CASE("freeze_batchnorm_stats with frozen weight and bias, on a model that is the layer, and through EvalGuard") {
  SyncBatchNorm norm(3);
  CHECK(freeze_batchnorm_stats(norm, {.train_affine = false}) == std::vector<std::string>{""});
  CHECK(norm.num_parameters(true) == 0);
  { const EvalGuard guard(norm); }
  norm.train();
  norm(random({2, 3, 4}, 1));
  CHECK(norm.num_batches_tracked.array().item_int64() == 0);
  CHECK(doubles(norm.running_var) == std::vector<double>{1, 1, 1});
}

TEST_CASE("freeze_batchnorm_stats covers every kind and leaves other norms alone") {
  Sequential net;
  net.append<BatchNorm1d>(2).append<BatchNorm2d>(2).append<BatchNorm3d>(2).append<GroupNorm>(1, 2);
  net.append<SyncBatchNorm>(2).append<GhostBatchNorm>(2).append<BatchRenorm1d>(2).append<FrozenBatchNorm2d>(2);
  CHECK(freeze_batchnorm_stats(net) == std::vector<std::string>{"0", "1", "2", "4", "5", "6"});
  net.train();
  CHECK(net[3]->training());
}

TEST_CASE("a layer without running statistics: an error that names it, and nothing is frozen") {
  Sequential net;
  net.append<BatchNorm1d>(2).append<BatchNorm2d>(2, BatchNormOptions{.track_running_stats = false});
  CHECK_THROWS_WITH(freeze_batchnorm_stats(net),
                    "freeze_batchnorm_stats: 1 (a BatchNorm2d) has no running statistics "
                    "to freeze (track_running_stats=False)");
  CHECK(net[0]->training());
}
