#include "evenkeel/core/kernels/pool/sliding_pool.hpp"

#include "evenkeel/core/kernels/pool/pool.hpp"
#include "evenkeel/core/parallel.hpp"
#include "tests/support/isa_guard.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

// The fast loops beside the general ones of core/kernels/pool/pool.hpp, which tests/core/pool_kernels_test.cpp checks.

namespace evenkeel {
namespace {

struct Axis {
  std::int64_t size, kernel, stride, pad, outputs;
};

const std::vector<Axis> kAxes = {{8, 2, 2, 0, 4},   {9, 2, 2, 0, 4},   {9, 2, 2, 1, 5},   {7, 3, 2, 1, 4},
                                 {34, 2, 2, 0, 17}, {37, 3, 2, 1, 19}, {33, 3, 1, 1, 33}, {12, 3, 1, 0, 10},
                                 {17, 5, 3, 2, 6},  {19, 1, 1, 0, 19}, {23, 2, 4, 0, 6},  {40, 4, 2, 2, 21},
                                 {10, 3, 2, 1, 6},  {65, 2, 2, 0, 32}};  // the last but one: ceil_mode hangs over

SlidingPool pool_of(std::int64_t planes, const Axis& rows, const Axis& columns) {
  return {planes,         rows.size,   columns.size,   rows.outputs, columns.outputs, rows.kernel,
          columns.kernel, rows.stride, columns.stride, rows.pad,     columns.pad};
}

PoolGeometry geometry_of(const SlidingPool& p) {
  return {p.planes, p.height, p.width, sliding_windows(p.height, p.out_height, p.kernel_h, p.stride_h, p.pad_h, 1),
          sliding_windows(p.width, p.out_width, p.kernel_w, p.stride_w, p.pad_w, 1)};
}

/// Few values, so that maxima tie, among them zeros of both signs, infinities and, if wanted, NaN.
template <class T>
std::vector<T> values(std::int64_t n, bool special) {
  std::mt19937 engine(static_cast<unsigned>(n));
  std::vector<T> result(static_cast<std::size_t>(n));
  for (T& value : result) {
    const auto draw = engine() % 24;
    value = static_cast<T>(draw) / 8 - 1;
    if (special && draw > 18) {
      value = -std::numeric_limits<T>::infinity();
    } else if (special && draw == 17) {
      value = std::numeric_limits<T>::quiet_NaN();
    } else if (draw == 16) {
      value = T(-0.0);
    }
  }
  return result;
}

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])))) {
      return false;
    }
  }
  return a.size() == b.size();
}

template <class T>
void check_maxima(const SlidingPool& p) {
  const PoolGeometry g = geometry_of(p);
  const auto inputs = static_cast<std::size_t>(p.planes * p.height * p.width);
  const auto outputs = static_cast<std::size_t>(p.planes * p.outputs());
  const std::vector<T> x = values<T>(static_cast<std::int64_t>(inputs), true);
  const std::vector<T> dy = values<T>(static_cast<std::int64_t>(outputs), false);
  std::vector<T> y(outputs), expected_y(outputs), dx(inputs, std::numeric_limits<T>::quiet_NaN()), expected_dx(inputs),
      gathered(outputs), expected(outputs);
  std::vector<std::int64_t> indices(outputs);
  std::vector<std::uint8_t> cells(outputs + static_cast<std::size_t>(kernels::kCellSlack));
  kernels::max_windows(g, x.data(), expected_y.data(), indices.data());
  kernels::scatter_windows(g, dy.data(), indices.data(), expected_dx.data());
  kernels::gather_windows(g, x.data(), indices.data(), expected.data());
  kernels::sliding_max(p, x.data(), y.data(), cells.data());
  kernels::sliding_max_gradient(p, dy.data(), cells.data(), dx.data());
  kernels::sliding_max_gather(p, x.data(), cells.data(), gathered.data());
  CHECK(same(y, expected_y));
  CHECK(same(dx, expected_dx));
  CHECK(same(gathered, expected));
}

template <class T>
void check_averages(const SlidingPool& p, PoolDivisor divisor) {
  const PoolGeometry g = geometry_of(p);
  const auto inputs = static_cast<std::size_t>(p.planes * p.height * p.width);
  const auto outputs = static_cast<std::size_t>(p.planes * p.outputs());
  const std::vector<T> x = values<T>(static_cast<std::int64_t>(inputs), false);
  const std::vector<T> dy = values<T>(static_cast<std::int64_t>(outputs), false);
  std::vector<T> y(outputs), expected_y(outputs), dx(inputs, std::numeric_limits<T>::quiet_NaN()), expected_dx(inputs);
  const std::vector<double> shares = shares_of(g, divisor);
  REQUIRE(static_cast<std::int64_t>(shares.size()) == p.outputs());
  kernels::average_windows(g, divisor, x.data(), expected_y.data());
  kernels::average_windows_gradient(g, divisor, dy.data(), expected_dx.data());
  kernels::sliding_sum(p, shares.data(), x.data(), y.data());
  kernels::sliding_sum_gradient(p, shares.data(), dy.data(), dx.data());
  CHECK(same(y, expected_y));
  CHECK(same(dx, expected_dx));
}

template <class F>
void for_each_pool(const F& check) {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    for (std::size_t i = 0; i < kAxes.size(); ++i) {
      const Axis& columns = kAxes[i];
      const Axis& rows = kAxes[(i * 5 + 3) % kAxes.size()];
      CAPTURE(name(isa));
      CAPTURE(rows.size);
      CAPTURE(columns.size);
      for (const std::int64_t planes : {1, 3}) {
        check(pool_of(planes, rows, columns));
        check(pool_of(planes, columns, columns));
      }
    }
  }
}

TEST_CASE("sliding maxima: value, place, gradient and its adjoint are the general loops', bit for bit") {
  for_each_pool([](const SlidingPool& p) {
    check_maxima<float>(p);
    check_maxima<double>(p);
  });
}

TEST_CASE("sliding averages are the general loops', bit for bit, for every divisor") {
  for_each_pool([](const SlidingPool& p) {
    check_averages<float>(p, {});
    check_averages<double>(p, {.count_include_pad = false});
    check_averages<float>(p, {.fixed = 7});
  });
}

TEST_CASE("many planes on several threads give the same") {
  const ThreadsGuard threads(3);
  const Axis axis{32, 2, 2, 0, 16};
  check_maxima<float>(pool_of(150, axis, axis));
  check_averages<float>(pool_of(150, axis, axis), {});
  check_maxima<double>(pool_of(0, axis, axis));
}

TEST_CASE("windows of too many cells, or too few to a row, are for the general loops") {
  const Axis wide{40, 2, 2, 0, 20};
  CHECK(kernels::is_sliding_pool(pool_of(1, wide, wide)));
  CHECK_FALSE(kernels::is_sliding_pool(pool_of(1, wide, {7, 7, 1, 0, 1})));
  CHECK_FALSE(kernels::is_sliding_pool(pool_of(1, {40, 9, 1, 0, 32}, {40, 8, 1, 0, 33})));
}

}  // namespace
}  // namespace evenkeel
