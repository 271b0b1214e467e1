// Passes that are fused (core/deferred.hpp) beside the same without: values and gradients of every order.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/autograd/ops/group_moments.hpp"
#include "evenkeel/core/array_ops.hpp"
#include "evenkeel/core/deferred.hpp"
#include "evenkeel/core/parallel.hpp"
#include "tests/support/isa_guard.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

namespace evenkeel {
namespace {

constexpr FusedActivation kRelu{.f = NormActivation::relu};

/// Images, and how many of their channels a group norm takes together; 0: all images, per channel, or as many parts of
/// the batch as there are slices.
struct Images {
  std::int64_t batch, channels, height, width;
  std::int64_t together = 0, slices = 1;
};

GroupView view_of(const Images& s) {
  const std::int64_t plane = s.height * s.width;
  if (s.together == 0) {
    return {s.slices, s.batch / s.slices, s.channels, plane};
  }
  return {1, 1, s.batch * s.channels / s.together, s.together * plane};
}

Tensor norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Images& s, FusedActivation f) {
  return normalize_groups(x, weight, bias, view_of(s), {s.channels, s.height * s.width}, {}, f).y;
}

Tensor conv(const Tensor& x, const Tensor& weight) { return conv2d(x, weight, {}, {.padding = 1}); }

/// A network of what defers and what reads through maps; its tensors in order: x, two weights of convolutions, three
/// pairs of a norm's weight and bias.
using Network = std::function<Tensor(const std::vector<Tensor>&, const Images&)>;

struct NamedNetwork {
  std::string name;
  Network run;
};

/// relu(norm(conv(relu(norm(conv x)))) + x), as a block of a ResNet.
Tensor residual(const std::vector<Tensor>& t, const Images& s) {
  const Tensor inner = norm(conv(t[0], t[1]), t[3], t[4], s, kRelu);
  return add_relu(norm(conv(inner, t[2]), t[5], t[6], s, {}), t[0]);
}

std::vector<NamedNetwork> networks() {
  const auto normed = [](const std::vector<Tensor>& t, const Images& s) {
    return norm(conv(t[0], t[1]), t[3], t[4], s, kRelu);
  };
  return {{"residual", residual},
          {"sum of two norms",
           [=](const std::vector<Tensor>& t, const Images& s) {
             const Tensor x = conv(t[0], t[1]);
             return norm(x, t[3], t[4], s, kRelu) + norm(x, t[5], t[6], s, {});
           }},
          {"one norm read by many",
           [=](const std::vector<Tensor>& t, const Images& s) {
             const Tensor y = normed(t, s);
             return conv(y, t[2]) + add_relu(y, y) + sigmoid(y);
           }},
          {"a norm of a norm", [=](const std::vector<Tensor>& t,
                                   const Images& s) { return conv(norm(normed(t, s), t[5], t[6], s, {}), t[2]); }},
          {"max_pool2d",
           [=](const std::vector<Tensor>& t, const Images& s) { return max_pool2d(normed(t, s), {.kernel_size = 2}); }},
          {"max_pool2d of 3x3",
           [=](const std::vector<Tensor>& t, const Images& s) {
             return max_pool2d(normed(t, s), {.kernel_size = 3, .stride = 2, .padding = 1});
           }},
          {"avg_pool2d",
           [=](const std::vector<Tensor>& t, const Images& s) { return avg_pool2d(normed(t, s), {.kernel_size = 2}); }},
          {"adaptive_avg_pool2d",
           [=](const std::vector<Tensor>& t, const Images& s) { return adaptive_avg_pool2d(normed(t, s), 1); }},
          {"a strided convolution",
           [=](const std::vector<Tensor>& t, const Images& s) {
             return conv2d(normed(t, s), t[2], {}, {.stride = 2, .padding = 1});
           }},
          {"reshape and slice", [=](const std::vector<Tensor>& t, const Images& s) {
             const Tensor y = normed(t, s);
             return slice(reshape(y, {s.batch * s.channels, s.height * s.width}), 1, 0, s.width) * 2.0;
           }}};
}

std::vector<Tensor> make_tensors(const Images& s, DType dtype) {
  Generator generator(7);
  const auto random = [&](const Shape& shape, double scale, double shift) {
    Tensor t((randn(shape, generator, {.dtype = dtype}) * scale + shift).array().clone(), true);
    return t;
  };
  const Shape weight{s.channels, s.channels, 3, 3};
  std::vector<Tensor> tensors{random({s.batch, s.channels, s.height, s.width}, 1, 0.3), random(weight, 0.2, 0),
                              random(weight, 0.2, 0)};
  for (int i = 0; i < 3; ++i) {
    tensors.push_back(random({s.channels}, 0.3, 1));
    tensors.push_back(random({s.channels}, 0.5, 0));
  }
  return tensors;
}

/// The values, the gradients of first order, and those of a function of these.
std::vector<Array> results(const NamedNetwork& network, const Images& s, DType dtype, bool fused) {
  const FusionGuard guard(fused);
  const std::vector<Tensor> tensors = make_tensors(s, dtype);
  const Tensor y = network.run(tensors, s);
  Generator generator(8);
  const Tensor dy = randn(y.shape(), generator, {.dtype = dtype});
  std::vector<Array> all{y.array()};
  for (const Tensor& dx : grad({y}, tensors, {dy}, {.retain_graph = true, .allow_unused = true})) {
    if (dx.defined()) {
      all.push_back(dx.array());
    }
  }
  const std::vector<Tensor> first = grad({y}, {tensors[0], tensors[1], tensors[3]}, {dy}, {.create_graph = true});
  const Tensor penalty = sum(square(first[0])) + sum(square(first[1])) + sum(square(first[2]));
  for (const Tensor& dx : grad({penalty}, tensors, {}, {.allow_unused = true})) {
    if (dx.defined()) {
      all.push_back(dx.array());
    }
  }
  return all;
}

/// The largest difference by the largest value.
double distance(const Array& a, const Array& b) {
  REQUIRE(a.shape() == b.shape());
  const std::vector<double> u = a.to(DType::float64).to_vector<double>(), v = b.to(DType::float64).to_vector<double>();
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < u.size(); ++i) {
    largest = std::max(largest, std::abs(v[i]));
    worst = std::max(worst, std::isnan(u[i]) ? std::numeric_limits<double>::infinity() : std::abs(u[i] - v[i]));
  }
  return worst / std::max(largest, 1e-30);
}

