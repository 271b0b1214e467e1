#include "evenkeel/core/array_ops.hpp"

#include "evenkeel/core/index.hpp"
#include "evenkeel/core/parallel.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace evenkeel;
using doctest::Contains;

namespace {

using Doubles = std::vector<double>;
using Integers = std::vector<std::int64_t>;

Array counting(const Shape& shape, DType dtype = DType::float64) {
  return Array::arange(0, static_cast<double>(numel(shape)), 1, dtype).reshape(shape);
}
Array index(const Integers& values, const Shape& shape) { return Array::from(values, shape); }
Array index(const Integers& values) { return index(values, {static_cast<std::int64_t>(values.size())}); }
Doubles values(const Array& x) { return x.to(DType::float64).to_vector<double>(); }

}  // namespace

TEST_CASE("concat_arrays") {
  const Array a = counting({2, 1});
  const Array b = counting({2, 3}).to(DType::float64);
  CHECK(values(concat_arrays({a, b}, 1)) == Doubles{0, 0, 1, 2, 1, 3, 4, 5});
  CHECK(values(concat_arrays({a, b}, -1)) == values(concat_arrays({a, b}, 1)));
  CHECK(values(concat_arrays({b, counting({1, 3})}, 0)) == Doubles{0, 1, 2, 3, 4, 5, 0, 1, 2});
  CHECK(values(concat_arrays({b.transpose(0, 1), counting({3, 0})}, 1)) == Doubles{0, 3, 1, 4, 2, 5});
  const Array copy = concat_arrays({a}, 0);
  CHECK_FALSE(copy.shares_storage(a));
  const Array mask = Array::ones({1}, DType::boolean);
  CHECK(concat_arrays({mask, mask}, 0).to_vector<bool>() == std::vector<bool>{true, true});
}

TEST_CASE("concat_arrays errors") {
  const Array x = counting({2, 3});
  CHECK_THROWS_WITH(concat_arrays({}, 0), "cat: the list of tensors must not be empty");
  CHECK_THROWS_WITH(concat_arrays({x, counting({3})}, 0),
                    "cat: Tensors must have same number of dimensions: got 2 and 1 (shapes [2, 3] and [3] of tensor "
                    "number 1)");
  CHECK_THROWS_WITH(concat_arrays({x, counting({2, 4})}, 0),
                    "cat: Sizes of tensors must match except in dimension 0, got [2, 3] and [2, 4] (tensor number 1)");
  CHECK_THROWS_WITH(concat_arrays({x, x.to(DType::float32)}, 0), Contains("got float64 and float32"));
  CHECK_THROWS_WITH(concat_arrays({Array::scalar(1.0)}, 0), Contains("zero-dimensional tensor"));
  CHECK_THROWS_AS(concat_arrays({x, x}, 2), IndexError);
}

TEST_CASE("index_select") {
  const Array x = counting({2, 3, 2});
  CHECK(values(index_select(x, 1, index({2, 0, 2}))) == Doubles{4, 5, 0, 1, 4, 5, 10, 11, 6, 7, 10, 11});
  CHECK(values(index_select(x, -1, index({1}))) == Doubles{1, 3, 5, 7, 9, 11});
  CHECK(index_select(x, 0, index({})).shape() == Shape{0, 3, 2});
  CHECK(index_select(counting({3, 0}), 0, index({1, 1})).shape() == Shape{2, 0});
  CHECK(values(index_select(x.transpose(0, 2), 0, index({1}))) == Doubles{1, 7, 3, 9, 5, 11});
  const Array every_other = index({0, 9, 1, 9}).slice(0, 0, 4, 2);
  CHECK(values(index_select(counting({3}), 0, every_other)) == Doubles{0, 1});
  CHECK_THROWS_WITH(index_select(x, 1, index({3})),
                    "index_select: index 3 is out of bounds for dimension 1 with size 3");
  CHECK_THROWS_AS(index_select(x, 1, index({-1})), IndexError);
  CHECK_THROWS_WITH(index_select(x, 1, Array::ones({1})), Contains("index must be int64, got float32"));
  CHECK_THROWS_WITH(index_select(x, 1, index({0}, {1, 1})), Contains("index must be a vector, got shape [1, 1]"));
  CHECK_THROWS_AS(index_select(Array::scalar(1.0), 0, index({0})), std::invalid_argument);
}

