#include "evenkeel/nn/norm/batch_renorm.hpp"

#include "evenkeel/autograd/gradcheck.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "tests/support/values.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Approx;
using doctest::Contains;
using test::check_close;
using test::doubles;
using test::random;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

/// Values that are no defaults, so that each of them shows.
void randomize(BatchNormBase& norm) {
  const std::int64_t c = norm.num_features;
  norm.to(DType::float64);
  norm.weight.mutable_array().copy_((random({c}, 70) + 1.5).array());
  norm.bias.mutable_array().copy_(random({c}, 71).array());
  norm.running_mean.mutable_array().copy_(random({c}, 72).array());
  norm.running_var.mutable_array().copy_((random({c}, 73) * 0.5 + 1).array());
}

/// r, d of (N, C, L), by the rule's formulas in plain loops.
struct Correction {
  std::vector<double> r, d;
};
Correction correction(const Tensor& x, const std::vector<double>& mean, const std::vector<double>& var, double eps,
                      double rmax, double dmax) {
  const std::vector<double> xs = doubles(x);
  const auto n = x.size(0), channels = x.size(1), inner = x.numel() / (n * channels);
  Correction result;
  for (std::int64_t c = 0; c < channels; ++c) {
    double sum = 0, squares = 0;
    const auto visit = [&](const auto& f) {
      for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < inner; ++j) {
          f(xs[static_cast<std::size_t>((i * channels + c) * inner + j)]);
        }
      }
    };
    const double count = static_cast<double>(n * inner);
    visit([&](double v) { sum += v / count; });
    visit([&](double v) { squares += (v - sum) * (v - sum) / count; });
    const auto k = static_cast<std::size_t>(c);
    const double sd = std::sqrt(var[k] + eps);
    result.r.push_back(std::min(rmax, std::max(1 / rmax, std::sqrt(squares + eps) / sd)));
    result.d.push_back(std::min(dmax, std::max(-dmax, (sum - mean[k]) / sd)));
  }
  return result;
}

/// The layer's training output in differentiable ops, with r and d given. x: (N, C, L)
Tensor composite(const Tensor& x, const Correction& given, const Tensor& weight, const Tensor& bias, double eps) {
  const Shape shape{1, x.size(1), 1};
  const Tensor m = mean(x, {0, 2}, true);
  const Tensor v = mean(square(x - m), {0, 2}, true);
  const Tensor x_hat = (x - m) / sqrt(v + eps);
  const Tensor renormed =
      x_hat * reshape(tensor(given.r, {x.size(1)}), shape) + reshape(tensor(given.d, {x.size(1)}), shape);
  return renormed * reshape(weight, shape) + reshape(bias, shape);
}

}  // namespace

TEST_CASE("rmax 1 and dmax 0 are BatchNorm bit for bit: output, gradients, and with `unbiased` the buffers") {
  for (const DType dtype : {DType::float32, DType::float64}) {
    for (const bool affine : {true, false}) {
      CAPTURE(dtype);
      CAPTURE(affine);
      BatchNorm2d plain(3, {.affine = affine});
      BatchRenorm2d renorm(
          3, {.affine = affine, .rmax = 1, .dmax = 0, .warmup_steps = 2, .statistics = RenormStatistics::unbiased});
      if (affine) {
        randomize(plain);
        randomize(renorm);
      }
      plain.to(dtype);
      renorm.to(dtype);
      for (unsigned step = 0; step < 3; ++step) {
        const Array values = (random({2 + step, 3, 5, 4}, step) * 3 + 1).array().to(dtype);
        Tensor x(values, true), z(values, true);
        const Tensor dy = random(x.shape(), 10 + step, dtype);
        const Tensor y = plain(x), y_renorm = renorm(z);
        CHECK(doubles(y) == doubles(y_renorm));
        y.backward(dy);
        y_renorm.backward(dy);
        CHECK(doubles(x.grad()) == doubles(z.grad()));
      }
      if (affine) {
        CHECK(doubles(plain.weight.grad()) == doubles(renorm.weight.grad()));
        CHECK(doubles(plain.bias.grad()) == doubles(renorm.bias.grad()));
      }
      CHECK(doubles(plain.running_mean) == doubles(renorm.running_mean));
      CHECK(doubles(plain.running_var) == doubles(renorm.running_var));
      plain.eval();
      renorm.eval();
      const Tensor x = random({1, 3, 2, 2}, 30, dtype);
      CHECK(doubles(plain(x)) == doubles(renorm(x)));
    }
  }
}