bool same_bits(const Array& a, const Array& b) {
  return a.shape() == b.shape() && a.to(DType::float64).to_vector<double>() == b.to(DType::float64).to_vector<double>();
}

// Rows of tiles that fill registers, several images in a register, none that is full, odd sizes, one image.
const std::vector<Images> kImages{{2, 8, 32, 32}, {8, 8, 8, 8},      {2, 16, 16, 16, 4}, {8, 16, 8, 8, 16},
                                  {2, 8, 33, 18}, {3, 9, 21, 23, 3}, {1, 16, 16, 20, 2}, {4, 8, 16, 16, 0, 2}};

bool is_deferred(const Tensor& x) { return x.array().deferred() != nullptr; }

}  // namespace

TEST_CASE("fused passes have the values and gradients of separate ones") {
  for (const DType dtype : {DType::float32, DType::float64}) {
    const double tolerance = dtype == DType::float32 ? 2e-4 : 1e-11;  // of second derivatives of ReLU networks
    for (const Images& s : kImages) {
      for (const NamedNetwork& network : networks()) {
        CAPTURE(network.name);
        CAPTURE(s.height);
        CAPTURE(s.together);
        const std::vector<Array> fused = results(network, s, dtype, true), plain = results(network, s, dtype, false);
        REQUIRE(fused.size() == plain.size());
        for (std::size_t i = 0; i < fused.size(); ++i) {
          CAPTURE(i);
          CHECK(distance(fused[i], plain[i]) < tolerance);
        }
      }
    }
  }
}

TEST_CASE("fused passes have the same bits on any number of threads, and the values on every instruction set") {
  const NamedNetwork network{"residual", residual};
  for (const Images& s : {kImages[0], kImages[3], kImages[5]}) {
    std::vector<Array> best;
    for (const Isa isa : supported_isas()) {
      CAPTURE(name(isa));
      const IsaGuard guard(isa);
      const ThreadsGuard one(1);
      const std::vector<Array> values = results(network, s, DType::float32, true);
      if (best.empty()) {
        best = values;
      }
      const ThreadsGuard three(3);
      const std::vector<Array> shared = results(network, s, DType::float32, true);
      for (std::size_t i = 0; i < values.size(); ++i) {
        CAPTURE(i);
        CHECK(same_bits(values[i], shared[i]));
        CHECK(distance(values[i], best[i]) < 2e-4);
      }
    }
  }
}

TEST_CASE("windows of values far larger than the rest are the same through a map") {
  for (const Isa isa : supported_isas()) {
    CAPTURE(name(isa));
    const IsaGuard guard(isa);
    for (const Images& s : {Images{2, 8, 32, 32, 8}, {3, 9, 21, 23, 3}}) {
      const std::vector<Tensor> t = make_tensors(s, DType::float32);
      for (const double value : {1e4, std::numeric_limits<double>::infinity()}) {
        Array x = t[0].array().clone();
        x.select(0, 1).slice(1, 3, 6).slice(2, 7, 12).fill_(value);
        const Tensor dy(t[0].array().clone());
        std::vector<std::vector<double>> found;
        for (const bool fused : {false, true}) {
          const FusionGuard fusion(fused);
          const Tensor y = conv(norm(Tensor(x), t[3], t[4], s, kRelu), t[1]);
          const Tensor dw = grad({y}, {t[1]}, {dy})[0];
          found.push_back(y.to(DType::float64).to_vector<double>());
          found.push_back(dw.to(DType::float64).to_vector<double>());
        }
        for (std::size_t i = 0; i < 2; ++i) {
          double worst = 0;
          for (std::size_t k = 0; k < found[i].size(); ++k) {
            const double a = found[i][k], b = found[i + 2][k];
            const bool same = std::isnan(a) == std::isnan(b);
            worst = std::max(worst, !same ? 1 : std::isnan(a) ? 0 : std::abs(a - b) / (1 + std::abs(a)));
          }
          CHECK(worst < 1e-4);
        }
      }
    }
  }
}

