// What tables and fixtures do not reach of sorting and indexing: NaN, equal elements, threads, and x[...] as users
// write it: views, assignments, proxies.

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/parallel.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <type_traits>

namespace evenkeel {
namespace {

using doctest::Contains;
using Values = std::vector<double>;
using Integers = std::vector<std::int64_t>;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

Tensor row(const Values& values, bool requires_grad = false) {
  return tensor(values, {std::ssize(values)}, requires_grad);
}
Tensor integers(const Integers& values) { return tensor(values, {std::ssize(values)}); }
Tensor counting(const Shape& shape, bool requires_grad = false) {
  return Tensor(Array::arange(0, static_cast<double>(numel(shape)), 1, DType::float64).reshape(shape), requires_grad);
}
Values values(const Tensor& x) { return x.to_vector<double>(); }
Integers indices(const Tensor& x) { return x.to_vector<std::int64_t>(); }

// What must not compile.
template <class T>
concept TakesIndex = requires(Tensor x, T index) {
  x[index];
};
template <class X, class V>
concept Assignable = requires(X x, V value) {
  x[0] = value;
};
static_assert(TakesIndex<int> && TakesIndex<std::size_t> && TakesIndex<Slice> && TakesIndex<Tensor>);
static_assert(!TakesIndex<bool> && !TakesIndex<double> && !TakesIndex<const char*>);
static_assert(Assignable<Tensor, Tensor> && Assignable<Tensor, int> && Assignable<Tensor, IndexedTensor>);
static_assert(!Assignable<const Tensor, Tensor> && !Assignable<const Tensor, int>);

}  // namespace

TEST_CASE("NaN sorts behind all numbers, equal elements keep their order") {
  for (const DType dtype : {DType::float64, DType::float32}) {  // which are sorted by keys of different width
    CAPTURE(name(dtype));
    const Tensor x = to(row({2, kNaN, -kInf, 2, kInf, -kNaN, -0.0, 0.0}), dtype);
    CHECK(indices(argsort(x)) == Integers{2, 6, 7, 0, 3, 4, 1, 5});
    CHECK(indices(argsort(x, 0, true)) == Integers{1, 5, 4, 0, 3, 6, 7, 2});
    CHECK(indices(topk(x, 3).indices) == Integers{1, 5, 4});
    CHECK(indices(topk(x, 2, -1, false).indices) == Integers{2, 6});
    const Values smallest = values(to(topk(x, 5, 0, false).values, DType::float64));
    CHECK(smallest == Values{-kInf, -0.0, 0.0, 2, 2});
    CHECK(std::signbit(smallest[1]));
    // Unsorted: in x's order.
    CHECK(indices(topk(x, 4, 0, true, false).indices) == Integers{0, 1, 4, 5});
    CHECK(indices(topk(x, 4, 0, false, false).indices) == Integers{0, 2, 6, 7});
  }
}

TEST_CASE("a few of many are what sorting all gives") {
  Generator generator(5);
  const Tensor x = to(randint(-40, 40, {1000}, generator), DType::float64);
  for (const bool largest : {true, false}) {
    const Integers all = indices(argsort(x, 0, largest));
    CHECK(indices(topk(x, 12, 0, largest).indices) == Integers(all.begin(), all.begin() + 12));
  }
}

TEST_CASE("sort takes every dtype, rank 0 and strided rows") {
  CHECK(indices(sort(integers({3, -1, 3, 0})).values) == Integers{-1, 0, 3, 3});
  CHECK(sort(to(integers({3, 0, 2}), DType::uint8), 0, true).values.to_vector<std::uint8_t>() ==
        std::vector<std::uint8_t>{3, 2, 0});
  CHECK(indices(argsort(to(integers({1, 0, 1, 0}), DType::boolean))) == Integers{1, 3, 0, 2});
  const auto scalar = sort(tensor<double>({5}, {}, true));
  CHECK(scalar.values.shape() == Shape{});
  CHECK(scalar.values.item() == 5);
  CHECK(scalar.indices.array().item_int64() == 0);
  CHECK(topk(zeros({}), 1).indices.rank() == 0);
}

TEST_CASE("sort, scatter and index_put_ give the same bits on one thread and on three") {
  Generator generator(3);
  const Tensor x = randn({50, 300}, generator), w = randn({50, 2000}, generator), v = randn({5000}, generator);
  const Tensor places = randint(0, 300, {50, 2000}, generator);
  const Tensor rows = randint(0, 50, {5000}, generator), columns = randint(0, 300, {5000}, generator);
  const auto all = [&] {
    std::vector<std::vector<float>> found;
    Tensor y = clone(x), z = clone(x);
    index_put_(y, {rows, columns}, v);
    index_put_(z, {rows, ellipsis}, x[{integers({0}), ellipsis}], true);
    for (const Tensor& each : {sort(x, 0).values, topk(x, 40).values, scatter(x, 1, places, w),
                               scatter_add(x, 1, places, w), y, z, x[{rows, columns}]}) {
      found.push_back(each.to_vector<float>());
    }
    return found;
  };
  const ThreadsGuard one(1);
  const auto expected = all();
  const ThreadsGuard three(3);
  CHECK(all() == expected);
}

TEST_CASE("parts of split and unbind are views whose changes arrive") {
  const Tensor x = counting({4, 2}, true);
  Tensor y = x * 1.0;
  std::vector<Tensor> parts = split(y, 3);
  mul_(parts[0], tensor<double>({10}, {}));
  CHECK(values(y) == Values{0, 10, 20, 30, 40, 50, 6, 7});
  sum(y).backward();
  CHECK(values(x.grad()) == Values{10, 10, 10, 10, 10, 10, 1, 1});
  CHECK(unbind(x, 1)[0].array().shares_storage(x.array()));
  CHECK(unbind(zeros({2, 0}), 1).empty());
  CHECK(split(zeros({0, 2}), 3).size() == 1);
  CHECK(chunk(zeros({5}), 4).size() == 3);  // of 2, 2 and 1
}

TEST_CASE("what x[...] reads without tensors is a view, with tensors a copy") {
  Tensor x = counting({2, 3, 4});
  CHECK(x[1].array().shares_storage(x.array()));
  CHECK(x[1].shape() == Shape{3, 4});
  CHECK(x[{1, 2, 3}].item() == 23);
  CHECK(x[1][2][3].item() == 23);
  CHECK(values(x[{ellipsis, Slice{-1, {}}, newaxis}]) == Values{3, 7, 11, 15, 19, 23});
  CHECK(x[{ellipsis, Slice{-1, {}}, newaxis}].shape() == Shape{2, 3, 1, 1});
  CHECK(x[{0, Slice{.stop = 2}, Slice{.step = 3}}].shape() == Shape{2, 2});
  CHECK(x[tensor<std::int64_t>({1}, {})].array().shares_storage(x.array()));  // rank 0: an integer
  CHECK_FALSE(x[integers({1})].array().shares_storage(x.array()));
  CHECK(values(x[gt(x, tensor<double>({21.5}, {}))]) == Values{22, 23});
  std::vector<Index> made{Index(0)};
  made.emplace_back(Slice{1, {}});
  CHECK(x[made].shape() == Shape{2, 4});
}

TEST_CASE("assignments through x[...]") {
  Tensor x = counting({3, 4});
  x[0] = 7;
  x[{1, Slice{1, 3}}] = row({-1, -2});
  x[{2, -1}] = x[{2, 0}];
  CHECK(values(x) == Values{7, 7, 7, 7, 4, -1, -2, 7, 8, 9, 10, 8});
  x[lt(x, tensor<double>({0}, {}))] = 0;
  x[{integers({0, 2}), integers({1, 1})}] = row({0.5, 0.25});
  x[2][2] = 99;
  CHECK(values(x) == Values{7, 0.5, 7, 7, 4, 0, 0, 7, 8, 0.25, 99, 8});
  x[{ellipsis, 0}] *= 2;
  x[1] += x[2];
  x[1] -= 1.0;
  x[integers({0, 0})] /= 2;  // once
  CHECK(values(x) == Values{7, 0.25, 3.5, 3.5, 23, -0.75, 98, 14, 16, 0.25, 99, 8});
  Tensor counts = zeros({3}, {.dtype = DType::int64});
  counts[1] = 5;
  index_put_(counts, integers({0, 2, 2}), integers({1, 1, 1}), true);
  CHECK(indices(counts) == Integers{1, 5, 2});
  Tensor mask = zeros({3}, {.dtype = DType::boolean});
  mask[integers({2})] = 1;
  CHECK(mask.to_vector<bool>() == std::vector<bool>{false, false, true});
}

TEST_CASE("the parts of an assignment may overlap") {
  Tensor x = counting({5});
  x[Slice{1, {}}] = x[Slice{0, 4}];
  CHECK(values(x) == Values{0, 0, 1, 2, 3});
  x[integers({4, 3, 2, 1, 0})] = x;
  CHECK(values(x) == Values{3, 2, 1, 0, 0});
}

TEST_CASE("a named x[...] is a tensor of its own") {
  Tensor x = counting({2, 2});
  auto first = x[0];
  first = row({5});
  CHECK(values(x) == Values{0, 1, 2, 3});
  CHECK(values(first) == Values{5});
  const auto second = x[1];
  CHECK(sum(second).item() == 5);
  const Tensor sliced = second;
  CHECK(sliced.is(second));
  first = x[1];
  CHECK(values(first) == Values{2, 3});
  const Tensor constant = x;
  static_assert(std::is_same_v<decltype(constant[0]), const Tensor>);
  CHECK(values(constant[{1, 1}]) == Values{3});
}

TEST_CASE("gradients of assignments: what was overwritten has none, the value of a view's element has its own") {
  const Tensor x = counting({3, 2}, true), v = row({10, 20}, true);
  Tensor y = x * 2.0;
  y[1] = v;
  y[{2, 0}] = 1;
  sum(y * y).backward();
  CHECK(values(x.grad()) == Values{0, 8, 0, 0, 0, 40});
  CHECK(values(v.grad()) == Values{20, 40});
  // Into a constant.
  Tensor z = zeros({2, 2}, {.dtype = DType::float64});
  z[{ellipsis, 1}] = v;
  CHECK(z.requires_grad());
  CHECK(values(grad({sum(z * z)}, {v})[0]) == Values{20, 40});
  // Through a view that was made before.
  Tensor w = x * 1.0;
  const Tensor part = w[Slice{1, {}}];
  w[{integers({1}), integers({0})}] = 3;
  CHECK(values(part) == Values{3, 3, 4, 5});
  CHECK(values(grad({sum(part)}, {x})[0]) == Values{0, 0, 0, 1, 1, 1});
}

TEST_CASE("of the values of one element the last one stays and has the gradient") {
  const Tensor v = row({1, 2, 3, 4}, true);
  Tensor x = zeros({3}, {.dtype = DType::float64});
  x[integers({0, 2, 0, -1})] = v;
  CHECK(values(x) == Values{3, 0, 4});
  CHECK(values(grad({sum(x * x)}, {v})[0]) == Values{0, 0, 6, 8});
  const Tensor s = scatter(zeros({3}, {.dtype = DType::float64}), 0, integers({0, 2, 0, 2}), v);
  CHECK(values(s) == Values{3, 0, 4});
  CHECK(values(grad({sum(s * s)}, {v})[0]) == Values{0, 0, 6, 8});
}

TEST_CASE("a leaf is assigned to outside recording only; what ops kept is missed") {
  Tensor leaf = counting({3}, true);
  CHECK_THROWS_WITH_AS(leaf[0] = 1, Contains("a leaf Variable that requires grad is being used in an in-place"),
                       StateError);
  CHECK_THROWS_AS(leaf[integers({0})] = 1, StateError);
  CHECK(values(leaf) == Values{0, 1, 2});
  {
    const NoGradGuard guard;
    leaf[0] = 5;
    leaf[integers({1})] = 6;
  }
  CHECK(values(leaf) == Values{5, 6, 2});
  CHECK(leaf.is_leaf());
  Tensor y = leaf * 1.0;
  const Tensor z = y * y;
  y[1] = 0;
  CHECK_THROWS_WITH(sum(z).backward(), Contains("'mul' needs its input 1 for backward, but it was changed in place"));
}

TEST_CASE("x[...] = 0 repairs in anomaly mode what it must not read") {
  const AnomalyGuard guard;
  Tensor x = row({1, kNaN, 3, kNaN});
  x[ne(x, x)] = 0;
  CHECK(values(x) == Values{1, 0, 3, 0});
  x = row({1, kInf});
  x[1] = 4;
  CHECK(values(x) == Values{1, 4});
}

TEST_CASE("a mask without dims takes all or nothing") {
  Tensor x = reshape(row({kNaN}), {});
  x[ne(x, x)] = 2;
  CHECK(x.item() == 2);
  x[lt(x, 0)] = 3;
  CHECK(x.item() == 2);
  const Tensor yes = gt(x, 1), no = lt(x, 1);
  CHECK(masked_select(x, yes).shape() == Shape{1});
  CHECK(masked_select(x, no).shape() == Shape{0});
  CHECK(counting({3, 2})[yes].shape() == Shape{1, 3, 2});
  CHECK(counting({3, 2})[no].shape() == Shape{0, 3, 2});
}

TEST_CASE("the formulas that begin with zeros write into them") {
  const Tensor x = counting({3, 2}, true);
  const Tensor source = x * 1.0;
  CHECK(values(index_add(source, 0, integers({1}), ones({1, 2}, {.dtype = DType::float64}))) ==
        Values{0, 1, 3, 4, 4, 5});
  CHECK(values(source) == Values{0, 1, 2, 3, 4, 5});  // somebody has it: a copy
  Tensor one = zeros({2}, {.dtype = DType::float64});
  const std::byte* memory = one.array().raw();
  const Tensor y = index_add(std::move(one), 0, integers({1}), row({1}));
  CHECK(y.array().raw() == memory);
}

TEST_CASE("one_hot infers the number of classes") {
  CHECK(one_hot(integers({2, 0})).shape() == Shape{2, 3});
  CHECK(indices(one_hot(integers({2, 0}))) == Integers{0, 0, 1, 1, 0, 0});
  CHECK(one_hot(integers({}), 4).shape() == Shape{0, 4});
}

}  // namespace evenkeel
