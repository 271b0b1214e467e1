#include "evenkeel/core/array.hpp"

#include "evenkeel/core/parallel.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

using namespace evenkeel;
using doctest::Contains;

namespace {

using Floats = std::vector<float>;
using Integers = std::vector<std::int64_t>;

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

// 0, 1, 2, ... as int64.
Array counting(const Shape& shape) {
  return Array::arange(0, static_cast<double>(numel(shape)), 1, DType::int64).reshape(shape);
}
Integers values(const Array& x) { return x.to_vector<std::int64_t>(); }

}  // namespace

TEST_CASE("factories") {
  CHECK(Array::zeros({2, 3}).to_vector<float>() == Floats(6, 0.0F));
  CHECK(Array::ones({3}, DType::boolean).to_vector<bool>() == std::vector<bool>(3, true));
  CHECK(Array::full({2}, -1.5, DType::float64).to_vector<double>() == std::vector<double>{-1.5, -1.5});
  CHECK(Array::empty({0, 3}).numel() == 0);
  CHECK(Array::empty({0, 3}).to_vector<float>().empty());
  const Array scalar = Array::scalar(2.5);
  CHECK(scalar.rank() == 0);
  CHECK(scalar.numel() == 1);
  CHECK(scalar.dtype() == DType::float64);
  const Array from = Array::from(Floats{1, 2, 3, 4, 5, 6}, {3, 2});
  CHECK(from.shape() == Shape{3, 2});
  CHECK(from.strides() == Shape{2, 1});
  CHECK(from.select(0, 2).to_vector<float>() == Floats{5, 6});
  const bool flags[] = {true, false};
  CHECK(Array::from(std::span<const bool>(flags), {2}).to_vector<bool>() == std::vector<bool>{true, false});
  CHECK_THROWS_WITH(Array::from(Floats{1, 2}, {3}), "from: shape [3] has 3 elements, got 2 values");
  CHECK_THROWS_WITH(Array::zeros({2, -1}), Contains("negative size -1"));
}

TEST_CASE("arange") {
  CHECK(Array::arange(1, 4).to_vector<float>() == Floats{1, 2, 3});
  CHECK(Array::arange(0, 1, 0.4).numel() == 3);
  CHECK(values(Array::arange(5, 0, -2, DType::int64)) == Integers{5, 3, 1});
  CHECK(Array::arange(2, 2).numel() == 0);
  CHECK_THROWS_WITH(Array::arange(0, 1, 0), Contains("step must be nonzero"));
  CHECK_THROWS_WITH(Array::arange(0, 1, -1), Contains("inconsistent with step sign"));
  CHECK_THROWS_WITH(Array::arange(0, INFINITY), Contains("unsupported range"));
  CHECK_THROWS_AS(Array::arange(0, 1, NAN), std::invalid_argument);
  CHECK_THROWS_AS(Array::arange(0, 1e300), std::invalid_argument);
}

TEST_CASE("an undefined array throws on use") {
  Array none;
  CHECK_FALSE(none.defined());
  CHECK_THROWS_WITH(none.raw(), Contains("undefined"));
  CHECK_THROWS_WITH(none.data<float>(), Contains("undefined"));
  CHECK_THROWS_AS(none.clone(), std::invalid_argument);
  CHECK_THROWS_AS(none.reshape({1}), std::invalid_argument);
  CHECK_THROWS_AS(none.to(DType::float64), std::invalid_argument);
  CHECK_THROWS_AS(none.fill_(1), std::invalid_argument);
  CHECK_THROWS_AS(none.copy_(Array::ones({1})), std::invalid_argument);
  CHECK_THROWS_AS(Array::ones({1}).copy_(none), std::invalid_argument);
  CHECK_THROWS_AS(none.item(), std::invalid_argument);
  CHECK_THROWS_AS(none.span<float>(), std::invalid_argument);
  CHECK_THROWS_AS(none.size(1), IndexError);
}

TEST_CASE("data asks for the right type") {
  Array x = Array::ones({2});
  CHECK_THROWS_WITH(x.data<double>(), "data: the array holds float32, but float64 was asked for");
  CHECK_THROWS_WITH(x.mutable_data<std::int64_t>(), Contains("int64 was asked for"));
  CHECK_THROWS_WITH(counting({2, 3}).transpose(0, 1).span<std::int64_t>(), Contains("not contiguous"));
  x.mutable_span<float>()[1] = 4;
  CHECK(x.span<float>()[1] == 4);
}

