#include "evenkeel/core/error.hpp"

#include "evenkeel/core/dtype.hpp"
#include "evenkeel/core/shape.hpp"
#include "evenkeel/core/storage.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <new>
#include <stdexcept>
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

namespace {

template <class E, class Standard>
void check_kind() {
  const auto throws = [] { fail<E>("op", "text"); };
  CHECK_THROWS_WITH_AS(throws(), "op: text", E);
  CHECK_THROWS_AS(throws(), Standard);
  try {
    throws();
  } catch (const Error& error) {
    CHECK(error.text() == "op: text");
  }
  try {
    throws();
  } catch (const std::exception& error) {  // an E is one in one way only
    CHECK(std::string_view(error.what()) == "op: text");
  }
}

/// The fields that a message has.
std::array<std::string, 3> fields(std::initializer_list<detail::Part> message) {
  const ValueError error("op", message);
  return {error.argument(), error.expected(), error.actual()};
}

}  // namespace

TEST_CASE("each kind of error is its standard exception and an Error") {
  check_kind<ShapeError, std::invalid_argument>();
  check_kind<DtypeError, std::invalid_argument>();
  check_kind<ValueError, std::invalid_argument>();
  check_kind<IndexError, std::out_of_range>();
  check_kind<StateError, std::logic_error>();
  check_kind<FileError, std::runtime_error>();
  check_kind<IoError, FileError>();
  check_kind<OutOfMemory, std::bad_alloc>();
}

TEST_CASE("a message's words divide it into fields") {
  using Fields = std::array<std::string, 3>;
  CHECK(fields({"p must lie in [0, 1], got ", 2}) == Fields{"p", "lie in [0, 1]", "2"});
  CHECK(fields({"momentum must be at most 1, got ", 2, "; it weighs the new value"}) ==
        Fields{"momentum", "be at most 1", "2"});
  CHECK(fields({"expected ", 4, "D input (got ", 3, "D input of shape ", Shape{1, 2, 3}, ")"}) ==
        Fields{"", "4D input", "3D input of shape [1, 2, 3]"});
  CHECK(fields({"element ", 0, " - got dtype ", DType::int64, " but expected ", DType::float32}) ==
        Fields{"element 0 -", "float32", "dtype int64"});
  CHECK(fields({"got an undefined tensor"}) == Fields{"", "", "an undefined tensor"});
  CHECK(fields({"beta must not be 0"}) == Fields{"beta", "not be 0", ""});
  CHECK(fields({"integer division by zero"}) == Fields{"", "", "integer division by zero"});
  const std::string file = "what must I got";  // a caller's text says nothing about the message
  CHECK(fields({"'", file, "' is cut"}) == Fields{"", "", "'what must I got' is cut"});
}

TEST_CASE("an error learns the module and the place that called, the innermost ones") {
  ValueError error("conv2d", {"no ", 1});
  error.set_layer("Conv2d");
  error.set_path("features.0");
  error.set_layer("Sequential");
  error.set_path("features");
  CHECK(std::string(error.what()) == "Conv2d (features.0): conv2d: no 1");
  CHECK((error.op() == "conv2d" && error.layer() == "Conv2d" && error.path() == "features.0"));
  ValueError own("GroupNorm", {"no ", 1});
  own.set_layer("GroupNorm");
  CHECK(std::string(own.what()) == "GroupNorm: no 1");
}
