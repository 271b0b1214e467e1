#include "evenkeel/nn/norm/batch_norm.hpp"

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/graph.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "tests/support/values.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Approx;
using doctest::Contains;
using test::check_close;
using test::doubles;
using test::random;

namespace {

/// Mean and biased variance of channel c of (N, C, *) values.
std::pair<double, double> moments(const Tensor& x, std::int64_t c) {
  const std::vector<double> values = doubles(x);
  const std::int64_t inner = x.numel() / (x.size(0) * x.size(1));
  const auto in_channel = [&](std::size_t i) { return static_cast<std::int64_t>(i) / inner % x.size(1) == c; };
  const double n = static_cast<double>(x.numel() / x.size(1));
  double mean = 0;
  double var = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    mean += in_channel(i) ? values[i] / n : 0;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    var += in_channel(i) ? (values[i] - mean) * (values[i] - mean) / n : 0;
  }
  return {mean, var};
}

/// Three batches of different size: means (2, 4), (3, 1), (4, 3.5); unbiased variances (2, 8), (13, 16), (14/3, 35/3).
std::vector<Tensor> three_batches() {
  return {tensor<float>({1, 2, 3, 6}, {2, 2}), tensor<float>({0, 1, 2, 5, 7, -3}, {3, 2}),
          tensor<float>({4, 4, 5, 8, 6, 0, 1, 2}, {4, 2})};
}

void check_running(std::optional<double> momentum, const std::vector<double>& mean, const std::vector<double>& var) {
  CAPTURE(momentum.value_or(-1));
  BatchNorm1d norm(2, {.momentum = momentum});
  for (const Tensor& x : three_batches()) {
    norm(x);
  }
  check_close(doubles(norm.running_mean), mean, 1e-5);
  check_close(doubles(norm.running_var), var, 1e-5);
  CHECK(norm.num_batches_tracked.array().item_int64() == 3);
}

}  // namespace

TEST_CASE("running statistics after batches of different size, for every kind of momentum") {
  check_running(0.1, {0.832, 0.764}, {2.527667, 3.983667});
  check_running(std::nullopt, {3, 17.0 / 6}, {59.0 / 9, 107.0 / 9});  // each batch weighs 1/3, whatever its size
  check_running(0.0, {0, 0}, {1, 1});
  check_running(1.0, {4, 3.5}, {14.0 / 3, 35.0 / 3});
}

TEST_CASE("two values per channel: biased to normalize, twice that into running_var") {
  BatchNorm1d norm(1, {.eps = 0, .momentum = 1.0});
  const Tensor y = norm(tensor<float>({1, 5}, {2, 1}));
  check_close(doubles(y), {-1, 1}, 1e-5);
  check_close(doubles(norm.running_mean), {3}, 1e-5);
  check_close(doubles(norm.running_var), {8}, 1e-5);
}

TEST_CASE("eval uses the buffers, leaves them alone, and treats each sample alone") {
  for (const Shape& shape : {Shape{8, 5, 3, 7}, Shape{8, 5, 9, 9}}) {
    CAPTURE(shape);
    BatchNorm2d norm(5);
    norm(random(shape, 1, DType::float32));
    norm.weight.mutable_array().copy_(random({5}, 2, DType::float32).array());
    norm.bias.mutable_array().copy_(random({5}, 3, DType::float32).array());
    norm.eval();
    const std::vector<double> mean = doubles(norm.running_mean), var = doubles(norm.running_var);
    const std::vector<double> weight = doubles(norm.weight), bias = doubles(norm.bias);
    const Tensor x = random(shape, 4, DType::float32);
    const Tensor y = norm(x);
    const std::vector<double> xs = doubles(x), ys = doubles(y);
    const std::int64_t inner = shape[2] * shape[3];
    for (std::size_t i = 0; i < xs.size(); ++i) {
      const auto c = static_cast<std::size_t>(static_cast<std::int64_t>(i) / inner % 5);
      REQUIRE(ys[i] == Approx((xs[i] - mean[c]) / std::sqrt(var[c] + 1e-5) * weight[c] + bias[c]).epsilon(1e-4));
    }
    for (std::int64_t n = 0; n < 8; ++n) {
      CHECK(doubles(norm(slice(x, 0, n, n + 1))) == doubles(slice(y, 0, n, n + 1)));
    }
    CHECK(doubles(norm.running_mean) == mean);
    CHECK(doubles(norm.running_var) == var);
    CHECK(norm.num_batches_tracked.array().item_int64() == 1);
  }
}