TEST_CASE("to_vector gives any number type, but no other numbers") {
  const Array x = Array::from(Floats{1, 0, -3, 7, 5, 6}, {2, 3}).transpose(0, 1);
  CHECK(x.to_vector<double>() == std::vector<double>{1, 7, 0, 5, -3, 6});
  CHECK(x.to_vector<int>() == std::vector<int>{1, 7, 0, 5, -3, 6});
  CHECK(Array::full({2}, 0.1, DType::float64).to_vector<float>() == Floats{0.1F, 0.1F});
  CHECK(Array::ones({2}, DType::boolean).to_vector<double>() == std::vector<double>{1, 1});
  CHECK(Array::full({1}, 1, DType::uint8).to_vector<bool>() == std::vector<bool>{true});
  CHECK(Array::scalar(kMost).to_vector<unsigned long long>()[0] == static_cast<unsigned long long>(kMost));
  CHECK(Array::scalar(-0x1p63).to_vector<std::int64_t>()[0] == kLeast);
  CHECK_THROWS_WITH(Array::scalar(1.5).to_vector<int>(),
                    "to_vector: values must be integers that the type asked for can hold, got 1.5");
  CHECK_THROWS_WITH(Array::scalar(0x1p63).to_vector<std::int64_t>(), Contains("got 9.22337e+18"));
  CHECK_THROWS_WITH(Array::scalar(NAN).to_vector<int>(), Contains("got nan"));
  CHECK_THROWS_WITH(Array::full({1}, 300, DType::int64).to_vector<std::uint8_t>(), Contains("got 300"));
  CHECK_THROWS_WITH(Array::full({1}, -1, DType::int64).to_vector<unsigned long>(), Contains("got -1"));
  CHECK_THROWS_WITH(Array::full({1}, 2).to_vector<bool>(), "to_vector: values must be 0 or 1, got 2");
}

TEST_CASE("copy, move and self-assignment") {
  Array a = counting({2, 2});
  Array b = a;
  CHECK(b.shares_storage(a));
  b.mutable_data<std::int64_t>()[0] = 9;
  CHECK(values(a)[0] == 9);
  Array& alias = a;
  a = alias;
  CHECK(values(a) == Integers{9, 1, 2, 3});
  a = std::move(alias);
  CHECK((!a.defined() || values(a) == Integers{9, 1, 2, 3}));
  const Array c = std::move(b);
  CHECK(values(c) == Integers{9, 1, 2, 3});
  CHECK_FALSE(b.defined());  // NOLINT: what is left after a move is part of the contract
  b = c.clone();
  CHECK_FALSE(b.shares_storage(c));
}

TEST_CASE("a view keeps its base alive") {
  Array view;
  {
    const Array base = counting({4, 5});
    view = base.slice(0, 1, 3).transpose(0, 1).select(0, 2);
  }
  const Array other = Array::full({20}, -1, DType::int64);
  CHECK(values(view) == Integers{7, 12});
}

TEST_CASE("item") {
  CHECK(Array::full({1, 1}, 2.5).item() == 2.5);
  CHECK(Array::scalar(true).item() == 1);
  CHECK_THROWS_WITH(Array::ones({2}).item(),
                    "item: a Tensor with 2 elements cannot be converted to Scalar (shape [2])");
  CHECK_THROWS_AS(Array::ones({0}).item(), std::invalid_argument);
  const std::int64_t label = 9007199254740993;  // 2^53 + 1, not a double
  CHECK(Array::scalar(label).item_int64() == label);
  CHECK(counting({3}).select(0, 2).item_int64() == 2);
  CHECK_THROWS_AS(counting({2}).item_int64(), std::invalid_argument);
  CHECK_THROWS_AS(Array::scalar(1.0).item_int64(), std::invalid_argument);
}

