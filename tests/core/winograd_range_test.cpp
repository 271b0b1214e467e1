#include "evenkeel/core/kernels/conv/algorithms.hpp"
#include "evenkeel/core/kernels/conv/conv.hpp"
#include "evenkeel/core/kernels/conv/winograd.hpp"
#include "evenkeel/core/parallel.hpp"
#include "tests/support/conv_geometry.hpp"
#include "tests/support/isa_guard.hpp"
#include "tests/support/reference.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

// Winograd's shares its rounding among the outputs of a tile. One large cell, NaN or infinity must not reach outputs
// that do not read it.

namespace evenkeel {
namespace {

namespace ref = reference;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
constexpr double kRounding = 0x1p-24;

ref::Values normal_values(std::int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> distribution;
  ref::Values values(ref::at(count));
  for (double& value : values) {
    value = double{distribution(engine)};
  }
  return values;
}

ref::Values squares(ref::Values values) {
  for (double& value : values) {
    value *= value;
  }
  return values;
}

enum class Pass { forward, input_gradient, weight_gradient };

/// What the loops make of the factors of a pass: x or dy, and the weight or dy.
ref::Values expected_of(const ref::Conv& s, Pass pass, const ref::Values& a, const ref::Values& b) {
  return pass == Pass::forward          ? ref::conv2d(s, a, b, {})
         : pass == Pass::input_gradient ? ref::conv2d_input_gradient(s, a, b)
                                        : ref::conv2d_weight_gradient(s, a, b);
}

std::vector<float> computed(const ref::Conv& s, Pass pass, const ref::Values& a, const ref::Values& b,
                            ConvAlgorithm algorithm) {
  const ConvGeometry g = ref::geometry(s);
  const ConvAlgorithmGuard guard(algorithm);
  const std::vector<float> fa = ref::cast<float>(a), fb = ref::cast<float>(b);
  if (pass == Pass::forward) {
    std::vector<float> y(ref::at(s.y_size()));
    kernels::conv2d(g, fa.data(), fb.data(), static_cast<const float*>(nullptr), y.data());
    return y;
  }
  if (pass == Pass::input_gradient) {
    std::vector<float> dx(ref::at(s.x_size()));
    kernels::conv2d_input_gradient(g, fa.data(), fb.data(), static_cast<const float*>(nullptr), dx.data());
    return dx;
  }
  std::vector<float> dw(ref::at(s.weight_size()));
  kernels::conv2d_weight_gradient(g, fa.data(), fb.data(), dw.data());
  return dw;
}

/// The largest error, in roundings of the root of the sum of the squares of an output's own products.
double worst_own_error(const std::vector<float>& actual, const ref::Values& expected, const ref::Values& own_squares) {
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (std::isfinite(expected[i])) {
      worst = std::max(worst, std::abs(double{actual[i]} - expected[i]) / std::sqrt(own_squares[i]) / kRounding);
    }
  }
  return worst;
}

struct Kinds {
  int nan = 0, infinite = 0;
  bool operator==(const Kinds&) const = default;
};
Kinds kinds(const std::vector<float>& values) {
  Kinds counts;
  for (const float value : values) {
    counts.nan += std::isnan(value) ? 1 : 0;
    counts.infinite += std::isinf(value) ? 1 : 0;
  }
  return counts;
}

/// `cell`, of a plane of the first factor's, or of the second's, is set to `value`.
void check_outlier(const ref::Conv& s, Pass pass, bool of_second, std::int64_t cell, double value) {
  CAPTURE(static_cast<int>(pass));
  CAPTURE(of_second);
  CAPTURE(cell);
  CAPTURE(value);
  ref::Values a = normal_values(pass == Pass::input_gradient ? s.y_size() : s.x_size(), 1);
  ref::Values b = normal_values(pass == Pass::weight_gradient ? s.y_size() : s.weight_size(), 2);
  (of_second ? b : a)[ref::at(3 * s.h * s.w + cell)] = value;
  const std::vector<float> actual = computed(s, pass, a, b, ConvAlgorithm::winograd);
  CHECK(kinds(actual) == kinds(computed(s, pass, a, b, ConvAlgorithm::depthwise)));
  if (std::isfinite(value)) {
    // 130 without the outlier, and four times as much as far as 100 passes as ordinary; before: 0.5 of the outlier.
    CHECK(worst_own_error(actual, expected_of(s, pass, a, b), expected_of(s, pass, squares(a), squares(b))) < 600);
  }
}

TEST_CASE("one large cell, NaN or infinity stays within the windows that read it") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    const ThreadsGuard threads(2);
    CAPTURE(name(isa));
    for (const std::int64_t channels : {32, 64, 16}) {
      const ref::Conv s{.n = channels == 16 ? 4 : 1,  // of four images tiles are stacked in registers
                        .c = channels,
                        .h = 16,
                        .w = 16,
                        .o = channels == 32 ? 24 : 16,
                        .kh = 3,
                        .kw = 3,
                        .pad_h = 1,
                        .pad_w = 1};
      for (const Pass pass : {Pass::forward, Pass::input_gradient, Pass::weight_gradient}) {
        for (const double value : {1e2, 1e4, 1e6, 1e30, kInf, -kInf, kNaN}) {
          check_outlier(s, pass, false, std::isfinite(value) ? 5 * 16 + 6 : 0, value);
        }
        check_outlier(s, pass, false, 15, 1e5);  // at the border, where some taps do not meet it
      }
      check_outlier(s, Pass::weight_gradient, true, 15, 1e5);
      check_outlier(s, Pass::weight_gradient, true, 5 * 16 + 6, kNaN);
      check_outlier(s, Pass::weight_gradient, true, 0, kInf);
    }
  }
}