TEST_CASE("backward in eval takes the statistics as constants") {
  BatchNorm1d norm(3, {.eps = 0.1});
  norm.to(DType::float64);
  norm(random({5, 3}, 1));
  norm.eval();
  norm.weight.mutable_array().copy_(random({3}, 2).array());
  Tensor x = random({4, 3}, 3).requires_grad_();
  const Tensor dy = random({4, 3}, 4);
  const Tensor y = norm(x);
  norm.train();
  norm(random({5, 3}, 5));  // moves the buffers between forward and backward
  norm.eval();
  BatchNorm1d before(3, {.eps = 0.1});
  before.to(DType::float64);
  before(random({5, 3}, 1));
  y.backward(dy);
  const std::vector<double> mean = doubles(before.running_mean), var = doubles(before.running_var);
  const std::vector<double> dys = doubles(dy), xs = doubles(x), weight = doubles(norm.weight);
  std::vector<double> dx(12), dweight(3), dbias(3);
  for (std::size_t i = 0; i < 12; ++i) {
    const double s = 1 / std::sqrt(var[i % 3] + 0.1);
    dx[i] = dys[i] * weight[i % 3] * s;
    dweight[i % 3] += dys[i] * (xs[i] - mean[i % 3]) * s;
    dbias[i % 3] += dys[i];
  }
  check_close(doubles(x.grad()), dx, 1e-12);
  check_close(doubles(norm.weight.grad()), dweight, 1e-12);
  check_close(doubles(norm.bias.grad()), dbias, 1e-12);
}

TEST_CASE("without running statistics eval takes the batch's") {
  BatchNorm1d norm(3, {.track_running_stats = false});
  const Tensor x = random({5, 3}, 1, DType::float32);
  const std::vector<double> trained = doubles(norm(x));
  norm.eval();
  CHECK(doubles(norm(x)) == trained);
  CHECK_FALSE(norm.running_mean.defined());
  CHECK_FALSE(norm.num_batches_tracked.defined());
  CHECK_THROWS_WITH(norm(random({1, 3}, 1, DType::float32)), Contains("Expected more than 1 value per channel"));
}

TEST_CASE("a training forward under NoGradGuard moves the buffers") {
  BatchNorm1d norm(2);
  const NoGradGuard guard;
  norm(three_batches()[0]);
  check_close(doubles(norm.running_mean), {0.2, 0.4}, 1e-5);
  CHECK(norm.num_batches_tracked.array().item_int64() == 1);
}

TEST_CASE("one value per channel in training") {
  BatchNorm1d one(4);
  CHECK_THROWS_WITH(one(zeros({1, 4})),
                    "BatchNorm1d: Expected more than 1 value per channel when training, got input size [1, 4]; call "
                    "eval(), take a larger batch, let the DataLoader drop the last one or merge it with the one before "
                    "(LastBatch::drop, LastBatch::merge), or use GroupNorm(2, 4)");
  CHECK(one.num_batches_tracked.array().item_int64() == 0);
  check_close(doubles(one.running_mean), {0, 0, 0, 0}, 1e-5);
  one.eval();
  CHECK(one(zeros({1, 4})).shape() == Shape{1, 4});
  BatchNorm2d two(4);
  CHECK_THROWS_WITH(two(zeros({1, 4, 1, 1})), Contains("got input size [1, 4, 1, 1]"));
  CHECK_NOTHROW(two(zeros({1, 4, 1, 2})));
}