TEST_CASE("reshape views where strides allow and copies otherwise") {
  const Array x = counting({4, 6});
  CHECK(x.reshape({2, -1, 3}).shape() == Shape{2, 4, 3});
  CHECK(x.reshape({2, -1, 3}).shares_storage(x));
  CHECK(values(x.reshape({-1})) == values(x));
  CHECK(counting({1}).reshape({}).rank() == 0);
  CHECK(Array::scalar(1.0).reshape({1, -1, 1}).shape() == Shape{1, 1, 1});

  const Array split = x.transpose(0, 1).reshape({2, 3, 4});  // splitting a strided dim needs no copy
  CHECK(split.shares_storage(x));
  CHECK(split.strides() == Shape{3, 1, 6});
  CHECK(values(split) == values(x.transpose(0, 1)));
  const Array joined = x.slice(1, 0, 6, 2).reshape({12});  // rows of 3 at stride 2 are one even walk
  CHECK(joined.shares_storage(x));
  CHECK(values(joined) == Integers{0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22});
  const Array ones_between = x.transpose(0, 1).reshape({6, 1, 4, 1});
  CHECK(ones_between.shares_storage(x));

  const Array copied = counting({2, 3}).transpose(0, 1).reshape({6});
  CHECK(values(copied) == Integers{0, 3, 1, 4, 2, 5});
  CHECK_FALSE(x.transpose(0, 1).reshape({24}).shares_storage(x));
  CHECK(counting({1, 1}).expand({2, 3}).reshape({6}).strides() == Shape{0});
}

TEST_CASE("reshape of nothing") {
  const Array none = Array::empty({2, 0, 3});
  CHECK(none.reshape({0}).shape() == Shape{0});
  CHECK(none.reshape({-1, 3}).shape() == Shape{0, 3});
  CHECK(none.reshape({5, 0}).shape() == Shape{5, 0});
  CHECK_THROWS_WITH(none.reshape({-1, 0}), Contains("cannot reshape tensor of 0 elements into shape [-1, 0]"));
  CHECK_THROWS_WITH(none.reshape({1}), Contains("shape '[1]' is invalid for input of size 0"));
}

TEST_CASE("reshape errors") {
  CHECK_THROWS_WITH(counting({5}).reshape({2, 3}), "reshape: shape '[2, 3]' is invalid for input of size 5");
  CHECK_THROWS_WITH(counting({5}).reshape({-1, 3}), "reshape: shape '[-1, 3]' is invalid for input of size 5");
  CHECK_THROWS_WITH(counting({4}).reshape({-1, -1}), Contains("only one dimension can be inferred"));
  CHECK_THROWS_WITH(counting({4}).reshape({-2, 2}), Contains("invalid shape dimension -2"));
  CHECK_THROWS_AS(counting({4}).reshape({std::int64_t{1} << 40, std::int64_t{1} << 40}), std::invalid_argument);
}

TEST_CASE("flatten, squeeze, unsqueeze") {
  const Array x = counting({2, 1, 3, 1});
  CHECK(x.flatten().shape() == Shape{6});
  CHECK(x.flatten(1).shape() == Shape{2, 3});
  CHECK(x.flatten(-4, -3).shape() == Shape{2, 3, 1});
  CHECK(Array::scalar(1.0).flatten().shape() == Shape{1});
  CHECK(Array::empty({2, 0, 3}).flatten(1).shape() == Shape{2, 0});
  CHECK_THROWS_WITH(x.flatten(2, 1), Contains("start_dim cannot come after end_dim"));
  CHECK(x.squeeze().shape() == Shape{2, 3});
  CHECK(x.squeeze(1).shape() == Shape{2, 3, 1});
  CHECK(x.squeeze(0).shape() == x.shape());
  CHECK(Array::scalar(1.0).squeeze(0).rank() == 0);
  CHECK(x.unsqueeze(0).shape() == Shape{1, 2, 1, 3, 1});
  CHECK(x.unsqueeze(-1).shape() == Shape{2, 1, 3, 1, 1});
  CHECK(x.unsqueeze(2).is_contiguous());
  CHECK_THROWS_AS(x.unsqueeze(5), IndexError);
  CHECK_THROWS_AS(Array::empty({1, 1, 1, 1, 1, 1, 1, 1}).unsqueeze(0), std::invalid_argument);
}

