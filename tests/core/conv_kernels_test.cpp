#include "evenkeel/core/kernels/conv/algorithms.hpp"
#include "evenkeel/core/kernels/conv/conv.hpp"
#include "evenkeel/core/kernels/conv/depthwise.hpp"
#include "evenkeel/core/kernels/conv/im2col.hpp"
#include "evenkeel/core/kernels/conv/panel_conv.hpp"
#include "evenkeel/core/kernels/conv/winograd.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/parallel.hpp"
#include "tests/core/conv_cases.hpp"
#include "tests/support/conv_geometry.hpp"
#include "tests/support/isa_guard.hpp"
#include "tests/support/reference.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <ostream>
#include <vector>

namespace evenkeel {
namespace {

namespace ref = reference;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Gradients {
  std::vector<double> y, dx, dw, db, sums;  // db comes with dw, sums by a pass of its own
};

/// All four kernels on buffers full of NaN, as doubles.
template <class T>
Gradients run(const ref::Conv& s, const ref::Values& x, const ref::Values& w, const ref::Values& bias,
              const ref::Values& dy) {
  const ConvGeometry g = geometry(s);
  const auto tx = ref::cast<T>(x), tw = ref::cast<T>(w), tb = ref::cast<T>(bias), tdy = ref::cast<T>(dy);
  std::vector<T> y(ref::at(g.y_size()), T(kNaN)), dx(ref::at(g.x_size()), T(kNaN)),
      dw(ref::at(g.weight_size()), T(kNaN)), db(ref::at(g.out_channels), T(kNaN)), sums(db);
  kernels::conv2d<T>(g, tx.data(), tw.data(), bias.empty() ? nullptr : tb.data(), y.data());
  kernels::conv2d_input_gradient<T>(g, tdy.data(), tw.data(), nullptr, dx.data());
  kernels::conv2d_weight_gradient<T>(g, tx.data(), tdy.data(), dw.data(), db.data());
  kernels::channel_sums<T>(g.batch, g.out_channels, g.pixels(), tdy.data(), sums.data());
  return {ref::Values(y.begin(), y.end()), ref::Values(dx.begin(), dx.end()), ref::Values(dw.begin(), dw.end()),
          ref::Values(db.begin(), db.end()), ref::Values(sums.begin(), sums.end())};
}

template <class T>
Gradients run(const ref::Conv& s) {
  return run<T>(s, ref::random_values(s.x_size(), 1), ref::random_values(s.weight_size(), 2),
                ref::random_values(s.o, 3), ref::random_values(s.y_size(), 4));
}

void check_against_reference(const ref::Conv& s, const Gradients& actual, double tolerance) {
  const ref::Values x = ref::random_values(s.x_size(), 1), w = ref::random_values(s.weight_size(), 2);
  const ref::Values bias = ref::random_values(s.o, 3), dy = ref::random_values(s.y_size(), 4);
  CHECK(ref::worst_error(actual.y, ref::conv2d(s, x, w, bias)) < tolerance);
  CHECK(ref::worst_error(actual.dx, ref::conv2d_input_gradient(s, dy, w)) < tolerance);
  CHECK(ref::worst_error(actual.dw, ref::conv2d_weight_gradient(s, x, dy)) < tolerance);
  CHECK(ref::worst_error(actual.db, ref::conv2d_bias_gradient(s, dy)) < tolerance);
  CHECK(ref::worst_error(actual.sums, ref::conv2d_bias_gradient(s, dy)) < tolerance);
}

TEST_CASE("convolution kernels equal the seven loops") {
  for (const Case& c : kCases) {
    CAPTURE(c.name);
    check_against_reference(c.sizes, run<double>(c.sizes), 1e-12);
    check_against_reference(c.sizes, run<float>(c.sizes), 5e-5);
  }
}

template <class T>
void check_same_bits(const ref::Conv& s) {
  Gradients results[2];
  for (const int threads : {1, 3}) {
    const ThreadsGuard guard(threads);
    results[threads / 2] = run<T>(s);
  }
  CHECK(results[0].y == results[1].y);
  CHECK(results[0].dx == results[1].dx);
  CHECK(results[0].dw == results[1].dw);
  CHECK(results[0].db == results[1].db);
  CHECK(results[0].sums == results[1].sums);
}

TEST_CASE("convolution kernels give the same bits with any number of threads") {
  for (const Case& c : kCases) {
    CAPTURE(c.name);
    ref::Conv s = c.sizes;
    s.n = 3;
    check_same_bits<float>(s);
  }
}

TEST_CASE("a large convolution, split among threads, equals the seven loops") {
  const ThreadsGuard guard(2);
  const ref::Conv s{.n = 2, .c = 32, .h = 32, .w = 32, .o = 24, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1};
  check_against_reference(s, run<float>(s), 1e-4);
  const ref::Conv strided{.n = 3, .c = 40, .h = 33, .w = 30, .o = 24, .kh = 3, .kw = 3, .stride_h = 2, .stride_w = 2};
  check_against_reference(strided, run<float>(strided), 1e-4);
}

TEST_CASE("im2col in several blocks equals the seven loops, with the same bits on any number of threads") {
  const ConvAlgorithmGuard im2col(ConvAlgorithm::im2col);
  for (const ref::Conv& s :
       {ref::Conv{.c = 64, .h = 30, .w = 29, .o = 24, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1},
        ref::Conv{.c = 1, .h = 90, .w = 93, .o = 9, .kh = 5, .kw = 6, .stride_w = 2, .pad_h = 2, .pad_w = 3},
        ref::Conv{.n = 2, .c = 6, .h = 70, .w = 81, .o = 8, .kh = 3, .kw = 4, .dilation_h = 2, .groups = 2},
        ref::Conv{.n = 3, .c = 90, .h = 7, .w = 6, .o = 80, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1},
        ref::Conv{.n = 8, .c = 64, .h = 17, .w = 16, .o = 4, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1},
        ref::Conv{.c = 40, .h = 3, .w = 3, .o = 3000, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1},
        ref::Conv{.c = 600, .h = 3, .w = 2, .o = 300, .kh = 3, .kw = 1, .pad_h = 1},
        ref::Conv{.n = 2, .c = 40, .h = 61, .w = 64, .o = 80, .kh = 3, .kw = 3, .groups = 40}}) {
    const ThreadsGuard guard(2);
    check_against_reference(s, run<double>(s), 1e-12);
    check_against_reference(s, run<float>(s), 1e-4);
    check_same_bits<double>(s);
    check_same_bits<float>(s);
  }
}

TEST_CASE("without bias, and with a bias on the input gradient") {
  const ref::Conv s{.n = 2, .c = 3, .h = 6, .w = 5, .o = 4, .kh = 3, .kw = 2, .pad_h = 1};
  const ref::Values x = ref::random_values(s.x_size(), 1), w = ref::random_values(s.weight_size(), 2);
  const ref::Values dy = ref::random_values(s.y_size(), 4), bias = ref::random_values(s.c, 5);
  CHECK(ref::worst_error(run<double>(s, x, w, {}, dy).y, ref::conv2d(s, x, w, {})) < 1e-13);
  for (const std::int64_t stride : {1, 2}) {
    for (const std::int64_t groups : {1, 3}) {
      ref::Conv t = s;
      t.o = 6;
      t.stride_h = stride;
      t.groups = groups;
      const ref::Values tw = ref::random_values(t.weight_size(), 2), tdy = ref::random_values(t.y_size(), 4);
      ref::Values expected = ref::conv2d_input_gradient(t, tdy, tw);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        expected[i] += bias[i / ref::at(t.h * t.w) % ref::at(t.c)];
      }
      std::vector<double> dx(expected.size(), kNaN);
      kernels::conv2d_input_gradient(geometry(t), tdy.data(), tw.data(), bias.data(), dx.data());
      CHECK(ref::worst_error(dx, expected) < 1e-13);
    }
  }
}

TEST_CASE("NaN and infinity stay within their receptive field") {
  for (const double value : {kNaN, std::numeric_limits<double>::infinity()}) {
    for (const std::int64_t width : {7, 16, 29}) {
      const ref::Conv s{.n = 2, .c = 2, .h = 8, .w = width, .o = 5, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1};
      const ref::Values w = ref::random_values(s.weight_size(), 2);
      const ref::Values bias = ref::random_values(s.o, 3);
      for (const std::int64_t cell : {std::int64_t{0}, width - 1, 4 * width + 3, 7 * width, 8 * width - 1}) {
        CAPTURE(width);
        CAPTURE(cell);
        ref::Values x = ref::random_values(s.x_size(), 1), dy = ref::random_values(s.y_size(), 4);
        x[ref::at(cell)] = value;
        CHECK(ref::worst_error(run<double>(s, x, w, bias, dy).y, ref::conv2d(s, x, w, bias)) < 1e-13);
        CHECK(ref::worst_error(run<double>(s, x, w, bias, dy).dw, ref::conv2d_weight_gradient(s, x, dy)) < 1e-13);
        x = ref::random_values(s.x_size(), 1);
        dy[ref::at(cell)] = value;
        CHECK(ref::worst_error(run<double>(s, x, w, bias, dy).dx, ref::conv2d_input_gradient(s, dy, w)) < 1e-13);
      }
    }
  }
}

TEST_CASE("an empty batch has a zero weight and bias gradient") {
  const ref::Conv s{.n = 0, .c = 3, .h = 5, .w = 6, .o = 4, .kh = 3, .kw = 3};
  const Gradients result = run<float>(s);
  CHECK(result.y.empty());
  CHECK(result.dx.empty());
  CHECK(result.dw == ref::Values(ref::at(s.weight_size()), 0.0));
  CHECK(result.db == ref::Values(4, 0.0));
  CHECK(result.sums == ref::Values(4, 0.0));
}

TEST_CASE("a bias gradient over a million cells is summed exactly enough") {
  const std::vector<float> dy(1'000'000, 0.1F);
  float sum = 0;
  kernels::channel_sums<float>(1, 1, 1'000'000, dy.data(), &sum);
  CHECK(std::abs(static_cast<double>(sum) / (1e6 * static_cast<double>(0.1F)) - 1) < 1e-6);
  const std::vector<float> x(1'000'000, 0.0F);
  for (const std::int64_t size : {1, 3}) {
    const ref::Conv s{.h = 1000, .w = 1000, .kh = size, .kw = size, .pad_h = size / 2, .pad_w = size / 2};
    std::vector<float> dw(ref::at(s.weight_size()));
    kernels::conv2d_weight_gradient(geometry(s), x.data(), dy.data(), dw.data(), &sum);
    CHECK(std::abs(static_cast<double>(sum) / (1e6 * static_cast<double>(0.1F)) - 1) < 1e-6);
  }
}

TEST_CASE("the float32 weight gradient over a batch stays accurate") {
  const ref::Conv s{.n = 40, .c = 2, .h = 32, .w = 32, .o = 5, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1};
  ref::Values x = ref::random_values(s.x_size(), 1), dy = ref::random_values(s.y_size(), 4);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] += 1;  // sums that grow with the batch
  }
  for (double& value : dy) {
    value += 1;
  }
  const ref::Values w = ref::random_values(s.weight_size(), 2);
  const std::vector<double> dw = run<float>(s, x, w, {}, dy).dw;
  const ref::Values expected = ref::conv2d_weight_gradient(s, x, dy);
  for (std::size_t i = 0; i < dw.size(); ++i) {
    CHECK(std::abs(dw[i] / expected[i] - 1) < 2e-6);  // plain float32 summation: about 1e-4
  }
}

