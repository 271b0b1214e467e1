// BatchChannelNorm against a second derivation (tests/fixtures/make_norms_weight.py) and what its docs say.

#include "evenkeel/nn/norm/batch_channel_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/registry.hpp"
#include "tests/support/layer_replay.hpp"

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using evenkeel::test::MakeLayer;
using test::random;

namespace {

template <class... Args>
MakeLayer layer(Args... args) {
  return [=] { return std::make_unique<BatchChannelNorm>(args...); };
}

/// The authors' formulas in differentiable ops, by the layer's state before this forward.
Tensor composite(const BatchChannelNorm& norm, const Tensor& x) {
  const auto& bn = dynamic_cast<const EstimatedBatchNorm&>(*norm.bn);
  const Shape channels{1, norm.num_channels, 1, 1};
  const double s = bn.estbn_moving_speed.item();
  const Tensor old_mean = reshape(bn.running_mean, channels);
  const Tensor batch = x.detach();
  const Tensor running_mean = old_mean * (1 - s) + mean(batch, {0, 2, 3}, true) * s;
  const Tensor running_var =
      reshape(bn.running_var, channels) * (1 - s) + mean(square(batch - old_mean), {0, 2, 3}, true) * s;
  const Tensor z = (x - running_mean) / sqrt(running_var + norm.options.eps) * reshape(bn.weight, channels) +
                   reshape(bn.bias, channels);
  const Tensor groups = reshape(z, {x.size(0), norm.num_groups, -1});
  const Tensor centred = groups - mean(groups, {2}, true);
  const Tensor y = centred / sqrt(mean(square(centred), {2}, true) + norm.options.eps);
  return reshape(y * norm.weight + norm.bias, x.shape());
}

}  // namespace

TEST_CASE("BatchChannelNorm equals PyTorch's composition over several steps, with either batch norm") {
  test::replay_layers("norms_weight.safetensors",
                      {
                          {"batch_channel_norm", layer(3, 6, BatchChannelNormOptions{.momentum = 0.2})},
                          {"batch_channel_norm_plain", layer(2, 6, BatchChannelNormOptions{.estimate = false})},
                      },
                      test::descent("batch_channel_norm"));
}

TEST_CASE("BatchChannelNorm equals its formula in differentiable ops, forward and backward") {
  BatchChannelNorm norm(2, 4, {.eps = 1e-3, .momentum = 0.3});
  norm.to(DType::float64);
  std::vector<Tensor> inputs;
  unsigned seed = 5;
  for (const auto& [name, parameter] : norm.named_parameters()) {
    Tensor values = parameter;
    values.mutable_array().copy_(random(parameter.shape(), ++seed).array());
    inputs.push_back(parameter);
  }
  for (int step = 0; step < 3; ++step) {
    const Tensor x(random({3, 4, 2, 5}, seed + 10).array(), true);
    const Tensor dy = random({3, 4, 2, 5}, seed + 20);
    ++seed;
    std::vector<Tensor> all = inputs;
    all.push_back(x);
    const Tensor expected = composite(norm, x);
    const std::vector<Tensor> expected_grads = grad({expected}, all, {dy});
    const Tensor y = norm(x);
    const std::vector<Tensor> grads = grad({y}, all, {dy});
    CHECK(reference::worst_error(y.to_vector<double>(), expected.to_vector<double>()) < 1e-12);
    for (std::size_t i = 0; i < all.size(); ++i) {
      CHECK(reference::worst_error(grads[i].to_vector<double>(), expected_grads[i].to_vector<double>()) < 1e-12);
    }
  }
}

TEST_CASE("EstimatedBatchNorm uses the statistics that this batch has moved") {
  EstimatedBatchNorm norm(2, {.eps = 0, .momentum = 0.25});
  norm.to(DType::float64);
  norm.running_mean.mutable_array().copy_(Array::from(std::vector<double>{1, -2}, {2}));
  norm.running_var.mutable_array().copy_(Array::from(std::vector<double>{4, 1}, {2}));
  // Channel 0: 3, 5; channel 1: 0, -4. Means 4, -2; around the old means 4 + 16 and 4 + 4, halved.
  const Tensor x = tensor(std::vector<double>{3, 0, 5, -4}, {2, 2});
  const std::vector<double> y = norm(x).to_vector<double>();
  const double mean0 = 0.75 * 1 + 0.25 * 4, var0 = 0.75 * 4 + 0.25 * 10, mean1 = -2, var1 = 0.75 * 1 + 0.25 * 4;
  CHECK(norm.running_mean.to_vector<double>() == std::vector<double>{mean0, mean1});
  CHECK(norm.running_var.to_vector<double>()[0] == doctest::Approx(var0).epsilon(1e-15));
  CHECK(norm.running_var.to_vector<double>()[1] == doctest::Approx(var1).epsilon(1e-15));
  CHECK(y[0] == doctest::Approx((3 - mean0) / std::sqrt(var0)).epsilon(1e-14));
  CHECK(y[3] == doctest::Approx((-4 - mean1) / std::sqrt(var1)).epsilon(1e-14));
  CHECK(norm.num_batches_tracked.array().item_int64() == 1);

  norm.eval();
  CHECK(norm(x).to_vector<double>() == y);
  CHECK(norm.num_batches_tracked.array().item_int64() == 1);
  norm.train();
  norm(zeros({0, 2}, {.dtype = DType::float64}));
  CHECK(norm.num_batches_tracked.array().item_int64() == 1);
  CHECK_THROWS_WITH(norm(ones({3, 2})), Contains("float64"));
  CHECK(norm.running_mean.to_vector<double>() == std::vector<double>{mean0, mean1});
  norm.freeze_statistics();
  CHECK(norm(x).to_vector<double>() == y);
}