TEST_CASE("transpose and permute") {
  const Array x = counting({2, 3, 4});
  CHECK(x.transpose(0, -1).shape() == Shape{4, 3, 2});
  CHECK(values(counting({2, 3}).transpose(0, 1)) == Integers{0, 3, 1, 4, 2, 5});
  const Array p = x.permute({2, 0, -2});
  CHECK(p.shape() == Shape{4, 2, 3});
  CHECK(p.select(0, 1).select(0, 1).select(0, 2).item() == 1 * 12 + 2 * 4 + 1);
  CHECK(values(p.permute({1, 2, 0})) == values(x));
  CHECK(Array::scalar(1.0).permute({}).rank() == 0);
  CHECK(Array::scalar(1.0).transpose(0, -1).rank() == 0);
  CHECK_THROWS_WITH(x.permute({0, 1}), Contains("does not match the length of the desired ordering"));
  CHECK_THROWS_WITH(x.permute({0, 1, 1}), Contains("appears multiple times"));
  CHECK_THROWS_AS(x.transpose(0, 3), IndexError);
}

TEST_CASE("slice clamps and steps") {
  const Array x = counting({10});
  CHECK(values(x.slice(0, 2, 5)) == Integers{2, 3, 4});
  CHECK(values(x.slice(0, -3, kMost)) == Integers{7, 8, 9});
  CHECK(values(x.slice(0, kLeast, -8)) == Integers{0, 1});
  CHECK(values(x.slice(0, 1, 10, 4)) == Integers{1, 5, 9});
  CHECK(values(x.slice(0, 3, 10, kMost)) == Integers{3});
  CHECK(values(x.slice(0, 1, 9, 2).slice(0, 1, 4, 2)) == Integers{3, 7});
  CHECK(x.slice(0, 5, 2).numel() == 0);
  CHECK(x.slice(0, 20, 30).numel() == 0);
  CHECK(x.slice(0, 20, 30).slice(0, 0, 5).numel() == 0);
  CHECK(values(counting({2, 3}).slice(1, 1, 3)) == Integers{1, 2, 4, 5});
  CHECK(Array::empty({0, 1000}).slice(1, 999, 1000).shape() == Shape{0, 1});
  CHECK_THROWS_WITH(x.slice(0, 0, 5, 0), Contains("slice step must be positive, got 0"));
  CHECK_THROWS_AS(x.slice(1, 0, 5), IndexError);
  CHECK_THROWS_WITH(Array::scalar(1.0).slice(0, 0, 1), Contains("0-dim"));
}

TEST_CASE("select checks its bounds") {
  const Array x = counting({2, 3});
  CHECK(values(x.select(0, -1)) == Integers{3, 4, 5});
  CHECK(values(x.select(-1, 1)) == Integers{1, 4});
  CHECK_THROWS_WITH(x.select(1, 3), "select: index 3 out of range for tensor of size [2, 3] at dimension 1");
  CHECK_THROWS_AS(x.select(1, -4), IndexError);
  CHECK_THROWS_AS(x.select(0, kLeast), IndexError);
  CHECK_THROWS_AS(Array::empty({0}).select(0, 0), IndexError);
  CHECK_THROWS_WITH(Array::scalar(1.0).select(0, 0), Contains("0-dim"));
}

TEST_CASE("expand") {
  const Array x = counting({3, 1});
  CHECK(values(x.expand({2, 3, 2})) == Integers{0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2});
  CHECK(x.expand({-1, 4}).shape() == Shape{3, 4});
  CHECK(x.expand({3, 0}).numel() == 0);
  CHECK(Array::scalar(2.0).expand({2, 2}).to_vector<double>() == std::vector<double>(4, 2.0));
  CHECK(x.expand({2, 3, 1}).has_overlap());
  CHECK_FALSE(x.expand({1, 3, 1}).has_overlap());
  CHECK_FALSE(x.has_overlap());
  CHECK_FALSE(x.expand({5, 3, 0}).has_overlap());
  CHECK_THROWS_WITH(counting({3}).expand({2, 4}),
                    "expand: The expanded size of the tensor (4) must match the existing size (3) at non-singleton "
                    "dimension 1.  Target sizes: [2, 4].  Tensor sizes: [3]");
  CHECK_THROWS_WITH(x.expand({3}), Contains("the number of sizes provided (1) must be greater or equal"));
  CHECK_THROWS_WITH(x.expand({-1, 3, 1}), Contains("isn't allowed in a leading, non-existing dimension 0"));
  CHECK_THROWS_AS(x.expand({3, -2}), std::invalid_argument);
}