TEST_CASE("without clipping, training gives what eval gives with the statistics from before the update") {
  for (const RenormStatistics statistics :
       {RenormStatistics::variance, RenormStatistics::unbiased, RenormStatistics::deviation}) {
    BatchRenorm1d norm(4, {.rmax = kInf, .dmax = kInf, .warmup_steps = 0, .statistics = statistics});
    randomize(norm);
    for (unsigned step = 0; step < 3; ++step) {
      const Tensor x = random({3, 4, 5}, step) * 4.0 + 2.0;
      norm.eval();
      const Tensor expected = norm(x);
      norm.train();
      check_close(norm(x), expected, 1e-12);
    }
  }
}

TEST_CASE(
    "output and gradients equal the composite with r and d as constants, and central differences with them fixed") {
  const Tensor raw = random({4, 3, 5}, 1) * 2.0 + 0.4;
  for (const double rmax : {1.05, 3.0}) {
    CAPTURE(rmax);
    BatchRenorm1d norm(3, {.eps = 0.01, .rmax = rmax, .dmax = 0.6, .warmup_steps = 0});
    randomize(norm);
    const Correction given = correction(raw, doubles(norm.running_mean), doubles(norm.running_var), 0.01, rmax, 0.6);
    const Tensor x(raw.array().clone(), true), z(raw.array().clone(), true);
    const Tensor weight(norm.weight.array().clone(), true), bias(norm.bias.array().clone(), true);
    const Tensor dy = random(x.shape(), 2);
    const Tensor y = norm(x);
    const Tensor expected = composite(z, given, weight, bias, 0.01);
    check_close(y, expected, 1e-12);
    y.backward(dy);
    expected.backward(dy);
    check_close(x.grad(), z.grad(), 1e-12);
    check_close(norm.weight.grad(), weight.grad(), 1e-12);
    check_close(norm.bias.grad(), bias.grad(), 1e-12);
    const auto fixed = [&](const std::vector<Tensor>& in) { return composite(in[0], given, in[1], in[2], 0.01); };
    CHECK(gradcheck(fixed, {z, weight, bias}));
  }
}

TEST_CASE("both clamps are reached at both ends, exactly") {
  // Running statistics 0 and 1; channels far wider, far narrower, far above, far below.
  const Tensor x = tensor<double>({100, 1e-3, 1000, -1000, -100, -1e-3, 1002, -1002}, {2, 4});
  BatchRenorm1d norm(4, {.eps = 0, .affine = false, .rmax = 2, .dmax = 3, .warmup_steps = 0});
  norm.to(DType::float64);
  const std::vector<double> y = doubles(norm(x));
  const std::vector<double> expected = {2, 0.5, -1 + 3, 1 - 3, -2, -0.5, 1 + 3, -1 - 3};
  for (std::size_t i = 0; i < y.size(); ++i) {
    CHECK(y[i] == Approx(expected[i]).epsilon(1e-12));
  }
}

TEST_CASE("warm-up: t counts training calls from 1, not eval calls and empty batches") {
  // One value pair of deviation 100 around 0: r is rmax_t, so y = +-rmax_t.
  const Tensor x = tensor<double>({100, -100}, {2, 1});
  const auto rmax_of_calls = [&](std::int64_t warmup_steps, int calls) {
    BatchRenorm1d norm(1, {.eps = 0, .momentum = 0.0, .rmax = 3, .dmax = 0, .warmup_steps = warmup_steps});
    norm.to(DType::float64);
    std::vector<double> result;
    for (int i = 0; i < calls; ++i) {
      result.push_back(doubles(norm(x))[0]);
      norm.eval();
      norm(x);
      norm.train();
      norm(zeros({0, 1}, {.dtype = DType::float64}));
    }
    CHECK(norm.num_batches_tracked.array().item_int64() == calls);
    return result;
  };
  const auto check = [](const std::vector<double>& actual, const std::vector<double>& expected) {
    CHECK(reference::worst_error(actual, expected) < 1e-12);
  };
  check(rmax_of_calls(4, 6), {1.5, 2, 2.5, 3, 3, 3});
  check(rmax_of_calls(1, 2), {3, 3});
  check(rmax_of_calls(0, 2), {3, 3});
  check(rmax_of_calls(5000, 2), {1 + 2.0 / 5000, 1 + 4.0 / 5000});
}