TEST_CASE("a norm defers its values until somebody asks, and then they are the same bits") {
  const Images s{2, 8, 32, 32};
  for (const DType dtype : {DType::float32, DType::float64}) {
    const std::vector<Tensor> t = make_tensors(s, dtype);
    const Tensor y = norm(t[0], t[3], t[4], s, kRelu), asked = norm(t[0], t[3], t[4], s, kRelu);
    CHECK(is_deferred(y));
    CHECK(is_deferred(reshape(y, {16, 4, 16, 16})));
    const std::vector<double> values = asked.array().to(DType::float64).to_vector<double>();
    CHECK_FALSE(is_deferred(asked));
    CHECK(*std::min_element(values.begin(), values.end()) == 0);
    CHECK(*std::max_element(values.begin(), values.end()) > 1);
    for (const auto& read : std::vector<std::function<Tensor(const Tensor&)>>{
             [&](const Tensor& in) { return conv(in, t[1]); }, [&](const Tensor& in) { return add_relu(in, t[0]); },
             [&](const Tensor& in) { return t[0] + in; }, [&](const Tensor& in) { return max_pool2d(in, {}); },
             [&](const Tensor& in) { return adaptive_avg_pool2d(in, 3); }}) {
      CHECK(same_bits(read(y).array(), read(asked).array()));
    }
    CHECK(is_deferred(y) == (dtype == DType::float32));  // float64's convolution needs values
    CHECK(same_bits(y.array(), asked.array()));
  }
}

TEST_CASE("a norm does not defer without fusion, nor what maps of planes can't say") {
  const Images s{2, 8, 32, 32};
  const std::vector<Tensor> t = make_tensors(s, DType::float32);
  CHECK(is_deferred(norm(t[0], t[3], t[4], s, {})));
  CHECK_FALSE(is_deferred(norm(t[0], t[3], t[4], s, {.f = NormActivation::silu})));
  CHECK_FALSE(is_deferred(norm(slice(t[0], 2, 0, 3), t[3], t[4], {2, 8, 3, 32}, {})));  // few numbers
  CHECK_FALSE(is_deferred(norm(reshape(t[0], {2, 8, 1024}), t[3], t[4], s, {})));
  const Tensor per_element = full({8 * 32 * 32}, 2);
  CHECK_FALSE(is_deferred(normalize_groups(t[0], per_element, {}, {1, 1, 2, 8 * 1024}, {8 * 1024, 1}, {}).y));
  {
    const FusionGuard off(false);
    CHECK_FALSE(is_deferred(norm(t[0], t[3], t[4], s, {})));
    const FusionGuard on(true);
    CHECK(is_deferred(norm(t[0], t[3], t[4], s, {})));
  }
}

TEST_CASE("several threads may ask for what is deferred") {
  const Images s{2, 8, 32, 32};
  const std::vector<Tensor> t = make_tensors(s, DType::float32);
  const Array expected = norm(t[0], t[3], t[4], s, kRelu).array().clone();
  for (int i = 0; i < 20; ++i) {
    const Tensor y = norm(t[0], t[3], t[4], s, kRelu);
    std::array<const float*, 4> found{};
    std::vector<std::thread> threads;
    for (const float*& place : found) {
      threads.emplace_back([&] { place = y.array().data<float>(); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    CHECK(found == std::array<const float*, 4>{found[0], found[0], found[0], found[0]});
    CHECK(same_bits(y.array(), expected));
  }
}

TEST_CASE("what is deferred keeps its values when its source or itself is written") {
  const Images s{2, 8, 16, 16};
  const std::vector<Tensor> t = make_tensors(s, DType::float32);
  const Array expected = norm(t[0], t[3], t[4], s, kRelu).array().clone();
  Tensor x(t[0].array().clone());
  const Tensor y = norm(x, t[3], t[4], s, kRelu);
  REQUIRE(is_deferred(y));
  x.mutable_array().fill_(3);
  CHECK(same_bits(y.array(), expected));
  Tensor weight(t[3].array().clone());
  const Tensor z = norm(t[0], weight, t[4], s, kRelu);
  weight.mutable_array().fill_(0);
  CHECK(same_bits(z.array(), expected));
  Tensor written = norm(t[0], t[3], t[4], s, kRelu);
  REQUIRE(is_deferred(written));
  add_(written, full({1}, 1));
  CHECK(same_bits(written.array(), (Tensor(expected) + 1.0).array()));
}

}  // namespace evenkeel