TEST_CASE("an output of a million float32 products keeps its digits") {
  const ref::Conv s{.c = 64, .h = 127, .w = 143, .o = 3, .kh = 127, .kw = 128};
  const std::vector<float> x(ref::at(s.x_size()), 0.1F), w(ref::at(s.weight_size()), 0.1F);
  const double expected = 64 * 127 * 128 * double{0.1F} * double{0.1F};
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::direct, ConvAlgorithm::panels, ConvAlgorithm::im2col}) {
    const ConvAlgorithmGuard guard(algorithm);
    CAPTURE(static_cast<int>(algorithm));
    std::vector<float> y(ref::at(s.y_size()));
    kernels::conv2d(geometry(s), x.data(), w.data(), static_cast<const float*>(nullptr), y.data());
    for (const float value : y) {
      CHECK(std::abs(double{value} / expected - 1) < 5e-5);  // in one sum: 1e-3
    }
  }
}

TEST_CASE("the float32 weight gradient over many images or wide rows keeps its digits") {
  for (const ref::Conv& s : {ref::Conv{.n = 256, .c = 16, .h = 66, .w = 66, .o = 16, .kh = 3, .kw = 3},
                             ref::Conv{.c = 16, .h = 6, .w = 65'538, .o = 16, .kh = 3, .kw = 3}}) {
    const std::vector<float> x(ref::at(s.x_size()), 0.1F), dy(ref::at(s.y_size()), 0.1F);
    const double expected = static_cast<double>(s.n * s.oh() * s.ow()) * double{0.1F} * double{0.1F};
    for (const ConvAlgorithm algorithm : {ConvAlgorithm::winograd, ConvAlgorithm::panels, ConvAlgorithm::im2col}) {
      const ConvAlgorithmGuard guard(algorithm);
      std::vector<float> dw(ref::at(s.weight_size()));
      kernels::conv2d_weight_gradient(geometry(s), x.data(), dy.data(), dw.data());
      CAPTURE(static_cast<int>(algorithm));
      double worst = 0;
      for (const float value : dw) {
        worst = std::max(worst, std::abs(double{value} / expected - 1));
      }
      CHECK(worst < 5e-6);
    }
  }
}

/// Operands, and what the seven loops make of them.
struct Problem {
  explicit Problem(const ref::Conv& s) : sizes(s) {}
  ref::Conv sizes;
  ref::Values x = ref::random_values(sizes.x_size(), 1), w = ref::random_values(sizes.weight_size(), 2);
  ref::Values bias = ref::random_values(sizes.o, 3), dy = ref::random_values(sizes.y_size(), 4);
  ref::Values y = ref::conv2d(sizes, x, w, bias), dx = ref::conv2d_input_gradient(sizes, dy, w);
  ref::Values dw = ref::conv2d_weight_gradient(sizes, x, dy);
};

/// Checks three passes that have the signatures of WinogradConv's.
template <class T, class Forward, class InputGradient, class WeightGradient>
void check_algorithm(const Problem& p, double tolerance, const Forward& forward, const InputGradient& input_gradient,
                     const WeightGradient& weight_gradient) {
  const ConvGeometry g = geometry(p.sizes);
  const auto x = ref::cast<T>(p.x), w = ref::cast<T>(p.w), bias = ref::cast<T>(p.bias), dy = ref::cast<T>(p.dy);
  std::vector<T> y(p.y.size(), T(kNaN)), dx(p.dx.size(), T(kNaN)), dw(p.dw.size(), T(kNaN));
  forward(g, x.data(), w.data(), bias.data(), y.data());
  input_gradient(g, dy.data(), w.data(), static_cast<const T*>(nullptr), dx.data());
  weight_gradient(g, x.data(), dy.data(), dw.data());
  CHECK(ref::worst_error(y, p.y) < tolerance);
  CHECK(ref::worst_error(dx, p.dx) < tolerance);
  CHECK(ref::worst_error(dw, p.dw) < tolerance);
}

/// The same for an algorithm that is a struct of the three.
template <class Algorithm, class T>
void check_algorithm(const Problem& p, double tolerance) {
  check_algorithm<T>(p, tolerance, Algorithm::forward, Algorithm::input_gradient, Algorithm::weight_gradient);
}

template <class T>
void check_all_algorithms(const Problem& p, double tolerance) {
  check_algorithm<kernels::Im2colConv<T>, T>(p, tolerance);
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::direct, ConvAlgorithm::panels}) {
    check_algorithm<T>(
        p, tolerance,
        [&](const ConvGeometry& g, const T* x, const T* w, const T* bias, T* y) {
          kernels::PanelConv<T>::forward(g, algorithm, x, w, bias, y);
        },
        [&](const ConvGeometry& g, const T* dy, const T* w, const T* bias, T* dx) {
          kernels::PanelConv<T>::input_gradient(g, algorithm, dy, w, bias, dx);
        },
        [](const ConvGeometry& g, const T* x, const T* dy, T* dw) {
          kernels::PanelConv<T>::weight_gradient(g, x, dy, dw, nullptr);
        });
  }
  const ref::Conv& s = p.sizes;
  const bool strided = s.stride_h * s.stride_w * s.dilation_h * s.dilation_w > 1;
  if constexpr (std::is_same_v<T, float>) {  // float64 takes plain sums
    if (s.kh == 3 && s.kw == 3 && s.groups == 1 && !strided) {
      check_algorithm<kernels::WinogradConv<T>, T>(p, tolerance);
    }
  }
  if (s.groups == s.c) {
    check_algorithm<kernels::DepthwiseConv<T>, T>(p, tolerance);
  }
}