TEST_CASE("hold, then two ramps: BatchNorm while it holds, rmax and dmax at their own ends") {
  // +-100 around 1000 with statistics 0 and 1: r is rmax_t and d is dmax_t, so y is dmax_t +- rmax_t.
  const Tensor x = tensor<double>({1100, 900}, {2, 1});
  BatchRenormOptions options{.eps = 0, .momentum = 0.0, .rmax = 3, .dmax = 5};
  options.hold_steps = 2;
  options.rmax_steps = 6;
  options.dmax_steps = 4;
  const auto bounds = [&](const BatchRenormOptions& o, int calls) {
    BatchRenorm1d norm(1, o);
    norm.to(DType::float64);
    std::vector<double> rmax, dmax;
    for (int i = 0; i < calls; ++i) {
      const std::vector<double> y = doubles(norm(x));
      rmax.push_back((y[0] - y[1]) / 2);
      dmax.push_back((y[0] + y[1]) / 2);
    }
    return std::pair(rmax, dmax);
  };
  const auto [rmax, dmax] = bounds(options, 7);
  check_close(rmax, {1, 1, 1.5, 2, 2.5, 3, 3}, 1e-12);
  check_close(dmax, {0, 0, 2.5, 5, 5, 5, 5}, 1e-12);
  options.rmax = options.dmax = kInf;  // unbounded at their ends, not before
  const auto [unbounded, shift] = bounds(options, 4);
  CHECK(unbounded[1] == 1);
  CHECK(shift[1] == 0);
  CHECK(unbounded[3] == Approx(100));
  CHECK(shift[3] == Approx(1000));
  options = {.eps = 0, .momentum = 0.0, .dmax = 0, .warmup_steps = 4, .hold_steps = 4};  // no ramp: at once
  check_close(bounds(options, 6).first, {1, 1, 1, 1, 3, 3}, 1e-12);
}

TEST_CASE("the paper's settings, and how they are printed") {
  const BatchRenormOptions paper = paper_renorm_options();
  CHECK(paper.rmax == 3);
  CHECK(paper.dmax == 5);
  BatchRenorm2d norm(2, paper);
  CHECK(concat(norm) ==
        "BatchRenorm2d(2, eps=1e-05, momentum=0.01, affine=True, track_running_stats=True, rmax=3.0, dmax=5.0, "
        "warmup_steps=5000, hold_steps=5000, rmax_steps=40000, dmax_steps=25000, statistics=deviation)");
  // In the middle of the ramps: rmax 1 + 2 * 10000 / 35000, dmax 5 * 10000 / 20000.
  norm.to(DType::float64);
  norm.num_batches_tracked.mutable_array().fill_(14999);
  const std::vector<double> y = doubles(norm(tensor<double>({1100, 1100, 900, 900}, {2, 2, 1, 1})));
  CHECK((y[0] - y[2]) / 2 == Approx(1 + 2.0 / 3.5));
  CHECK((y[0] + y[2]) / 2 == Approx(2.5));
}

TEST_CASE("dmax warms up too") {
  BatchRenorm1d norm(1, {.eps = 0, .momentum = 0.0, .rmax = 1, .dmax = 5, .warmup_steps = 2});
  norm.to(DType::float64);
  const Tensor x = tensor<double>({1001, 999}, {2, 1});
  CHECK(doubles(norm(x))[0] == Approx(1 + 2.5).epsilon(1e-12));
  CHECK(doubles(norm(x))[0] == Approx(1 + 5).epsilon(1e-12));
}

