#include "evenkeel/nn/norm/sync_batch_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "tests/support/values.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <numeric>
#include <thread>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using Ranks = std::shared_ptr<Communicator>;
using test::check_close;
using test::doubles;
using test::random;

namespace {

void randomize(BatchNormBase& norm, DType dtype) {
  norm.to(dtype);
  if (norm.weight.defined()) {
    norm.weight.mutable_array().copy_((random({norm.num_features}, 50) + 1.5).array());
    norm.bias.mutable_array().copy_(random({norm.num_features}, 51).array());
  }
}

/// What one rank has after its steps.
struct Result {
  std::vector<double> y, dx, dweight, dbias, mean, var;
  std::int64_t batches = 0;
};

struct Case {
  std::vector<std::int64_t> shards;  ///< samples of each rank
  BatchNormOptions options = {};
  Shape sample = {3, 2, 5};  ///< (C, *)
};

constexpr int kSteps = 3;

Tensor batch(const Case& c, int step, unsigned seed, DType dtype) {
  const std::int64_t n = std::accumulate(c.shards.begin(), c.shards.end(), std::int64_t{0});
  Shape shape{n};
  for (const std::int64_t size : c.sample) {
    shape.push_back(size);
  }
  return random(shape, seed + static_cast<unsigned>(step), dtype) * 2.0 + 0.7 * step;
}

Result run(BatchNormBase& norm, const Case& c, std::int64_t first, std::int64_t last, DType dtype) {
  randomize(norm, dtype);
  Result result;
  Tensor x;
  for (int step = 0; step < kSteps; ++step) {
    norm.zero_grad();
    x = Tensor(slice(batch(c, step, 1, dtype), 0, first, last).array().clone(), true);
    const Tensor y = norm(x);
    y.backward(slice(batch(c, step, 20, dtype), 0, first, last));
    result.y = doubles(y);
  }
  result.dx = doubles(x.grad());
  if (norm.weight.defined()) {
    result.dweight = doubles(norm.weight.grad());
    result.dbias = doubles(norm.bias.grad());
  }
  if (norm.running_mean.defined()) {
    result.mean = doubles(norm.running_mean);
    result.var = doubles(norm.running_var);
    result.batches = norm.num_batches_tracked.array().item_int64();
  }
  return result;
}

void append(std::vector<double>& all, const std::vector<double>& part) {
  all.insert(all.end(), part.begin(), part.end());
}

void add(std::vector<double>& sum, const std::vector<double>& part) {
  sum.resize(part.size());
  for (std::size_t i = 0; i < part.size(); ++i) {
    sum[i] += part[i];
  }
}

void check_against_whole(const Case& c, DType dtype, double tolerance) {
  const std::size_t size = c.shards.size();
  CAPTURE(size);
  CAPTURE(dtype);
  std::vector<Result> results(size);
  ThreadGroup group(static_cast<int>(size));
  group.run([&](const Ranks& self) {
    const auto rank = static_cast<std::size_t>(self->rank());
    const auto begin = c.shards.begin();
    const std::int64_t first = std::accumulate(begin, begin + self->rank(), std::int64_t{0});
    SyncBatchNorm norm(c.sample[0], c.options, self);
    results[rank] = run(norm, c, first, first + c.shards[rank], dtype);
  });
  Result all;
  for (const Result& part : results) {
    append(all.y, part.y);
    append(all.dx, part.dx);
    add(all.dweight, part.dweight);
    add(all.dbias, part.dbias);
    CHECK(part.mean == results[0].mean);  // the same bits on every rank, also an empty one
    CHECK(part.var == results[0].var);
  }
  BatchNorm2d whole(c.sample[0], c.options);
  const Result expected = run(whole, c, 0, static_cast<std::int64_t>(1) << 20, dtype);
  check_close(all.y, expected.y, tolerance);
  check_close(all.dx, expected.dx, tolerance);
  check_close(all.dweight, expected.dweight, tolerance);
  check_close(all.dbias, expected.dbias, tolerance);
  check_close(results[0].mean, expected.mean, tolerance);
  check_close(results[0].var, expected.var, tolerance);  // unbiased by the common count
  CHECK(results[0].batches == expected.batches);
}

}  // namespace

