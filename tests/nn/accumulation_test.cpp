// Gradients accumulated over micro-batches against those of the whole batch: equal where a norm takes its statistics
// from each sample, different where it takes them from the batch.

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/flatten.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "tests/support/norm_traits.hpp"
#include "tests/support/reference.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Approx;

namespace {

constexpr std::int64_t kBatch = 16;

struct Problem {
  Tensor x = Tensor(Array::from(reference::random_values(kBatch * 3 * 5 * 4, 1), {kBatch, 3, 5, 4}));
  Tensor labels = tensor<std::int64_t>({0, 1, 2, 0, 2, 1, 1, 0, 2, 2, 1, 0, 0, 1, 2, 1}, {kBatch});
};

std::unique_ptr<Sequential> network(const std::string& norm) {
  Generator generator(7);
  auto net = std::make_unique<Sequential>();
  net->append<Conv2d>(3, 6, generator, Conv2dOptions{.kernel_size = 3});
  net->append(make_norm(norm, 6, {.num_groups = 2}));
  net->append<ReLU>().append<Flatten>().append<Linear>(6 * 3 * 2, 3, generator);
  net->to(DType::float64);
  return net;
}

/// All gradients after one backward per micro-batch; each micro-batch's mean loss weighs as its share of the batch.
std::vector<double> gradients(Layer& net, const Problem& problem, const std::vector<std::int64_t>& sizes) {
  net.zero_grad();
  std::int64_t start = 0;
  for (const std::int64_t size : sizes) {
    const Tensor y = net(slice(problem.x, 0, start, start + size));
    const Tensor loss = cross_entropy(y, slice(problem.labels, 0, start, start + size));
    (loss * (static_cast<double>(size) / kBatch)).backward();
    start += size;
  }
  REQUIRE(start == kBatch);
  std::vector<double> all;
  for (const Tensor& p : net.parameters()) {
    const std::vector<double> g = p.grad().to_vector<double>();
    all.insert(all.end(), g.begin(), g.end());
  }
  return all;
}

/// |a - b| / |b|
double relative_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(difference / size);
}

const std::vector<std::vector<std::int64_t>> kSplits = {{4, 4, 4, 4}, {8, 8}, {5, 1, 7, 3}, {2, 2, 2, 2, 2, 2, 2, 2}};

}  // namespace

TEST_CASE("a norm of each sample: the accumulated gradient is the whole batch's") {
  const Problem problem;
  test::for_each_norm([&](const std::string& norm, const test::NormTraits& traits) {
    if (traits.of_batch) {
      return;
    }
    const auto net = network(norm);
    const std::vector<double> whole = gradients(*net, problem, {kBatch});
    for (const std::vector<std::int64_t>& sizes : kSplits) {
      CHECK(relative_difference(gradients(*net, problem, sizes), whole) < 1e-12);
    }
  });
}

TEST_CASE("BatchNorm: the accumulated gradient is another one, the further off the smaller the micro-batches") {
  const Problem problem;
  const auto net = network("bn");
  const std::vector<double> whole = gradients(*net, problem, {kBatch});
  const double eights = relative_difference(gradients(*net, problem, {8, 8}), whole);
  const double twos = relative_difference(gradients(*net, problem, std::vector<std::int64_t>(8, 2)), whole);
  CHECK(eights > 0.02);
  CHECK(twos > 1.5 * eights);
}

TEST_CASE("BatchNorm in eval has fixed statistics, so there accumulation is exact") {
  const Problem problem;
  const auto net = network("bn");
  (*net)(problem.x);
  net->eval();
  const std::vector<double> whole = gradients(*net, problem, {kBatch});
  CHECK(relative_difference(gradients(*net, problem, {5, 1, 7, 3}), whole) < 1e-12);
}

TEST_CASE("four micro-batches move BatchNorm's buffers four times, each towards its own statistics") {
  BatchNorm1d norm(2);
  norm.to(DType::float64);
  const std::vector<double> values = reference::random_values(kBatch * 2, 3);
  const Tensor x(Array::from(values, {kBatch, 2}));
  std::vector<double> running_mean = {0, 0}, running_var = {1, 1};
  for (std::int64_t part = 0; part < 4; ++part) {
    const Tensor y = norm(slice(x, 0, 4 * part, 4 * part + 4));
    for (std::size_t c = 0; c < 2; ++c) {
      double mean = 0, var = 0, y_mean = 0;
      for (std::size_t n = 0; n < 4; ++n) {
        mean += values[(4 * static_cast<std::size_t>(part) + n) * 2 + c] / 4;
        y_mean += y.to_vector<double>()[n * 2 + c] / 4;
      }
      for (std::size_t n = 0; n < 4; ++n) {
        const double centred = values[(4 * static_cast<std::size_t>(part) + n) * 2 + c] - mean;
        var += centred * centred / 3;
      }
      running_mean[c] = 0.9 * running_mean[c] + 0.1 * mean;
      running_var[c] = 0.9 * running_var[c] + 0.1 * var;
      CHECK(std::abs(y_mean) < 1e-12);  // normalized by its own micro-batch, not by the 16
    }
  }
  for (std::size_t c = 0; c < 2; ++c) {
    CHECK(norm.running_mean.to_vector<double>()[c] == Approx(running_mean[c]).epsilon(1e-12));
    CHECK(norm.running_var.to_vector<double>()[c] == Approx(running_var[c]).epsilon(1e-12));
  }
  CHECK(norm.num_batches_tracked.array().item_int64() == 4);
}