TEST_CASE("a large cell of one block's tiles stays out of the outputs of another's that do not read it") {
  for (const bool stacked : {false, true}) {  // in registers that end within a row of tiles
    const ref::Conv s{.n = stacked ? 4 : 1, .c = 8, .h = 24, .w = 24, .o = 8, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1};
    for (const std::int64_t cell : {4 * 24 + 12, 8 * 24 + 12, 20 * 24 + 15, 13 * 24 + 8, 13 * 24 + 7, 7 * 24 + 16}) {
      for (const Pass pass : {Pass::forward, Pass::input_gradient}) {
        ref::Values a = normal_values(s.x_size(), 1);
        const ref::Values b = normal_values(s.weight_size(), 2);
        a[ref::at(cell)] = 1e5;
        const ref::Values expected = expected_of(s, pass, a, b), own = expected_of(s, pass, squares(a), squares(b));
        for (const Isa isa : supported_isas()) {
          const IsaGuard guard(isa);
          CAPTURE(name(isa));
          CAPTURE(cell);
          CHECK(worst_own_error(computed(s, pass, a, b, ConvAlgorithm::winograd), expected, own) < 600);
        }
      }
    }
  }
}

TEST_CASE("NaN and infinity in the last row or column stay out of the taps that do not read them") {
  const ref::Conv s{.c = 8, .h = 15, .w = 13, .o = 8, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1};
  for (const std::int64_t cell : {0, 12, 14 * 13, 14 * 13 + 12}) {
    for (const bool of_second : {false, true}) {
      check_outlier(s, Pass::weight_gradient, of_second, cell, kNaN);
      check_outlier(s, Pass::weight_gradient, of_second, cell, kInf);
    }
  }
}

TEST_CASE("plain sums for large values have the same bits with any number of threads") {
  const ref::Conv s{.n = 2, .c = 20, .h = 9, .w = 28, .o = 36, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1};
  ref::Values a = normal_values(s.x_size(), 1), b = normal_values(s.y_size(), 2);
  a[ref::at(5 * 28 + 6)] = b[ref::at(4 * 28 + 20)] = 1e6;
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    std::vector<float> results[2];
    for (const int threads : {1, 16}) {
      const ThreadsGuard team(threads);
      results[threads / 16] = computed(s, Pass::weight_gradient, a, b, ConvAlgorithm::winograd);
    }
    CHECK(results[0] == results[1]);
  }
}

