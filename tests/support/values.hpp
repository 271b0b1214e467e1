#pragma once

// Numbers for tests of tensors, and the ways to compare them.

#include "evenkeel/autograd/tensor.hpp"
#include "tests/support/reference.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace evenkeel::test {

/// Values in [-1, 1), exact in float32, the same for the same seed.
inline Tensor random(const Shape& shape, unsigned seed, DType dtype = DType::float64) {
  return Tensor(Array::from(reference::random_values(numel(shape), seed), shape).to(dtype));
}

/// The values of any float or integer dtype.
inline std::vector<double> doubles(const Array& array) { return array.to(DType::float64).to_vector<double>(); }
inline std::vector<double> doubles(const Tensor& t) { return doubles(t.array()); }

/// |actual - expected| <= tolerance (1 + |expected|) for every element; shapes equal.
inline void check_close(const Array& actual, const Array& expected, double tolerance, const std::string& what) {
  CAPTURE(what);
  REQUIRE_MESSAGE(actual.shape() == expected.shape(), concat("got ", actual.shape(), ", expected ", expected.shape()));
  const std::vector<double> a = doubles(actual), e = doubles(expected);
  double worst = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double error = std::abs(a[i] - e[i]) / (1 + std::abs(e[i]));
    if (!(error <= worst)) {
      worst = error;
      at = i;
    }
  }
  CHECK_MESSAGE(worst <= tolerance,
                concat("element ", at, ": got ", a.empty() ? 0 : a[at], ", expected ", e.empty() ? 0 : e[at]));
}

inline void check_close(const Tensor& actual, const Tensor& expected, double tolerance,
                        const std::string& what = "tensors") {
  check_close(actual.array(), expected.array(), tolerance, what);
}
/// The same for values without a shape.
inline void check_close(const std::vector<double>& actual, const std::vector<double>& expected, double tolerance,
                        const std::string& what = "values") {
  const auto flat = [](const std::vector<double>& v) { return Array::from(v, {std::ssize(v)}); };
  check_close(flat(actual), flat(expected), tolerance, what);
}

/// max |a - b| / max |b|: for results whose small elements stem from large ones. All of `a` must be finite.
inline double relative_error(const Array& actual, const Array& expected) {
  REQUIRE(actual.shape() == expected.shape());
  const std::vector<double> a = doubles(actual), b = doubles(expected);
  double error = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(std::isfinite(a[i]));
    error = std::max(error, std::abs(a[i] - b[i]));
    size = std::max(size, std::abs(b[i]));
  }
  return error == 0 ? 0 : error / size;
}

}  // namespace evenkeel::test