TEST_CASE("shards on 1 to 4 ranks, uneven and empty, equal BatchNorm over the whole") {
  for (const std::vector<std::int64_t>& shards : std::vector<std::vector<std::int64_t>>{
           {4}, {2, 2}, {1, 3}, {5, 0}, {0, 2}, {2, 1, 3}, {0, 0, 3}, {1, 1, 1, 1}, {3, 0, 1, 2}}) {
    check_against_whole({.shards = shards}, DType::float64, 1e-12);
    check_against_whole({.shards = shards}, DType::float32, 1e-5);
  }
}

TEST_CASE("options: no affine, no running statistics, other momenta and eps, one pixel") {
  const std::vector<std::int64_t> shards = {1, 0, 3};
  check_against_whole({.shards = shards, .options = {.affine = false}}, DType::float64, 1e-12);
  check_against_whole({.shards = shards, .options = {.track_running_stats = false}}, DType::float64, 1e-12);
  check_against_whole({.shards = shards, .options = {.eps = 0.1, .momentum = std::nullopt}}, DType::float64, 1e-12);
  check_against_whole({.shards = {1, 1}, .options = {.momentum = 1.0}, .sample = {4, 1, 1}}, DType::float64, 1e-12);
}

TEST_CASE("ranks with different spatial sizes pool their elements") {
  const std::vector<Tensor> parts = {random({2, 3, 4}, 1), random({1, 3, 7}, 2) + 3.0};
  std::vector<double> var;
  ThreadGroup(2).run([&](const Ranks& self) {
    SyncBatchNorm norm(3, {.momentum = 1.0}, self);
    norm.to(DType::float64);
    norm(parts[static_cast<std::size_t>(self->rank())]);
    if (self->rank() == 0) {
      var = doubles(norm.running_var);
    }
  });
  for (std::size_t c = 0; c < 3; ++c) {
    std::vector<double> values;
    for (const Tensor& part : parts) {
      append(values, doubles(contiguous(transpose(part, 0, 1))));
    }
    // Channel c: 8 values of the first part, 7 of the second.
    std::vector<double> channel(values.begin() + static_cast<std::ptrdiff_t>(8 * c),
                                values.begin() + static_cast<std::ptrdiff_t>(8 * c + 8));
    channel.insert(channel.end(), values.begin() + static_cast<std::ptrdiff_t>(24 + 7 * c),
                   values.begin() + static_cast<std::ptrdiff_t>(24 + 7 * c + 7));
    const double mean = std::accumulate(channel.begin(), channel.end(), 0.0) / 15;
    double squares = 0;
    for (const double v : channel) {
      squares += (v - mean) * (v - mean);
    }
    CHECK(var[c] == doctest::Approx(squares / 14).epsilon(1e-12));
  }
}

TEST_CASE("all ranks empty: buffers unchanged, zero gradients, no hang") {
  ThreadGroup(3).run([&](const Ranks& self) {
    SyncBatchNorm norm(2, {}, self);
    Tensor x = zeros({0, 2, 3, 3}, {.requires_grad = true});
    const Tensor y = norm(x * 1.0);
    y.backward(zeros(y.shape()));
    const bool fine = doubles(norm.running_var) == std::vector<double>{1, 1} &&
                      norm.num_batches_tracked.array().item_int64() == 0 &&
                      doubles(norm.weight.grad()) == std::vector<double>{0, 0} && x.grad().shape() == x.shape();
    require(fine, "test", "an empty batch left a trace");
  });
}

TEST_CASE("one value per channel is refused on every rank only if the ranks have no more together") {
  for (const std::int64_t others : {0, 1}) {
    std::vector<std::string> errors(2);
    ThreadGroup(2).run([&](const Ranks& self) {
      SyncBatchNorm norm(2, {}, self);
      const std::int64_t n = self->rank() == 0 ? 1 : others;
      try {
        norm(zeros({n, 2}));
      } catch (const std::invalid_argument& error) {
        errors[static_cast<std::size_t>(self->rank())] = error.what();
      }
    });
    for (const std::string& error : errors) {
      CHECK((error.find("SyncBatchNorm: Expected more than 1 value per channel when training") == 0) == (others == 0));
    }
  }
}