TEST_CASE("an empty batch leaves the buffers as they are and gives zero gradients") {
  for (const Shape& shape : {Shape{0, 3, 4, 5}, Shape{2, 3, 0, 5}}) {
    BatchNorm2d norm(3);
    Tensor x = zeros(shape, {.requires_grad = true});
    const Tensor y = norm(x);
    CHECK(y.shape() == shape);
    y.backward(zeros(shape));
    CHECK(x.grad().shape() == shape);
    CHECK(doubles(norm.weight.grad()) == std::vector<double>(3, 0));
    CHECK(doubles(norm.bias.grad()) == std::vector<double>(3, 0));
    CHECK(doubles(norm.running_mean) == std::vector<double>(3, 0));
    CHECK(doubles(norm.running_var) == std::vector<double>(3, 1));
    CHECK(norm.num_batches_tracked.array().item_int64() == 0);
    norm.eval();
    CHECK(norm(x).shape() == shape);
  }
}

TEST_CASE("ranks and channel counts are checked") {
  BatchNorm1d one(3);
  BatchNorm2d two(3);
  BatchNorm3d three(3);
  CHECK_THROWS_WITH(two(zeros({2, 3, 4})), "BatchNorm2d: expected 4D input (got 3D input of shape [2, 3, 4])");
  CHECK_THROWS_WITH(one(zeros({2, 3, 4, 5})), Contains("expected 2D or 3D input (got 4D input"));
  CHECK_THROWS_WITH(one(zeros({3})), Contains("expected 2D or 3D input (got 1D input"));
  CHECK_THROWS_WITH(three(zeros({2, 3, 4, 5})), Contains("expected 5D input (got 4D input"));
  CHECK_THROWS_WITH(one(zeros({4, 2})),
                    "BatchNorm1d: running_mean should contain 2 elements not 3 (input of shape [4, 2])");
  BatchNorm1d no_buffers(3, {.track_running_stats = false});
  CHECK_THROWS_WITH(no_buffers(zeros({4, 2})), Contains("weight should contain 2 elements not 3"));
  CHECK_THROWS_WITH(two(Tensor()), Contains("BatchNorm2d: the input is an undefined tensor"));
  CHECK_THROWS_WITH(one(zeros({4, 3}, {.dtype = DType::float64})),
                    Contains("weight must be float64, as the input, got float32"));
  CHECK_THROWS_WITH(one(zeros({4, 3}, {.dtype = DType::int64})),
                    Contains("dtype must be float32 or float64, got int64"));
}

TEST_CASE("an error names the layer's place in the model") {
  Sequential features;
  features.append<BatchNorm1d>(4);
  features.append<BatchNorm2d>(3);
  CHECK_THROWS_WITH(features(zeros({5, 4})), Contains("BatchNorm2d (1): expected 4D input"));
}

TEST_CASE("options are checked") {
  CHECK_THROWS_WITH(BatchNorm2d(3, {.eps = -1e-5}), "BatchNorm2d: eps must be at least 0, got -1e-05");
  CHECK_THROWS_WITH(BatchNorm1d(3, {.eps = std::nan("")}), Contains("eps must be at least 0"));
  CHECK_THROWS_WITH(BatchNorm2d(3, {.momentum = 1.5}),
                    Contains("momentum must lie in [0, 1], got 1.5; it weighs the new value"));
  CHECK_THROWS_WITH(BatchNorm2d(3, {.momentum = -0.1}), Contains("pass 1 - m (0.01 for their 0.99)"));
  CHECK_THROWS_WITH(BatchNorm2d(0), "BatchNorm2d: num_features must be positive, got 0");
}

TEST_CASE("two forwards before one backward: each uses its own statistics") {
  BatchNorm1d norm(3), alone(3);
  norm.to(DType::float64);
  alone.to(DType::float64);
  Tensor a = random({5, 3}, 1).requires_grad_(), b = random({4, 3}, 2).requires_grad_();
  Tensor c = Tensor(a.array(), true);
  const Tensor dy = random({5, 3}, 3);
  const Tensor first = norm(a);
  norm(b);
  first.backward(dy);
  alone(c).backward(dy);
  CHECK(doubles(a.grad()) == doubles(c.grad()));
}