TEST_CASE("a resumed run continues the warm-up and gives the same bits") {
  const BatchRenormOptions options{.rmax = 2, .dmax = 1, .warmup_steps = 10};
  for (const RenormStatistics statistics : {RenormStatistics::variance, RenormStatistics::keras}) {
    BatchRenormOptions o = options;
    o.statistics = statistics;
    BatchRenorm2d straight(2, o), resumed(2, o);
    for (unsigned step = 0; step < 4; ++step) {
      straight(random({3, 2, 2, 3}, step, DType::float32));
    }
    resumed.load_state_dict(straight.state_dict());
    const Tensor x = random({3, 2, 2, 3}, 9, DType::float32) * 3.0 + 1.0;
    CHECK(doubles(straight(x)) == doubles(resumed(x)));
    CHECK(resumed.num_batches_tracked.array().item_int64() == 5);
    CHECK(straight.state_dict()[4].first == "num_batches_tracked");
    CHECK(straight.state_dict()[4].second.dtype() == DType::int64);
  }
}

TEST_CASE("what the running statistics gather: variance, unbiased variance, deviation") {
  // Mean 3, biased variance 4, unbiased 8.
  const Tensor x = tensor<double>({1, 5}, {2, 1});
  const auto var_after = [&](RenormStatistics statistics) {
    BatchRenorm1d norm(1, {.eps = 0.25, .momentum = 0.5, .statistics = statistics});
    norm.to(DType::float64);
    norm(x);
    CHECK(doubles(norm.running_mean)[0] == Approx(1.5));
    return doubles(norm.running_var)[0];
  };
  CHECK(var_after(RenormStatistics::variance) == Approx(0.5 + 2));
  CHECK(var_after(RenormStatistics::unbiased) == Approx(0.5 + 4));
  const double deviation = 0.5 * 1 + 0.5 * std::sqrt(4.25);  // from 1
  CHECK(var_after(RenormStatistics::deviation) == Approx(deviation * deviation - 0.25));
  CHECK(var_after(RenormStatistics::keras) == Approx(deviation * deviation - 0.25));
}

TEST_CASE("keras: r and d refer to statistics of their own momentum; eval uses the others") {
  BatchRenorm1d norm(1, {.eps = 0.04,
                         .momentum = 1.0,
                         .affine = false,
                         .rmax = kInf,
                         .dmax = kInf,
                         .warmup_steps = 0,
                         .statistics = RenormStatistics::keras,
                         .renorm_momentum = 0.5});
  norm.to(DType::float64);
  const Tensor x = tensor<double>({1, 5}, {2, 1});
  norm(x);
  CHECK(doubles(norm.renorm_mean)[0] == Approx(1.5));
  const double sd = 0.5 + 0.5 * std::sqrt(4.04);
  CHECK(doubles(norm.renorm_stddev)[0] == Approx(sd));
  CHECK(doubles(norm(x))[1] == Approx((5 - 1.5) / sd));
  norm.eval();
  CHECK(doubles(norm(x))[1] == Approx((5 - 3) / std::sqrt(4.04)));
  norm.train();
  norm.renorm_stddev.mutable_array().fill_(0.01);  // below sqrt(eps): the floor
  norm.renorm_mean.mutable_array().fill_(0);
  CHECK(doubles(norm(x))[1] == Approx(5 / 0.2));
}

TEST_CASE("fresh statistics and data far off: the clamps hold") {
  BatchRenorm2d norm(2, {.warmup_steps = 0});
  const Tensor x = random({2, 2, 3, 3}, 1, DType::float32) * 1e4 + 1e6;
  for (const double y : doubles(norm(x))) {
    CHECK(std::abs(y) < 3 * 4 + 5);
  }
}

TEST_CASE("no running statistics: training is BatchNorm's, eval throws") {
  BatchRenorm2d norm(3, {.track_running_stats = false});
  BatchNorm2d plain(3, {.track_running_stats = false});
  const Tensor x = random({2, 3, 4, 4}, 1, DType::float32);
  CHECK(doubles(norm(x)) == doubles(plain(x)));
  norm.eval();
  CHECK_THROWS_WITH(norm(x), Contains("BatchRenorm2d: track_running_stats=False leaves no running statistics"));
}