TEST_CASE("alone, or in eval, it is BatchNorm bit for bit") {
  BatchNorm2d plain(3);
  SyncBatchNorm alone(3);
  Tensor x = random({4, 3, 2, 5}, 1, DType::float32).requires_grad_(), z(x.array(), true);
  const Tensor dy = random(x.shape(), 2, DType::float32);
  const Tensor y = plain(x), y_alone = alone(z);
  CHECK(doubles(y) == doubles(y_alone));
  y.backward(dy);
  y_alone.backward(dy);
  CHECK(doubles(x.grad()) == doubles(z.grad()));
  CHECK(doubles(plain.running_var) == doubles(alone.running_var));
  plain.eval();
  ThreadGroup group(2);  // eval asks no other rank
  SyncBatchNorm eval(3, {}, group.communicator(1));
  eval.load_state_dict(alone.state_dict());
  eval.eval();
  CHECK(doubles(plain(x)) == doubles(eval(x)));
}

TEST_CASE("the order in which the ranks arrive changes no bit") {
  std::vector<double> first;
  for (int late = 0; late < 3; ++late) {
    std::vector<double> y;
    ThreadGroup(3).run([&](const Ranks& self) {
      SyncBatchNorm norm(2, {}, self);
      if (self->rank() == late) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
      const std::vector<double> own =
          doubles(norm(random({3, 2, 5}, static_cast<unsigned>(self->rank()), DType::float32) * 1e3));
      if (self->rank() == 0) {
        y = own;
      }
    });
    CHECK((late == 0 || y == first));
    first = y;
  }
}

TEST_CASE("a rank that throws or stays away: the others fail, and its own error comes out") {
  CHECK_THROWS_WITH(ThreadGroup(3).run([&](const Ranks& self) {
    SyncBatchNorm norm(2, {}, self);
    norm(zeros({2, self->rank() == 1 ? 5 : 2, 3}));
  }),
                    Contains("running_mean should contain 5 elements not 2"));
  CHECK_THROWS_AS(ThreadGroup(2).run([&](const Ranks& self) {
    if (self->rank() == 0) {
      SyncBatchNorm norm(2, {}, self);
      norm(zeros({2, 2, 3}));
    }
  }),
                  CommunicationError);
}

TEST_CASE("several layers in a row: the ranks train in step as one does") {
  const auto make = [](const Ranks& ranks) {
    auto net = std::make_unique<Sequential>();
    net->append<SyncBatchNorm>(3, BatchNormOptions{}, ranks);
    net->append<SyncBatchNorm>(3, BatchNormOptions{.eps = 0.1}, ranks);
    net->to(DType::float64);
    return net;
  };
  const Array values = random({5, 3, 4}, 1).array();
  const Tensor dy = random({5, 3, 4}, 2);
  std::vector<std::vector<double>> dx(2);
  ThreadGroup(2).run([&](const Ranks& self) {
    const std::int64_t first = self->rank() == 0 ? 0 : 2, last = self->rank() == 0 ? 2 : 5;
    Tensor x(values.slice(0, first, last).clone(), true);
    (*make(self))(tanh(x)).backward(slice(dy, 0, first, last));
    dx[static_cast<std::size_t>(self->rank())] = doubles(x.grad());
  });
  append(dx[0], dx[1]);
  Tensor whole(values, true);
  (*make(local_communicator()))(tanh(whole)).backward(dy);
  check_close(dx[0], doubles(whole.grad()), 1e-12);
}

TEST_CASE("bad input") {
  CHECK_THROWS_WITH(SyncBatchNorm(3, {}, nullptr), "SyncBatchNorm: the communicator is null");
  CHECK_THROWS_WITH(SyncBatchNorm(3, {.momentum = 1.5}), Contains("SyncBatchNorm: momentum must lie in [0, 1]"));
  SyncBatchNorm norm(3);
  CHECK_THROWS_WITH(norm(zeros({3})),
                    Contains("SyncBatchNorm: expected at least 2D input (got 1D input of shape [3])"));
  CHECK_THROWS_WITH(norm(zeros({1, 3})), Contains("Expected more than 1 value per channel when training"));
}