TEST_CASE("one layer used twice in a graph adds its gradients and moves its buffers twice") {
  BatchNorm1d shared(3);
  shared.to(DType::float64);
  Tensor x = random({5, 3}, 1).requires_grad_();
  const Tensor dy = random({5, 3}, 2);
  shared(tanh(shared(x))).backward(dy);
  BatchNorm1d first(3), second(3);
  first.to(DType::float64);
  second.to(DType::float64);
  Tensor z = Tensor(x.array(), true);
  second(tanh(first(z))).backward(dy);
  check_close(doubles(x.grad()), doubles(z.grad()), 1e-12);
  check_close(doubles(shared.weight.grad()), doubles(first.weight.grad() + second.weight.grad()), 1e-12);
  CHECK(shared.num_batches_tracked.array().item_int64() == 2);
}

TEST_CASE("dx sums to 0 over a channel, also against x_hat where eps is 0; a zero weight gives dx 0") {
  BatchNorm2d norm(3, {.eps = 0});
  norm.to(DType::float64);
  norm.weight.mutable_array().mutable_data<double>()[1] = 0;
  Tensor x = random({4, 3, 5, 2}, 1).requires_grad_();
  const Tensor dy = random(x.shape(), 2);
  norm(x).backward(dy);
  const std::vector<double> dx = doubles(x.grad()), xs = doubles(x), dys = doubles(dy);
  for (std::int64_t c = 0; c < 3; ++c) {
    const auto [mean, var] = moments(x, c);
    double sum = 0, sum_x_hat = 0, dweight = 0, largest = 0;
    for (std::size_t i = 0; i < dx.size(); ++i) {
      if (static_cast<std::int64_t>(i) / 10 % 3 == c) {
        const double x_hat = (xs[i] - mean) / std::sqrt(var);
        sum += dx[i];
        sum_x_hat += dx[i] * x_hat;
        dweight += dys[i] * x_hat;
        largest = std::max(largest, std::abs(dx[i]));
      }
    }
    CHECK(std::abs(sum) < 1e-12);
    CHECK(std::abs(sum_x_hat) < 1e-12);
    CHECK((largest == 0) == (c == 1));
    CHECK(doubles(norm.weight.grad())[static_cast<std::size_t>(c)] == Approx(dweight));
  }
}

TEST_CASE("the output has mean 0 and variance v / (v + eps), and ignores the input's scale") {
  for (const std::int64_t batch : {1, 8}) {
    CAPTURE(batch);
    BatchNorm2d norm(3, {.eps = 0.05});
    norm.to(DType::float64);
    const Tensor x = random({batch, 3, 6, 7}, 1);
    const Tensor y = norm(x);
    for (std::int64_t c = 0; c < 3; ++c) {
      const double v = moments(x, c).second;
      CHECK(moments(y, c).first == Approx(0).epsilon(1e-12));
      CHECK(moments(y, c).second == Approx(v / (v + 0.05)).epsilon(1e-12));
    }
    check_close(doubles(BatchNorm2d(3, {.eps = 0.05 * 16, .affine = false, .track_running_stats = false})(x * -4.0)),
                doubles(-y), 1e-12);
  }
}

TEST_CASE("accumulating over micro-batches normalizes each and moves the buffers each time") {
  BatchNorm1d norm(3);
  const Tensor x = random({8, 3}, 1, DType::float32);
  for (std::int64_t i = 0; i < 4; ++i) {
    const Tensor y = norm(slice(x, 0, 2 * i, 2 * i + 2));
    CHECK(std::abs(moments(y, 1).first) < 1e-6);
    sum(y * y).backward();
  }
  CHECK(norm.num_batches_tracked.array().item_int64() == 4);
}

