#include "evenkeel/core/kernels/conv/algorithms.hpp"
#include "evenkeel/core/kernels/conv/conv.hpp"
#include "evenkeel/core/kernels/conv/product.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/parallel.hpp"
#include "tests/support/conv_geometry.hpp"
#include "tests/support/isa_guard.hpp"
#include "tests/support/reference.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <ostream>
#include <vector>

namespace evenkeel {
namespace {

namespace ref = reference;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Case {
  const char* name;
  ref::Conv sizes;
};

/// Products with x itself, small images that share panels, and rows that are staged by two.
const std::vector<Case> kCases = {
    {"1x1", {.n = 2, .c = 6, .h = 12, .w = 13, .o = 5}},
    {"1x1 of one pixel", {.n = 7, .c = 19, .h = 1, .w = 1, .o = 23}},
    {"1x1, strided to one pixel", {.n = 3, .c = 5, .h = 2, .w = 3, .o = 7, .stride_h = 2, .stride_w = 3}},
    {"1x1, strided, odd rows", {.n = 2, .c = 5, .h = 11, .w = 13, .o = 3, .stride_h = 2, .stride_w = 2}},
    {"1x1, strided, even rows", {.n = 2, .c = 5, .h = 8, .w = 12, .o = 3, .stride_h = 2, .stride_w = 2}},
    {"1x1, strided by 3", {.n = 2, .c = 4, .h = 14, .w = 13, .o = 5, .stride_h = 1, .stride_w = 3}},
    {"1x1, too few pixels", {.n = 5, .c = 6, .h = 3, .w = 5, .o = 5}},
    {"1x1, small images side by side", {.n = 19, .c = 6, .h = 4, .w = 5, .o = 7}},
    {"1x1, rows in parts", {.n = 3, .c = 6, .h = 6, .w = 5, .o = 270}},
    {"1x1, images in parts", {.n = 33, .c = 5, .h = 8, .w = 8, .o = 6}},
    {"1x1, sums in double", {.n = 530, .c = 2, .h = 8, .w = 8, .o = 3}},
    {"1x1, several threads", {.n = 3, .c = 64, .h = 12, .w = 12, .o = 140}},
    {"the window is the image", {.n = 4, .c = 3, .h = 5, .w = 4, .o = 6, .kh = 5, .kw = 4}},
    {"3x3 at 4x4", {.n = 3, .c = 5, .h = 4, .w = 4, .o = 9, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1}},
    {"3x3 at 3x2, two parts of outputs",
     {.n = 7, .c = 4, .h = 3, .w = 2, .o = 130, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1}},
    {"panels of many steps", {.n = 2, .c = 70, .h = 4, .w = 5, .o = 7, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1}},
    {"stride 2",
     {.n = 2, .c = 3, .h = 9, .w = 10, .o = 5, .kh = 3, .kw = 3, .stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1}},
    {"stride 2, no padding", {.n = 2, .c = 2, .h = 8, .w = 38, .o = 4, .kh = 3, .kw = 4, .stride_w = 2}},
    {"stride 2, padded by 2",
     {.n = 2, .c = 3, .h = 7, .w = 34, .o = 3, .kh = 3, .kw = 5, .stride_h = 2, .stride_w = 2, .pad_h = 2, .pad_w = 2}},
    {"stride 2, cropped",
     {.n = 2, .c = 3, .h = 9, .w = 14, .o = 3, .kh = 3, .kw = 3, .stride_h = 2, .stride_w = 2, .pad_w = -2}},
    {"stride 2, depthwise",
     {.n = 2,
      .c = 3,
      .h = 9,
      .w = 12,
      .o = 3,
      .kh = 3,
      .kw = 3,
      .stride_h = 2,
      .stride_w = 2,
      .pad_w = 1,
      .groups = 3}},
};

struct Results {
  ref::Values y, dx, dw;
};

/// The three passes on buffers full of NaN, as doubles.
template <class T>
Results run(const ref::Conv& s) {
  const ConvGeometry g = geometry(s);
  const auto x = ref::cast<T>(ref::random_values(s.x_size(), 1)),
             w = ref::cast<T>(ref::random_values(g.weight_size(), 2));
  const auto bias = ref::cast<T>(ref::random_values(s.o, 3)), dy = ref::cast<T>(ref::random_values(s.y_size(), 4));
  std::vector<T> y(dy.size(), T(kNaN)), dx(x.size(), T(kNaN)), dw(w.size(), T(kNaN));
  kernels::conv2d<T>(g, x.data(), w.data(), bias.data(), y.data());
  kernels::conv2d_input_gradient<T>(g, dy.data(), w.data(), nullptr, dx.data());
  kernels::conv2d_weight_gradient<T>(g, x.data(), dy.data(), dw.data());
  return {ref::Values(y.begin(), y.end()), ref::Values(dx.begin(), dx.end()), ref::Values(dw.begin(), dw.end())};
}

Results expected(const ref::Conv& s) {
  const ref::Values x = ref::random_values(s.x_size(), 1), w = ref::random_values(s.weight_size(), 2);
  const ref::Values bias = ref::random_values(s.o, 3), dy = ref::random_values(s.y_size(), 4);
  return {ref::conv2d(s, x, w, bias), ref::conv2d_input_gradient(s, dy, w), ref::conv2d_weight_gradient(s, x, dy)};
}

void check_equal(const Results& actual, const Results& wanted, double tolerance) {
  CHECK(ref::worst_error(actual.y, wanted.y) < tolerance);
  CHECK(ref::worst_error(actual.dx, wanted.dx) < tolerance);
  CHECK(ref::worst_error(actual.dw, wanted.dw) < tolerance);
}

TEST_CASE("small and strided convolutions equal the seven loops, by each algorithm on every instruction set") {
  for (const Case& c : kCases) {
    CAPTURE(c.name);
    const Results wanted = expected(c.sizes);
    for (const Isa isa : supported_isas()) {
      const IsaGuard guard(isa);
      CAPTURE(name(isa));
      for (const ConvAlgorithm first : {ConvAlgorithm::depthwise, ConvAlgorithm::direct, ConvAlgorithm::panels}) {
        const ConvAlgorithmGuard algorithm(first);
        CAPTURE(static_cast<int>(first));
        check_equal(run<double>(c.sizes), wanted, 1e-12);
        check_equal(run<float>(c.sizes), wanted, 5e-5);
      }
    }
  }
}

TEST_CASE("small and strided convolutions have the same bits with any number of threads") {
  for (const Case& c : kCases) {
    CAPTURE(c.name);
    for (const ConvAlgorithm first : {ConvAlgorithm::depthwise, ConvAlgorithm::panels}) {
      const ConvAlgorithmGuard algorithm(first);
      Results results[2];
      for (const int threads : {1, 3}) {
        const ThreadsGuard guard(threads);
        results[threads / 2] = run<float>(c.sizes);
      }
      CHECK(results[0].y == results[1].y);
      CHECK(results[0].dx == results[1].dx);
      CHECK(results[0].dw == results[1].dw);
    }
  }
}

TEST_CASE("products with x itself take a bias on y and on the input gradient") {
  for (const ref::Conv& s : {ref::Conv{.n = 2, .c = 3, .h = 6, .w = 5, .o = 4},
                             ref::Conv{.n = 2, .c = 3, .h = 9, .w = 8, .o = 4, .stride_h = 2, .stride_w = 2},
                             ref::Conv{.n = 5, .c = 3, .h = 3, .w = 4, .o = 2, .kh = 3, .kw = 4}}) {
    REQUIRE(kernels::is_product(geometry(s)));
    const ref::Values dy = ref::random_values(s.y_size(), 4), w = ref::random_values(s.weight_size(), 2);
    const ref::Values x = ref::random_values(s.x_size(), 1);
    const ref::Values bias = ref::random_values(s.c, 5), outputs = ref::random_values(s.o, 6);
    ref::Values dx_wanted = ref::conv2d_input_gradient(s, dy, w);
    for (std::size_t i = 0; i < dx_wanted.size(); ++i) {
      dx_wanted[i] += bias[i / ref::at(s.h * s.w) % ref::at(s.c)];
    }
    std::vector<double> dx(x.size(), kNaN), y(dy.size(), kNaN);
    kernels::ProductConv<double>::input_gradient(geometry(s), dy.data(), w.data(), bias.data(), dx.data());
    CHECK(ref::worst_error(dx, dx_wanted) < 1e-13);
    kernels::ProductConv<double>::forward(geometry(s), x.data(), w.data(), outputs.data(), y.data());
    CHECK(ref::worst_error(y, ref::conv2d(s, x, w, outputs)) < 1e-13);
  }
}

}  // namespace
}  // namespace evenkeel