TEST_CASE("reset puts everything back") {
  for (const RenormStatistics statistics :
       {RenormStatistics::variance, RenormStatistics::deviation, RenormStatistics::keras}) {
    BatchRenorm1d norm(2, {.eps = 0.125, .statistics = statistics});
    const StateDict fresh = BatchRenorm1d(2, {.eps = 0.125, .statistics = statistics}).state_dict();
    norm(random({5, 2}, 1, DType::float32));
    norm.reset_running_stats();
    const StateDict state = norm.state_dict();
    REQUIRE(state.size() == fresh.size());
    for (std::size_t i = 0; i < state.size(); ++i) {
      CHECK(state[i].second.to(DType::float64).to_vector<double>() ==
            fresh[i].second.to(DType::float64).to_vector<double>());
    }
  }
}

TEST_CASE("frozen statistics: BatchRenorm stays in eval's mode") {
  BatchRenorm2d norm(2, {.warmup_steps = 0});
  norm(random({3, 2, 2, 3}, 1, DType::float32));
  const std::vector<double> before = doubles(norm.running_var);
  norm.freeze_statistics();
  norm.train();
  norm(random({3, 2, 2, 3}, 2, DType::float32));
  CHECK(doubles(norm.running_var) == before);
  CHECK(norm.num_batches_tracked.array().item_int64() == 1);
}

TEST_CASE("bad input names the layer, what came and what was expected") {
  BatchRenorm2d norm(3);
  BatchRenorm1d flat(3);
  CHECK_THROWS_WITH(norm(zeros({2, 3})), "BatchRenorm2d: expected 4D input (got 2D input of shape [2, 3])");
  CHECK_THROWS_WITH(flat(zeros({2, 3, 1, 1})), Contains("BatchRenorm1d: expected 2D or 3D input (got 4D input"));
  CHECK_THROWS_WITH(norm(zeros({2, 4, 2, 2})), Contains("running_mean should contain 4 elements not 3"));
  CHECK_THROWS_WITH(norm(zeros({1, 3, 1, 1})), Contains("Expected more than 1 value per channel when training"));
  CHECK_THROWS_WITH(norm(Tensor()), "BatchRenorm2d: the input is an undefined tensor");
  CHECK_THROWS_WITH(BatchRenorm2d(3, {.rmax = 0.5}), "BatchRenorm2d: rmax must be at least 1, got 0.5");
  CHECK_THROWS_WITH(BatchRenorm1d(3, {.rmax = std::nan("")}), Contains("rmax must be at least 1"));
  CHECK_THROWS_WITH(BatchRenorm1d(3, {.dmax = -1}), "BatchRenorm1d: dmax must be at least 0, got -1");
  CHECK_THROWS_WITH(BatchRenorm1d(3, {.warmup_steps = -1}), Contains("warmup_steps must be at least 0, got -1"));
  CHECK_THROWS_WITH(BatchRenorm1d(3, {.hold_steps = -1}), Contains("hold_steps must be at least 0, got -1"));
  CHECK_THROWS_WITH(
      BatchRenorm1d(3, {.hold_steps = 9, .rmax_steps = 8}),
      "BatchRenorm1d: rmax_steps and dmax_steps (by default warmup_steps) must be at least hold_steps, 9, "
      "got 8 and 5000");
  CHECK_THROWS_WITH(BatchRenorm1d(3, {.warmup_steps = 4, .hold_steps = 5}), Contains("hold_steps, 5, got 4 and 4"));
  CHECK_THROWS_WITH(BatchRenorm2d(3, {.renorm_momentum = 1.5}),
                    Contains("renorm_momentum must lie in [0, 1], got 1.5"));
  CHECK_THROWS_WITH(BatchRenorm2d(3, {.momentum = 2}), Contains("pass 1 - m (0.01 for their 0.99)"));
  CHECK_THROWS_WITH(BatchRenorm2d(3, {.eps = -1}), Contains("eps must be at least 0"));
}