TEST_CASE("every algorithm equals the seven loops on every instruction set") {
  std::vector<Case> cases = kCases;
  for (const std::int64_t pad : {0, 1, 2, 3}) {
    cases.push_back(
        {"3x3", {.n = 5, .c = 3, .h = 7, .w = 6 + pad, .o = 9, .kh = 3, .kw = 3, .pad_h = pad, .pad_w = 3 - pad}});
    cases.push_back(
        {"3x3, wide", {.n = 2, .c = 9, .h = 12 + pad, .w = 37, .o = 3, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = pad}});
  }
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Problem problem(c.sizes);
    for (const Isa isa : supported_isas()) {
      const IsaGuard guard(isa);
      CAPTURE(name(isa));
      check_all_algorithms<double>(problem, 1e-12);
      check_all_algorithms<float>(problem, 5e-5);
    }
  }
}

/// The root of the sum of squares of the differences.
double distance(const ref::Values& a, const ref::Values& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += (a[i] - b[i]) * (a[i] - b[i]);
  }
  return std::sqrt(sum);
}

TEST_CASE("Winograd's rounding errors stay within a few times those of plain sums") {
  for (const ref::Conv& s : {ref::Conv{.c = 64, .h = 20, .w = 22, .o = 64, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1},
                             ref::Conv{.n = 6, .c = 16, .h = 32, .w = 31, .o = 16, .kh = 3, .kw = 3, .pad_w = 1},
                             ref::Conv{.n = 8, .c = 96, .h = 8, .w = 7, .o = 80, .kh = 3, .kw = 3, .pad_h = 1}}) {
    for (const double mean : {0.0, 0.5}) {  // as after a norm, and as after a ReLU
      ref::Values x = ref::random_values(s.x_size(), 1);
      for (double& value : x) {
        value = static_cast<double>(static_cast<float>(value + mean));
      }
      const auto rounded = [](const std::vector<float>& v) { return ref::Values(v.begin(), v.end()); };
      const ref::Values w = rounded(ref::cast<float>(ref::random_values(s.weight_size(), 2)));
      const ref::Values dy = rounded(ref::cast<float>(ref::random_values(s.y_size(), 4)));
      const auto run_from = [&](ConvAlgorithm first) {
        const ConvAlgorithmGuard guard(first);
        return run<float>(s, x, w, {}, dy);
      };
      const Gradients plain = run_from(ConvAlgorithm::depthwise), winograd = run_from(ConvAlgorithm::winograd);
      const ref::Values y = ref::conv2d(s, x, w, {}), dx = ref::conv2d_input_gradient(s, dy, w);
      const ref::Values dw = ref::conv2d_weight_gradient(s, x, dy);
      CHECK(winograd.y != plain.y);
      CHECK(winograd.dx != plain.dx);
      CHECK(winograd.dw != plain.dw);
      CHECK(distance(winograd.y, y) < 5 * distance(plain.y, y));
      CHECK(distance(winograd.dx, dx) < 5 * distance(plain.dx, dx));
      CHECK(distance(winograd.dw, dw) < 5 * distance(plain.dw, dw));
    }
  }
}