TEST_CASE("a view whose elements share memory is not written") {
  Array wide = counting({1, 3}).expand({2, 3});
  const std::uint64_t version = wide.version();
  CHECK_THROWS_WITH(wide.fill_(0),
                    Contains("more than one element of the written-to tensor refers to a single memory"));
  CHECK_THROWS_AS(wide.copy_(counting({2, 3})), std::invalid_argument);
  CHECK_THROWS_AS(wide.mutable_raw(), std::invalid_argument);
  CHECK(values(wide) == Integers{0, 1, 2, 0, 1, 2});
  CHECK(wide.version() == version);
}

TEST_CASE("every write raises the version that all views share") {
  Array x = counting({4});
  const Array view = x.slice(0, 1, 3);
  const std::uint64_t before = view.version();
  x.mutable_data<std::int64_t>();
  CHECK(view.version() == before + 1);
  x.fill_(1);
  CHECK(view.version() == before + 2);
  x.copy_(counting({4}));
  CHECK(view.version() == before + 3);
  x.to_vector<std::int64_t>();
  x.clone();
  CHECK(view.version() == before + 3);
}

TEST_CASE("is_contiguous ignores dims of size 1") {
  const Array x = counting({2, 3, 4});
  CHECK(x.is_contiguous());
  CHECK_FALSE(x.transpose(0, 1).is_contiguous());
  CHECK(x.slice(0, 1, 2).transpose(0, 1).is_contiguous());
  CHECK(x.slice(0, 1, 2).is_contiguous());
  CHECK_FALSE(x.slice(1, 0, 2).is_contiguous());
  CHECK(x.slice(1, 0, 0).transpose(0, 2).is_contiguous());
  CHECK(x.contiguous().shares_storage(x));
  CHECK_FALSE(x.clone().shares_storage(x));
  const Array copy = x.permute({2, 1, 0}).contiguous();
  CHECK(copy.is_contiguous());
  CHECK(values(copy) == values(x.permute({2, 1, 0})));
}

TEST_CASE("a copy of any layout holds the logical order") {
  const ThreadsGuard guard(2);
  const Array x = counting({37, 1, 45, 61});  // large enough for several threads
  const auto at = [](std::int64_t i, std::int64_t j, std::int64_t k) { return (i * 45 + j) * 61 + k; };
  const Integers copy = values(x.permute({3, 1, 0, 2}).slice(0, 60, kMost).contiguous());
  const Integers tiled = values(x.permute({3, 0, 1, 2}).contiguous());
  const Integers stepped = values(x.slice(3, 1, 61, 2).clone());
  bool right = true;
  for (std::int64_t i = 0; i < 37; ++i) {
    for (std::int64_t j = 0; j < 45; ++j) {
      right = right && copy[static_cast<std::size_t>(i * 45 + j)] == at(i, j, 60);
      for (std::int64_t k = 0; k < 61; ++k) {
        right = right && tiled[static_cast<std::size_t>((k * 37 + i) * 45 + j)] == at(i, j, k);
      }
      for (std::int64_t k = 0; k < 30; ++k) {
        right = right && stepped[static_cast<std::size_t>((i * 45 + j) * 30 + k)] == at(i, j, 2 * k + 1);
      }
    }
  }
  CHECK(right);
}

TEST_CASE("writing through a transposed view") {
  for (const Shape& shape : {Shape{3, 5}, Shape{67, 33}, Shape{200, 301}}) {
    Array target = Array::zeros(shape, DType::float64);
    target.transpose(0, 1).copy_(counting({shape[1], shape[0]}));
    CHECK(target.transpose(0, 1).contiguous().to(DType::int64).to_vector<std::int64_t>() ==
          values(counting({shape[1], shape[0]})));
    CHECK(target.select(0, 1).select(0, 2).item() == static_cast<double>(2 * shape[0] + 1));
  }
}