TEST_CASE("index_add_ is the adjoint of index_select") {
  Array x = Array::zeros({2, 3}, DType::float64);
  index_add_(x, 1, index({2, 0, 2, 2}), counting({2, 4}));
  CHECK(values(x) == Doubles{1, 0, 0 + 2 + 3, 5, 0, 4 + 6 + 7});
  Array view = x.transpose(0, 1);
  index_add_(view, 0, index({1}), Array::from(Doubles{10, 20}, {1, 2}));
  CHECK(values(x) == Doubles{1, 10, 5, 5, 20, 17});
  index_add_(x, 0, index({1, 1}), x);  // source and target share memory
  CHECK(values(x) == Doubles{1, 10, 5, 11, 50, 39});
  Array counts = Array::zeros({2}, DType::int64);
  index_add_(counts, 0, index({1, 1, 0}), Array::ones({3}, DType::int64));
  CHECK(values(counts) == Doubles{1, 2});
  index_add_(counts, 0, index({}), Array::ones({0}, DType::int64));
  CHECK(values(counts) == Doubles{1, 2});
}

TEST_CASE("index_add_ refuses before it writes") {
  Array x = Array::zeros({3}, DType::float64);
  const Array ones = Array::ones({2}, DType::float64);
  CHECK_THROWS_AS(index_add_(x, 0, index({0, 3}), ones), IndexError);
  CHECK_THROWS_WITH(index_add_(x, 0, index({0}), ones), Contains("source must have shape [1], got [2]"));
  CHECK_THROWS_WITH(index_add_(x, 0, index({0, 1}), Array::ones({2})),
                    Contains("target and source must have one dtype, got float64 and float32"));
  Array mask = Array::zeros({3}, DType::boolean);
  CHECK_THROWS_WITH(index_add_(mask, 0, index({0}), Array::ones({1}, DType::boolean)), Contains("got bool"));
  Array wide = x.slice(0, 0, 1).expand({3});
  CHECK_THROWS_AS(index_add_(wide, 0, index({0, 1}), ones), std::invalid_argument);
  CHECK(values(x) == Doubles{0, 0, 0});
}

TEST_CASE("gather") {
  const Array x = counting({2, 3});
  CHECK(values(gather(x, 1, index({2, 0, 1, 1}, {2, 2}))) == Doubles{2, 0, 4, 4});
  CHECK(values(gather(x, 0, index({1, 0, 1}, {1, 3}))) == Doubles{3, 1, 5});
  CHECK(values(gather(x, 1, index({2}, {1, 1}))) == Doubles{2});
  CHECK(values(gather(x.transpose(0, 1), 0, index({2, 0, 1, 1}, {2, 2}).transpose(0, 1))) == Doubles{2, 4, 0, 4});
  CHECK(values(gather(x, 1, index({1}, {1, 1}).expand({2, 2}))) == Doubles{1, 1, 4, 4});
  CHECK(gather(x, 1, Array::empty({2, 0}, DType::int64)).shape() == Shape{2, 0});
  CHECK(values(gather(Array::scalar(5.0), 0, Array::scalar(std::int64_t{0}))) == Doubles{5});
  CHECK(gather(x.to(DType::boolean), 1, index({0, 0}, {2, 1})).to_vector<bool>() == std::vector<bool>{false, true});
  CHECK_THROWS_WITH(gather(x, 1, index({3}, {1, 1})), "gather: index 3 is out of bounds for dimension 1 with size 3");
  CHECK_THROWS_WITH(gather(x, 1, index({0})), Contains("same number of dimensions"));
  CHECK_THROWS_WITH(gather(x, 1, Array::zeros({3, 1}, DType::int64)), Contains("Size does not match at dimension 0"));
  CHECK_THROWS_AS(gather(Array::scalar(5.0), 0, Array::scalar(std::int64_t{1})), IndexError);
}

