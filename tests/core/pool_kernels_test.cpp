#include "evenkeel/core/kernels/pool/pool.hpp"
#include "evenkeel/core/parallel.hpp"
#include "tests/support/reference.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <ostream>
#include <tuple>
#include <vector>

namespace evenkeel {
namespace {

namespace ref = reference;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

PoolGeometry geometry(const ref::Pool& s) {
  return {s.planes, s.h, s.w, sliding_windows(s.h, s.oh, s.kh, s.stride_h, s.pad_h, s.dilation_h),
          sliding_windows(s.w, s.ow, s.kw, s.stride_w, s.pad_w, s.dilation_w)};
}

const std::vector<ref::Pool> kCases = {
    {.planes = 6, .h = 8, .w = 6, .oh = 4, .ow = 3, .kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2},
    {.planes = 3, .h = 9, .w = 7, .oh = 4, .ow = 3, .kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2},
    {.planes = 2,
     .h = 7,
     .w = 10,
     .oh = 4,
     .ow = 4,
     .kh = 3,
     .kw = 2,
     .stride_h = 2,
     .stride_w = 3,
     .pad_h = 1,
     .pad_w = 1},
    {.planes = 2, .h = 6, .w = 5, .oh = 6, .ow = 5, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1},  // overlapping
    {.planes = 2,
     .h = 4,
     .w = 4,
     .oh = 3,
     .ow = 3,
     .kh = 3,
     .kw = 3,
     .stride_h = 2,
     .stride_w = 2,
     .pad_h = 1,
     .pad_w = 1},
    {.planes = 1, .h = 7, .w = 5, .oh = 1, .ow = 1, .kh = 7, .kw = 5},  // global
    {.planes = 70, .h = 33, .w = 32, .oh = 1, .ow = 1, .kh = 33, .kw = 32},
    {.planes = 3, .h = 6, .w = 40, .oh = 2, .ow = 2, .kh = 3, .kw = 20, .stride_h = 3, .stride_w = 20},
    {.planes = 1, .h = 1, .w = 1, .oh = 1, .ow = 1},
    {.planes = 0, .h = 4, .w = 4, .oh = 2, .ow = 2, .kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2},
};

template <class T>
void check_max(const ref::Pool& s, const ref::Values& x) {
  const PoolGeometry g = geometry(s);
  const ref::MaxPooled expected = ref::max_pool2d(s, x);
  std::vector<T> y(expected.values.size(), T(7));
  std::vector<std::int64_t> indices(y.size(), -1);
  kernels::max_windows(g, ref::cast<T>(x).data(), y.data(), indices.data());
  CHECK(ref::worst_error(y, expected.values) == 0);
  CHECK(indices == expected.indices);

  const ref::Values dy = ref::random_values(static_cast<std::int64_t>(y.size()), 2);
  ref::Values expected_dx(x.size(), 0.0);
  for (std::size_t i = 0; i < dy.size(); ++i) {
    expected_dx[i / ref::at(s.oh * s.ow) * ref::at(s.h * s.w) + ref::at(expected.indices[i])] += dy[i];
  }
  std::vector<T> dx(x.size(), static_cast<T>(kNaN));
  kernels::scatter_windows(g, ref::cast<T>(dy).data(), indices.data(), dx.data());
  CHECK(ref::worst_error(dx, expected_dx) < 1e-6);
  std::vector<T> gathered(y.size());
  kernels::gather_windows(g, ref::cast<T>(x).data(), indices.data(), gathered.data());
  CHECK(ref::worst_error(gathered, expected.values) == 0);
}

TEST_CASE("max_pool2d equals plain loops") {
  for (ref::Pool s : kCases) {
    CAPTURE(s.h);
    CAPTURE(s.w);
    const ref::Values x = ref::random_values(s.planes * s.h * s.w, 1);
    check_max<double>(s, x);
    check_max<float>(s, x);
  }
  const ref::Pool dilated{.planes = 2,
                          .h = 9,
                          .w = 11,
                          .oh = 4,
                          .ow = 3,
                          .kh = 3,
                          .kw = 2,
                          .stride_h = 2,
                          .stride_w = 3,
                          .pad_h = 1,
                          .pad_w = 1,
                          .dilation_h = 2,
                          .dilation_w = 5};
  check_max<double>(dilated, ref::random_values(2 * 9 * 11, 1));
}

TEST_CASE("max_pool2d: padding is minus infinity, ties go to the first, NaN wins") {
  const ref::Pool padded{
      .h = 3, .w = 3, .oh = 2, .ow = 2, .kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1};
  check_max<float>(padded, {-5, -4, -3, -9, -8, -7, -6, -2, -1});
  const ref::Pool square{.h = 2, .w = 2, .oh = 1, .ow = 1, .kh = 2, .kw = 2};
  for (const auto& [x, value, index] :
       std::vector<std::tuple<std::vector<double>, double, std::int64_t>>{{{1, 3, 3, 3}, 3, 1},
                                                                          {{-kInf, -kInf, -kInf, -kInf}, -kInf, 0},
                                                                          {{kNaN, kNaN, kNaN, kNaN}, kNaN, 3},
                                                                          {{5, kNaN, 7, 1}, kNaN, 1},
                                                                          {{0, -0.0, 0, 0}, 0, 0}}) {
    std::vector<double> y(1);
    std::vector<std::int64_t> indices(1, -1);
    kernels::max_windows(geometry(square), x.data(), y.data(), indices.data());
    CHECK(ref::worst_error(y, {value}) == 0);
    CHECK(indices[0] == index);
  }
}

template <class T>
void check_average(const ref::Pool& s, const ref::Divisor& divisor, double tolerance) {
  const PoolGeometry g = geometry(s);
  const PoolDivisor how{divisor.count_include_pad, divisor.fixed};
  const ref::Values x = ref::random_values(s.planes * s.h * s.w, 1);
  const ref::Values dy = ref::random_values(s.planes * s.oh * s.ow, 2);
  ref::Values expected_y(dy.size(), 0.0), expected_dx(x.size(), 0.0);
  ref::for_each_average(s, divisor, [&](std::size_t cell, std::size_t output, double share) {
    expected_y[output] += x[cell] * share;
    expected_dx[cell] += dy[output] * share;
  });
  std::vector<T> y(dy.size(), static_cast<T>(kNaN)), dx(x.size(), static_cast<T>(kNaN));
  kernels::average_windows(g, how, ref::cast<T>(x).data(), y.data());
  kernels::average_windows_gradient(g, how, ref::cast<T>(dy).data(), dx.data());
  CHECK(ref::worst_error(y, expected_y) < tolerance);
  CHECK(ref::worst_error(dx, expected_dx) < tolerance);
}

TEST_CASE("avg_pool2d and its gradient equal plain loops, with every divisor") {
  for (const ref::Pool& s : kCases) {
    CAPTURE(s.h);
    CAPTURE(s.w);
    for (const ref::Divisor& divisor : {ref::Divisor{true, 0}, ref::Divisor{false, 0}, ref::Divisor{true, 5}}) {
      check_average<double>(s, divisor, 1e-13);
      check_average<float>(s, divisor, 1e-6);
    }
  }
}

TEST_CASE("avg_pool2d divides by the cells that are there where ceil_mode hangs over") {
  const ref::Pool s{
      .h = 4, .w = 4, .oh = 3, .ow = 3, .kh = 3, .kw = 3, .stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1};
  ref::Values x(16);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<double>(i);
  }
  ref::Values y(9);
  kernels::average_windows(geometry(s), {}, x.data(), y.data());
  // By hand: corner (0 + 1 + 4 + 5) / 9; last column (3 + 7) / 6, as one of three columns lies beyond the padding.
  CHECK(y[0] == doctest::Approx(10.0 / 9));
  CHECK(y[2] == doctest::Approx(10.0 / 6));
  CHECK(y[8] == doctest::Approx(15.0 / 4));
}

TEST_CASE("adaptive averages equal plain loops, also for larger outputs") {
  for (const ref::Pool& s : std::vector<ref::Pool>{{.planes = 2, .h = 10, .w = 5, .oh = 3, .ow = 3},
                                                   {.planes = 3, .h = 3, .w = 4, .oh = 5, .ow = 7},
                                                   {.planes = 2, .h = 7, .w = 5, .oh = 1, .ow = 1},
                                                   {.planes = 2, .h = 1, .w = 1, .oh = 1, .ow = 1},
                                                   {.planes = 2, .h = 6, .w = 8, .oh = 6, .ow = 8}}) {
    const PoolGeometry g{s.planes, s.h, s.w, adaptive_windows(s.h, s.oh), adaptive_windows(s.w, s.ow)};
    const ref::Values x = ref::random_values(s.planes * s.h * s.w, 1);
    const ref::Values dy = ref::random_values(s.planes * s.oh * s.ow, 2);
    ref::Values expected_y(dy.size(), 0.0), expected_dx(x.size(), 0.0);
    ref::for_each_adaptive_average(s, [&](std::size_t cell, std::size_t output, double share) {
      expected_y[output] += x[cell] * share;
      expected_dx[cell] += dy[output] * share;
    });
    std::vector<double> y(dy.size(), kNaN), dx(x.size(), kNaN);
    kernels::average_windows(g, {}, x.data(), y.data());
    kernels::average_windows_gradient(g, {}, dy.data(), dx.data());
    CHECK(ref::worst_error(y, expected_y) < 1e-14);
    CHECK(ref::worst_error(dx, expected_dx) < 1e-14);
  }
}

TEST_CASE("a global average of many equal values is exact enough") {
  const std::vector<float> x(1'000'000, 0.1F);
  float y = 0;
  const PoolGeometry g{1, 1000, 1000, adaptive_windows(1000, 1), adaptive_windows(1000, 1)};
  kernels::average_windows(g, {}, x.data(), &y);
  CHECK(y == doctest::Approx(0.1).epsilon(1e-6));
}

TEST_CASE("pools give the same bits with any number of threads") {
  const ref::Pool s{.planes = 90,
                    .h = 31,
                    .w = 32,
                    .oh = 16,
                    .ow = 11,
                    .kh = 3,
                    .kw = 3,
                    .stride_h = 2,
                    .stride_w = 3,
                    .pad_h = 1,
                    .pad_w = 1};
  for (const int threads : {1, 3}) {
    const ThreadsGuard guard(threads);
    check_max<float>(s, ref::random_values(s.planes * s.h * s.w, 1));
    check_average<float>(s, {}, 1e-6);
  }
}

}  // namespace
}  // namespace evenkeel
