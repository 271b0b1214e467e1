#include "evenkeel/nn/norm/ghost_batch_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/values.hpp"

#include <doctest/doctest.h>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using test::check_close;
using test::doubles;
using test::random;

TEST_CASE("forward, gradients and buffers are BatchNorm's called on one ghost batch after the other") {
  for (const std::int64_t batch : {1, 2, 5, 6, 7}) {
    for (const std::optional<double> momentum : {std::optional(0.3), std::optional<double>()}) {
      CAPTURE(batch);
      GhostBatchNorm ghost(3, {.momentum = momentum, .virtual_batch_size = 2});
      BatchNorm2d plain(3, {.momentum = momentum});
      for (BatchNormBase* norm : {static_cast<BatchNormBase*>(&ghost), static_cast<BatchNormBase*>(&plain)}) {
        norm->to(DType::float64);
        norm->weight.mutable_array().copy_((random({3}, 50) + 1.5).array());
        norm->bias.mutable_array().copy_(random({3}, 51).array());
      }
      const Array values = random({batch, 3, 2, 5}, 1).array();
      Tensor x(values, true), z(values, true);
      const Tensor dy = random(x.shape(), 2);
      const Tensor y = ghost(x);
      std::vector<Tensor> parts;
      for (std::int64_t first = 0; first < batch; first += 2) {
        parts.push_back(plain(slice(z, 0, first, std::min(first + 2, batch))));
      }
      const Tensor expected = cat(parts);
      check_close(y, expected, 1e-12);
      y.backward(dy);
      expected.backward(dy);
      check_close(x.grad(), z.grad(), 1e-12);
      check_close(ghost.weight.grad(), plain.weight.grad(), 1e-12);
      check_close(ghost.bias.grad(), plain.bias.grad(), 1e-12);
      check_close(ghost.running_mean, plain.running_mean, 1e-12);
      check_close(ghost.running_var, plain.running_var, 1e-12);
      CHECK(ghost.num_batches_tracked.array().item_int64() == (batch + 1) / 2);
      ghost.eval();
      plain.eval();
      CHECK(doubles(ghost(x)) == doubles(plain(z)));
    }
  }
}

TEST_CASE("one ghost batch is BatchNorm bit for bit") {
  GhostBatchNorm ghost(4, {.virtual_batch_size = 8});
  BatchNorm2d plain(4);
  const Tensor x = random({8, 4, 3, 5}, 1, DType::float32);
  CHECK(doubles(ghost(x)) == doubles(plain(x)));
  CHECK(doubles(ghost.running_var) == doubles(plain.running_var));
}

TEST_CASE("an empty batch leaves the buffers alone") {
  GhostBatchNorm ghost(3, {.virtual_batch_size = 2});
  CHECK(ghost(zeros({0, 3, 2, 2})).shape() == Shape{0, 3, 2, 2});
  CHECK(ghost(zeros({4, 3, 0, 2})).shape() == Shape{4, 3, 0, 2});
  CHECK(doubles(ghost.running_var) == std::vector<double>{1, 1, 1});
  CHECK(ghost.num_batches_tracked.array().item_int64() == 0);
}

TEST_CASE("without running statistics eval uses the ghost batches' own") {
  GhostBatchNorm ghost(2, {.track_running_stats = false, .virtual_batch_size = 3});
  const Tensor x = random({7, 2, 4}, 1, DType::float32);
  const std::vector<double> y = doubles(ghost(x));
  ghost.eval();
  CHECK(doubles(ghost(x)) == y);
}

TEST_CASE("bad input") {
  GhostBatchNorm ghost(3, {.virtual_batch_size = 2});
  CHECK_THROWS_WITH(ghost(zeros({5, 3})),
                    "GhostBatchNorm: Expected more than 1 value per channel when training: of input size [5, 3] the "
                    "last ghost batch (virtual_batch_size 2) is a single sample; take another virtual_batch_size, such "
                    "as 5, or let the DataLoader drop a last batch that does not fit (LastBatch::drop)");
  CHECK(ghost.num_batches_tracked.array().item_int64() == 0);
  CHECK_THROWS_WITH(ghost(zeros({1, 3})), Contains("Expected more than 1 value per channel when training"));
  CHECK_THROWS_WITH(ghost(zeros({4, 2})), Contains("running_mean should contain 2 elements not 3"));
  CHECK_THROWS_WITH(ghost(zeros({3})), Contains("GhostBatchNorm: expected at least 2D input (got 1D input"));
  CHECK_THROWS_WITH(GhostBatchNorm(3, {.virtual_batch_size = 0}),
                    "GhostBatchNorm: virtual_batch_size must be positive, got 0");
  GhostBatchNorm single(3, {.virtual_batch_size = 1});
  CHECK_THROWS_WITH(single(zeros({4, 3})), Contains("Expected more than 1 value per channel when training"));
  CHECK_NOTHROW(single(zeros({4, 3, 2})));
}