TEST_CASE("scatter_add_ is the adjoint of gather") {
  Array x = Array::zeros({2, 3}, DType::float64);
  scatter_add_(x, 1, index({2, 2, 0, 1}, {2, 2}), Array::from(Doubles{1, 2, 3, 4}, {2, 2}));
  CHECK(values(x) == Doubles{0, 0, 3, 3, 4, 0});
  Array view = x.transpose(0, 1);
  scatter_add_(view, 0, index({0}, {1, 1}), counting({4, 4}).slice(0, 1, 4).slice(1, 1, 3));
  CHECK(values(x) == Doubles{5, 0, 3, 3, 4, 0});
  Array self = index({2, 1, 0});
  scatter_add_(self, 0, self, self);  // index and source share memory with the target
  CHECK(values(self) == Doubles{2 + 0, 1 + 1, 0 + 2});
  Array scalar = Array::scalar(1.0);
  scatter_add_(scalar, 0, Array::scalar(std::int64_t{0}), Array::scalar(2.5));
  CHECK(scalar.item() == 3.5);
  scatter_add_(x, 1, Array::empty({2, 0}, DType::int64), Array::ones({2, 3}, DType::float64));
  CHECK(values(x) == Doubles{5, 0, 3, 3, 4, 0});
  CHECK_THROWS_AS(scatter_add_(x, 1, index({0, 3}, {1, 2}), Array::ones({1, 2}, DType::float64)), IndexError);
  CHECK_THROWS_AS(scatter_add_(x, 1, index({0, 1}, {1, 2}), Array::ones({1, 1}, DType::float64)),
                  std::invalid_argument);
  CHECK(values(x) == Doubles{5, 0, 3, 3, 4, 0});
}

TEST_CASE("gather and scatter_add_ on several threads") {
  const Array x = counting({300, 7, 50});
  const Array places = index({3, 6, 3, 0}, {1, 4, 1}).expand({300, 4, 50});
  for (int threads : {1, 2}) {
    const ThreadsGuard guard(threads);
    const Array y = gather(x, 1, places);
    Array back = Array::zeros(x.shape(), DType::float64);
    scatter_add_(back, 1, places, y);
    Array added = Array::zeros(x.shape(), DType::float64);
    index_add_(added, 1, index({3, 6, 3, 0}), y);
    bool right = true;
    for (std::int64_t i = 0; i < 300; ++i) {
      for (std::int64_t j = 0; j < 7; ++j) {
        const double factor = j == 3 ? 2 : j == 6 || j == 0 ? 1 : 0;
        for (std::int64_t k = 0; k < 50; ++k) {
          const auto at = static_cast<std::size_t>((i * 7 + j) * 50 + k);
          const double expected = factor * static_cast<double>(at);
          right = right && back.span<double>()[at] == expected && added.span<double>()[at] == expected;
        }
      }
    }
    CHECK(right);
    CHECK(values(index_select(x, 1, index({3, 6, 3, 0}))) == values(y));
  }
}

TEST_CASE("pad") {
  const Array x = counting({2, 3});
  CHECK(values(pad(x, {1, 2}, -1)) == Doubles{-1, 0, 1, 2, -1, -1, -1, 3, 4, 5, -1, -1});
  CHECK(values(pad(x, {0, 0, 1, 0})) == Doubles{0, 0, 0, 0, 1, 2, 3, 4, 5});
  CHECK(values(pad(x, {-1, 1, 0, -1}, 7)) == Doubles{1, 2, 7});
  CHECK(values(pad(x, {-1, -1})) == Doubles{1, 4});
  CHECK(pad(x, {-1, -2}).shape() == Shape{2, 0});
  CHECK(values(pad(x.transpose(0, 1), {1, 0})) == Doubles{0, 0, 3, 0, 1, 4, 0, 2, 5});
  CHECK(values(pad(Array::empty({0}, DType::float64), {1, 1}, 3)) == Doubles{3, 3});
  CHECK(values(pad(counting({2}, DType::int64), {1, 0}, 9)) == Doubles{9, 0, 1});
  CHECK_FALSE(pad(x, {}).shares_storage(x));
  CHECK_THROWS_WITH(pad(x, {1}), Contains("Padding length must be divisible by 2"));
  CHECK_THROWS_WITH(pad(x, {1, 1, 1, 1, 1, 1}), Contains("Padding length too large"));
  CHECK_THROWS_WITH(pad(x, {-2, -2}),
                    Contains("The input size 3, plus negative padding -2 and -2 resulted in a negative"));
  CHECK_THROWS_AS(pad(x, {std::int64_t{1} << 62, std::int64_t{1} << 62}), std::invalid_argument);
}