TEST_CASE("state: keys in PyTorch's order, the counter an int64, optional in old files") {
  BatchNorm2d norm(2);
  norm(random({3, 2, 4, 5}, 1, DType::float32));
  StateDict state = norm.state_dict();
  REQUIRE(state.size() == 5);
  CHECK(state[4].first == "num_batches_tracked");
  CHECK(state[4].second.dtype() == DType::int64);
  CHECK(state[4].second.shape() == Shape{});
  BatchNorm2d other(2);
  other.load_state_dict(state);
  CHECK(doubles(other.running_var) == doubles(norm.running_var));
  CHECK(other.num_batches_tracked.array().item_int64() == 1);
  BatchNorm2d old(2);
  state.pop_back();
  CHECK_NOTHROW(old.load_state_dict(state));
  CHECK(doubles(old.running_mean) == doubles(norm.running_mean));
  CHECK(old.num_batches_tracked.array().item_int64() == 0);
  state.pop_back();
  CHECK_THROWS_WITH(old.load_state_dict(state), Contains("running_var"));
  norm.to(DType::float64);
  CHECK(norm.running_mean.dtype() == DType::float64);
  CHECK(norm.num_batches_tracked.dtype() == DType::int64);
  norm.reset_running_stats();
  CHECK(doubles(norm.running_mean) == std::vector<double>{0, 0});
  CHECK(doubles(norm.running_var) == std::vector<double>{1, 1});
  CHECK(norm.num_batches_tracked.array().item_int64() == 0);
}

TEST_CASE("a loaded negative or NaN variance gives NaN in its channel, no crash") {
  BatchNorm1d norm(3);
  float* var = norm.running_var.mutable_array().mutable_data<float>();
  var[0] = -1;
  var[1] = std::nanf("");
  norm.eval();
  const std::vector<double> y = doubles(norm(random({2, 3}, 1, DType::float32)));
  CHECK(std::isnan(y[0]));
  CHECK(std::isnan(y[4]));
  CHECK(std::isfinite(y[2]));
}

TEST_CASE("statistics stand for themselves: no graph hangs on them") {
  BatchNorm2d norm(4);
  Tensor x = random({2, 4, 3, 5}, 1, DType::float32).requires_grad_();
  norm(x);
  const std::int64_t nodes = live_nodes();
  const std::size_t bytes = memory_stats().in_use;
  for (int step = 0; step < 1000; ++step) {
    norm(x);
  }
  CHECK(live_nodes() == nodes);
  CHECK(memory_stats().in_use == bytes);
  CHECK_FALSE(norm.running_mean.requires_grad());
}

TEST_CASE("channels-last and transposed inputs equal their contiguous copies") {
  BatchNorm2d norm(3), other(3);
  const Array base = random({4, 5, 6, 3}, 1, DType::float32).array();
  Tensor view(base.permute({0, 3, 1, 2}), true);
  Tensor copy(base.permute({0, 3, 1, 2}).contiguous(), true);
  const Tensor dy(random({4, 6, 3, 5}, 2, DType::float32).array().permute({0, 2, 3, 1}));
  const Tensor y = norm(view);
  const Tensor z = other(copy);
  CHECK(doubles(y) == doubles(z));
  y.backward(dy);
  z.backward(dy);
  CHECK(doubles(view.grad()) == doubles(copy.grad()));
  CHECK(doubles(norm.running_var) == doubles(other.running_var));
}

TEST_CASE("a large mean and a small deviation in float32") {
  BatchNorm2d norm(2), wide(2);
  wide.to(DType::float64);
  Tensor x = Tensor((random({4, 2, 5, 7}, 1) * 0.1 + 1e4).array().to(DType::float32), true);
  Tensor x64 = Tensor(x.array().to(DType::float64), true);
  const Tensor dy = random(x.shape(), 2);
  const Tensor y = norm(x);
  const Tensor y64 = wide(x64);
  check_close(doubles(y), doubles(y64), 1e-3);
  y.backward(Tensor(dy.array().to(DType::float32)));
  y64.backward(dy);
  const std::vector<double> a = doubles(x.grad()), b = doubles(x64.grad());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(std::abs(a[i] - b[i]) < 1e-3);
  }
}