TEST_CASE("training converges to eval, whatever the batch size, also one pixel of one sample") {
  EstimatedBatchNorm norm(3, {.momentum = 0.5});
  norm.to(DType::float64);
  const Tensor x = random({1, 3, 1, 1}, 2);
  for (int i = 0; i < 60; ++i) {
    norm(x);
  }
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(norm.running_mean.to_vector<double>()[c] == doctest::Approx(x.to_vector<double>()[c]).epsilon(1e-12));
    CHECK(norm.running_var.to_vector<double>()[c] < 1e-12);
  }
}

TEST_CASE("float32 statistics far from 0 are exact once the mean is near") {
  EstimatedBatchNorm norm(2, {.momentum = 0.5}), exact(2, {.momentum = 0.5});
  exact.to(DType::float64);
  const Tensor x32((random({4, 2, 5, 6}, 3) * 0.17 + 1e4).array().to(DType::float32));
  const Tensor x64(x32.array().to(DType::float64));
  Tensor y32, y64;
  for (int i = 0; i < 100; ++i) {
    y32 = norm(x32);
    y64 = exact(x64);
  }
  // The float32 running mean is off by up to half an ulp of 1e4, 5e-4, which is 5e-3 deviations.
  CHECK(reference::worst_error(y32.to_vector<float>(), y64.to_vector<double>()) < 6e-3);
}

TEST_CASE("in eval a sample's result does not depend on the batch, and with momentum 0 neither in training") {
  for (const bool training : {true, false}) {
    BatchChannelNorm norm(2, 4, {.momentum = 0});
    norm.to(DType::float64).train(training);
    const Tensor x = random({3, 4, 2, 5}, 8);
    const Tensor all = norm(x);
    for (std::int64_t n = 0; n < 3; ++n) {
      CHECK(norm(slice(x, 0, n, n + 1)).to_vector<double>() == slice(all, 0, n, n + 1).to_vector<double>());
    }
  }
}

TEST_CASE("a BatchNorm2d's file loads into EstimatedBatchNorm") {
  BatchNorm2d plain(3);
  EstimatedBatchNorm norm(3, {.momentum = 0.25});
  norm.load_state_dict(plain.state_dict());
  CHECK(norm.estbn_moving_speed.item() == 0.25);
}

TEST_CASE("BatchChannelNorm is in the registry and refuses what it cannot do") {
  const auto made = make_norm("bcn", 48, {.eps = 1e-3, .momentum = 0.2});
  auto& norm = dynamic_cast<BatchChannelNorm&>(*made);
  CHECK(norm.num_groups == 16);
  CHECK(norm.child<EstimatedBatchNorm>("bn")->estbn_moving_speed.item() == doctest::Approx(0.2));
  CHECK(norm(ones({2, 48, 2, 2})).shape() == Shape{2, 48, 2, 2});

  CHECK_THROWS_WITH(BatchChannelNorm(4, 6),
                    "BatchChannelNorm: num_channels must be divisible by num_groups, got 6 channels and 4 groups");
  CHECK_THROWS_WITH(BatchChannelNorm(0, 6), Contains("got 6 channels and 0 groups"));
  CHECK_THROWS_WITH(BatchChannelNorm(1, 0), Contains("num_channels must be positive, got 0"));
  CHECK_THROWS_WITH(BatchChannelNorm(1, 2, {.momentum = 1.5}),
                    Contains("BatchChannelNorm: momentum must lie in [0, 1], got 1.5"));
  CHECK_THROWS_WITH(BatchChannelNorm(1, 2, {.eps = -1}), "BatchChannelNorm: eps must be at least 0, got -1");
  Sequential model;
  model.append<BatchChannelNorm>(3, 6);
  CHECK_THROWS_WITH(
      model(ones({2, 5, 3, 3})),
      Contains("BatchChannelNorm (0): expected 6 channels at dim 1, got 5 (input of shape [2, 5, 3, 3])"));
  CHECK_THROWS_WITH(model(ones({6})), Contains("BatchChannelNorm (0): expected at least 2D input (got 1D"));
  BatchChannelNorm each(6, 6);
  CHECK_THROWS_WITH(each(ones({2, 6, 1, 1})), Contains("got input size [2, 6, 1, 1] for 6 groups; take fewer groups"));
  BatchChannelNorm flat(2, 6, {.estimate = false});
  CHECK_THROWS_WITH(flat(ones({2, 6, 3})), Contains("expected 4D input (got 3D"));
}