TEST_CASE("copy_ broadcasts, converts and writes only its view") {
  Array x = Array::zeros({3, 4});
  x.slice(1, 1, 3).copy_(Array::from(Integers{7, 8}, {2}));
  CHECK(x.to_vector<float>() == Floats{0, 7, 8, 0, 0, 7, 8, 0, 0, 7, 8, 0});
  x.transpose(0, 1).slice(0, 0, 1).copy_(Array::scalar(-1.5));
  CHECK(x.select(1, 0).to_vector<float>() == Floats{-1.5F, -1.5F, -1.5F});
  x.slice(0, 1, 1).copy_(Array::ones({4}));
  CHECK(x.select(0, 1).to_vector<float>() == Floats{-1.5F, 7, 8, 0});
  CHECK_THROWS_AS(x.copy_(Array::ones({2, 3, 4})), std::invalid_argument);
  CHECK_THROWS_AS(x.copy_(Array::ones({5})), std::invalid_argument);
}

TEST_CASE("copy_ between overlapping views acts as if from a copy") {
  Array x = counting({6});
  x.slice(0, 1, 6).copy_(x.slice(0, 0, 5));
  CHECK(values(x) == Integers{0, 0, 1, 2, 3, 4});
  x = counting({6});
  x.slice(0, 0, 5).copy_(x.slice(0, 1, 6));
  CHECK(values(x) == Integers{1, 2, 3, 4, 5, 5});
  Array square = counting({3, 3});
  square.copy_(square.transpose(0, 1));
  CHECK(values(square) == Integers{0, 3, 6, 1, 4, 7, 2, 5, 8});
  square.copy_(square.select(0, 1));
  CHECK(values(square) == Integers{1, 4, 7, 1, 4, 7, 1, 4, 7});
  square.copy_(square);
  CHECK(values(square) == Integers{1, 4, 7, 1, 4, 7, 1, 4, 7});
}

TEST_CASE("fill_ writes a strided view only") {
  Array x = counting({3, 3});
  x.slice(1, 0, 3, 2).fill_(-1);
  CHECK(values(x) == Integers{-1, 1, -1, -1, 4, -1, -1, 7, -1});
  Array none = Array::empty({0});
  none.fill_(1);
  Array mask = Array::empty({2}, DType::boolean);
  mask.fill_(0.5);
  CHECK(mask.to_vector<bool>() == std::vector<bool>{true, true});
}

TEST_CASE("conversion truncates and saturates") {
  const Floats wild{-1.9F, 1.9F, NAN, INFINITY, -INFINITY, 3e18F, 1e30F, -0.0F, 255.5F, 254.9F};
  const Array x = Array::from(wild, {10});
  CHECK(values(x.to(DType::int64)) ==
        Integers{-1, 1, 0, kMost, kLeast, static_cast<std::int64_t>(3e18F), kMost, 0, 255, 254});
  CHECK(x.to(DType::uint8).to_vector<std::uint8_t>() ==
        std::vector<std::uint8_t>{0, 1, 0, 255, 0, 255, 255, 0, 255, 254});
  CHECK(x.to(DType::boolean).to_vector<bool>() ==
        std::vector<bool>{true, true, true, true, true, true, true, false, true, true});
  const Array edge = Array::from(std::vector<double>{0x1p63, -0x1p63, 9223372036854774784.0}, {3});
  CHECK(values(edge.to(DType::int64)) == Integers{kMost, kLeast, 9223372036854774784});
  CHECK(Array::from(Integers{300, -1, 255}, {3}).to(DType::uint8).to_vector<std::uint8_t>() ==
        std::vector<std::uint8_t>{44, 255, 255});
  CHECK(Array::from(Integers{256, 0}, {2}).to(DType::boolean).to_vector<bool>() == std::vector<bool>{true, false});
  CHECK(Array::from(std::vector<double>{1e300}, {1}).to(DType::float32).item() == INFINITY);
}

TEST_CASE("every dtype converts to every other") {
  const DType all[] = {DType::float32, DType::float64, DType::int64, DType::uint8, DType::boolean};
  const Array bits = Array::from(Integers{1, 0, 1, 1, 0, 0}, {2, 3});
  for (DType from : all) {
    for (DType to : all) {
      const Array y = bits.to(from).transpose(0, 1).to(to);
      CHECK(y.dtype() == to);
      CHECK(values(y.to(DType::int64).contiguous()) == Integers{1, 1, 0, 0, 1, 0});
    }
  }
  CHECK(bits.to(DType::int64).shares_storage(bits));
  CHECK(Array::empty({0, 2}).to(DType::int64).shape() == Shape{0, 2});
}
