#include "evenkeel/core/shape.hpp"

#include "evenkeel/core/dtype.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <sstream>
#include <type_traits>

using namespace evenkeel;
using doctest::Contains;

namespace {
constexpr std::int64_t kHuge = std::int64_t{1} << 40;
}

TEST_CASE("Shape is a short list") {
  Shape shape{2, 3};
  shape.push_back(5);
  shape.insert(0, 7);
  CHECK(shape == Shape{7, 2, 3, 5});
  shape.erase(1);
  CHECK(shape == Shape{7, 3, 5});
  CHECK(shape.back() == 5);
  CHECK(shape != Shape{7, 3});
  CHECK(Shape{} != Shape{1});
  CHECK(Shape::filled(3, 4) == Shape{4, 4, 4});
  CHECK(Shape(std::vector<std::int64_t>{1, 2}) == Shape{1, 2});
  CHECK(Shape(7) == Shape{7});
  static_assert(std::is_convertible_v<int, Shape> && std::is_convertible_v<std::size_t, Shape>);
  static_assert(!std::is_convertible_v<bool, Shape> && !std::is_convertible_v<double, Shape>);
  std::ostringstream text;
  text << shape << Shape{} << Shape{-1};
  CHECK(text.str() == "[7, 3, 5][][-1]");
}

TEST_CASE("Shape holds at most eight values") {
  Shape full = Shape::filled(Shape::kMaxRank, 1);
  CHECK_THROWS_WITH(full.push_back(1), Contains("at most 8 dims"));
  CHECK(full.rank() == 8);
  CHECK_THROWS_WITH(Shape(std::vector<std::int64_t>(9, 1)), "shape: at most 8 dims are supported, got 9");
  CHECK_THROWS_AS(Shape::filled(9, 1), std::invalid_argument);
  CHECK_THROWS_AS(Shape::filled(-1, 1), std::invalid_argument);
  CHECK_THROWS_AS(Shape{}.erase(0), IndexError);
  CHECK_THROWS_AS(Shape{}.insert(1, 2), IndexError);
}

TEST_CASE("numel is checked") {
  CHECK(numel({}) == 1);
  CHECK(numel({2, 3, 5}) == 30);
  CHECK(numel({2, 0, 5}) == 0);
  CHECK(numel({1 << 16, 1 << 16}) == std::int64_t{1} << 32);
  CHECK_THROWS_WITH(numel({2, -3}, "zeros"), "zeros: negative size -3 in shape [2, -3]");
  CHECK_THROWS_WITH(numel({kHuge, kHuge}, "zeros"), Contains("more elements than 64-bit integers can count"));
  CHECK_THROWS_AS(numel({kHuge, 0, kHuge}), std::invalid_argument);
}

TEST_CASE("contiguous_strides") {
  CHECK(contiguous_strides({}) == Shape{});
  CHECK(contiguous_strides({4, 1, 3}) == Shape{3, 3, 1});
  CHECK(contiguous_strides({4, 0, 3}) == Shape{3, 3, 1});
}

TEST_CASE("broadcast_shapes aligns at the right") {
  CHECK(broadcast_shapes({2, 3}, {3}, "add") == Shape{2, 3});
  CHECK(broadcast_shapes({3}, {2, 3}, "add") == Shape{2, 3});
  CHECK(broadcast_shapes({4, 1, 3}, {5, 1}, "add") == Shape{4, 5, 3});
  CHECK(broadcast_shapes({}, {2, 1}, "add") == Shape{2, 1});
  CHECK(broadcast_shapes({0, 3}, {1, 3}, "add") == Shape{0, 3});
  CHECK(broadcast_shapes({1}, {0}, "add") == Shape{0});
  CHECK_THROWS_WITH(broadcast_shapes({2, 3}, {2, 4}, "add"),
                    "add: The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1; "
                    "shapes are [2, 3] and [2, 4]");
  CHECK_THROWS_WITH(broadcast_shapes({3}, {0}, "mul"), Contains("shapes are [3] and [0]"));
}

TEST_CASE("normalize_dim") {
  CHECK(normalize_dim(-1, 3, "sum") == 2);
  CHECK(normalize_dim(0, 3, "sum") == 0);
  CHECK(normalize_dim(0, 0, "sum") == 0);
  CHECK(normalize_dim(-1, 0, "sum") == 0);
  CHECK_THROWS_WITH(normalize_dim(3, 3, "sum"),
                    "sum: Dimension out of range (expected to be in range of [-3, 2], but got 3)");
  CHECK_THROWS_AS(normalize_dim(-4, 3, "sum"), IndexError);
  CHECK_THROWS_AS(normalize_dim(1, 0, "sum"), IndexError);
  CHECK_THROWS_AS(normalize_dim(std::numeric_limits<std::int64_t>::min(), 3, "sum"), IndexError);
}

TEST_CASE("normalize_dims sorts and refuses duplicates") {
  CHECK(normalize_dims({-1, 0}, 3, "sum") == Dims{0, 2});
  CHECK(normalize_dims({}, 3, "sum") == Dims{0, 1, 2});
  CHECK(normalize_dims({}, 0, "sum") == Dims{});
  CHECK(normalize_dims({-1}, 0, "sum") == Dims{});
  CHECK_THROWS_WITH(normalize_dims({1, -2}, 3, "sum"), Contains("dim -2 appears multiple times"));
}

TEST_CASE("reduced_shape") {
  CHECK(reduced_shape({2, 3, 5}, {0, 2}, false) == Shape{3});
  CHECK(reduced_shape({2, 3, 5}, {0, 2}, true) == Shape{1, 3, 1});
  CHECK(reduced_shape({2}, {0}, false) == Shape{});
}

TEST_CASE("dtypes have names and sizes") {
  for (DType dtype : {DType::float32, DType::float64, DType::int64, DType::uint8, DType::boolean}) {
    CHECK(dtype_from_name(name(dtype)) == dtype);
  }
  CHECK(name(DType::boolean) == "bool");
  CHECK(item_size(DType::float32) == 4);
  CHECK(item_size(DType::float64) == 8);
  CHECK(item_size(DType::int64) == 8);
  CHECK(item_size(DType::uint8) == 1);
  CHECK(item_size(DType::boolean) == 1);
  CHECK_THROWS_WITH(dtype_from_name("float16"), Contains("unknown name \"float16\""));
  CHECK_THROWS_WITH(dispatch_float(DType::int64, "exp", []<class T>() {}),
                    "exp: dtype must be float32 or float64, got int64");
}