TEST_CASE("every instruction set equals the seven loops") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    for (const Case& c : kCases) {
      CAPTURE(c.name);
      check_against_reference(c.sizes, run<double>(c.sizes), 1e-12);
      check_against_reference(c.sizes, run<float>(c.sizes), 5e-5);
    }
  }
}

TEST_CASE("3x3 depthwise convolutions and sums over channels, on every instruction set") {
  std::vector<Case> cases;
  for (const std::int64_t size : {1, 2, 3, 4, 8, 13, 16, 19, 33}) {
    cases.push_back({"rows", {.n = 3, .c = 5, .h = size, .w = 8, .o = 5, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1}});
    cases.push_back({"columns", {.n = 2, .c = 3, .h = 5, .w = size + 2, .o = 9, .kh = 3, .kw = 3, .pad_h = 2}});
    cases.push_back({"1 column", {.n = 17, .c = size, .h = 3, .w = 1, .o = size, .kh = 3, .kw = 3, .pad_w = 1}});
  }
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    for (Case c : cases) {
      c.sizes.groups = c.sizes.c;
      CAPTURE(c.name);
      CAPTURE(c.sizes.h);
      CAPTURE(c.sizes.w);
      check_against_reference(c.sizes, run<double>(c.sizes), 1e-12);
      check_against_reference(c.sizes, run<float>(c.sizes), 5e-5);
    }
  }
}

}  // namespace
}  // namespace evenkeel