TEST_CASE("half an image a million times as large as the other leaves the other's digits") {
  const ref::Conv s{.c = 32, .h = 16, .w = 16, .o = 16, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1};
  for (const Pass pass : {Pass::forward, Pass::input_gradient}) {
    ref::Values a = normal_values(pass == Pass::forward ? s.x_size() : s.y_size(), 1);
    const ref::Values b = normal_values(s.weight_size(), 2);
    for (std::size_t i = 0; i < a.size(); ++i) {
      a[i] *= i % 16 < 6 ? 1e6 : 1;
    }
    const std::vector<float> actual = computed(s, pass, a, b, ConvAlgorithm::winograd);
    CHECK(worst_own_error(actual, expected_of(s, pass, a, b), expected_of(s, pass, squares(a), squares(b))) < 600);
  }
}

TEST_CASE("NaN and infinity in a weight give what plain sums give") {
  const ref::Conv s{.c = 32, .h = 8, .w = 8, .o = 16, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1};
  for (const double value : {1e38, kInf, kNaN}) {
    for (const Pass pass : {Pass::forward, Pass::input_gradient}) {
      const ref::Values a = normal_values(pass == Pass::forward ? s.x_size() : s.y_size(), 1);
      ref::Values b = normal_values(s.weight_size(), 2);
      b[1000] = value;
      CHECK(kinds(computed(s, pass, a, b, ConvAlgorithm::winograd)) ==
            kinds(computed(s, pass, a, b, ConvAlgorithm::depthwise)));
    }
  }
}

/// Whether a pass took plain sums anywhere: their bits are those of the direct convolution.
TEST_CASE("dense, rectified and sparse images keep to Winograd's") {
  const ref::Conv s{.c = 32, .h = 16, .w = 16, .o = 16, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1};
  const ref::Values b = normal_values(s.weight_size(), 2);
  for (const double threshold : {-kInf, 0.0, 1.0}) {  // all, half and a sixth of the cells are not 0
    ref::Values a = normal_values(s.x_size(), 1);
    for (std::size_t i = 0; i < a.size(); ++i) {
      a[i] = a[i] > threshold && i % 256 / 16 < 11 ? a[i] : 0;  // and no channel has any in the last rows
    }
    const std::vector<float> winograd = computed(s, Pass::forward, a, b, ConvAlgorithm::winograd);
    const std::vector<float> direct = computed(s, Pass::forward, a, b, ConvAlgorithm::depthwise);
    int plain_tiles = 0;
    for (std::size_t tile = 0; tile < 16; ++tile) {
      bool same = true, zero = true;
      for (std::size_t o = 0; o < 16; ++o) {
        for (std::size_t cell = 0; cell < 16; ++cell) {
          const std::size_t i = o * 256 + (tile / 4 * 4 + cell / 4) * 16 + tile % 4 * 4 + cell % 4;
          same = same && winograd[i] == direct[i];
          zero = zero && direct[i] == 0;
        }
      }
      plain_tiles += same && !zero ? 1 : 0;
    }
    CHECK(plain_tiles == 0);
  }
}

TEST_CASE("a gradient over many tiles keeps float32's digits") {
  const ConvGeometry g{.batch = 65536,
                       .height = 4,
                       .width = 4,
                       .out_height = 4,
                       .out_width = 4,
                       .kernel_h = 3,
                       .kernel_w = 3,
                       .pad_top = 1,
                       .pad_left = 1};
  const std::vector<float> x(ref::at(g.x_size()), 0.1F), dy(ref::at(g.y_size()), 0.1F);
  const double product = double{0.1F} * double{0.1F} * static_cast<double>(g.batch);
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    std::vector<float> dw(9);
    kernels::WinogradConv<float>::weight_gradient(g, x.data(), dy.data(), dw.data());
    for (std::size_t tap = 0; tap < 9; ++tap) {
      const double expected = product * (tap / 3 == 1 ? 4 : 3) * (tap % 3 == 1 ? 4 : 3);
      CHECK(std::abs(double{dw[tap]} - expected) < 2e-6 * expected);  // 1e-5 by SSE2 if summed one after the other
    }
  }
}

}  // namespace
}  // namespace evenkeel
