#include "evenkeel/core/error.hpp"

#include "evenkeel/core/dtype.hpp"
#include "evenkeel/core/shape.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

using namespace evenkeel;

TEST_CASE("concat writes texts, numbers and what has a to_string") {
  const std::string text = "text";
  CHECK(concat() == "");
  CHECK(concat("a", 'b', text, std::string_view("view").substr(1), std::string("temporary")) == "abtextiewtemporary");
  CHECK(concat(-3, " ", 1234567, " ", std::int64_t{-9223372036854775807 - 1}, " ", 18446744073709551615u) ==
        "-3 1234567 -9223372036854775808 18446744073709551615");
  CHECK(concat(true, std::uint8_t{65}, std::int8_t{-1}) == "165-1");
  CHECK(concat(Shape{2, 3}, Shape{}, DType::boolean) == "[2, 3][]bool");
}

TEST_CASE("concat writes floating-point numbers as %g does") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  CHECK(concat(1.0, " ", 0.1f, " ", 1e-5, " ", 123456789.0, " ", -2.5, " ", 1e300, " ", -0.0) ==
        "1 0.1 1e-05 1.23457e+08 -2.5 1e+300 -0");
  CHECK(concat(kInfinity, " ", -kInfinity, " ", std::numeric_limits<double>::quiet_NaN()) == "inf -inf nan");
  CHECK(concat(std::numeric_limits<double>::denorm_min()) == "4.94066e-324");
}

TEST_CASE("fail and require name the op") {
  CHECK_THROWS_WITH_AS(fail("conv2d", "got ", Shape{1}, " of ", DType::int64), "conv2d: got [1] of int64",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(require(false, "relu", "no ", 1), "relu: no 1", std::invalid_argument);
  CHECK_NOTHROW(require(true, "relu", "no ", 1));
}
