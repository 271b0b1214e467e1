// What in-place ops record reaches every handle of the storage, or the handle is refused.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/function.hpp"
#include "evenkeel/autograd/gradcheck.hpp"
#include "evenkeel/autograd/graph.hpp"
#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

namespace evenkeel {
namespace {

using doctest::Contains;
using Values = std::vector<double>;

Tensor leaf(const Values& values) { return tensor(values, {static_cast<std::int64_t>(values.size())}, true); }
Tensor constant_of(const Values& values) { return tensor(values, {static_cast<std::int64_t>(values.size())}); }
Values grad_of(const Tensor& x) { return x.grad().defined() ? x.grad().to_vector<double>() : Values{}; }

struct View {
  std::string name;
  std::function<Tensor(const Tensor& x)> of;  // two of four elements
  Values changed;                             // which of the four they are
};

const std::vector<View>& views() {
  static const std::vector<View> all = {
      {"slice", [](const Tensor& x) { return slice(x, 0, 0, 2); }, {1, 1, 0, 0}},
      {"slice with a step", [](const Tensor& x) { return slice(x, 0, 1, 4, 2); }, {0, 1, 0, 1}},
      {"select",
       [](const Tensor& x) {
         return select(reshape(x, {2, 2}), 1, 1);
       },
       {0, 1, 0, 1}},
      {"reshape of a slice",
       [](const Tensor& x) {
         return flatten(reshape(slice(x, 0, 2, 4), {1, 2}));
       },
       {0, 0, 1, 1}},
      {"transpose",
       [](const Tensor& x) {
         return select(transpose(reshape(x, {2, 2}), 0, 1), 0, 0);
       },
       {1, 0, 1, 0}},
      {"permute",
       [](const Tensor& x) {
         return select(permute(reshape(x, {2, 2}), {1, 0}), 0, 1);
       },
       {0, 1, 0, 1}},
      {"squeeze", [](const Tensor& x) { return squeeze(unsqueeze(slice(x, 0, 1, 3), 0)); }, {0, 1, 1, 0}},
      {"expand",
       [](const Tensor& x) {
         return select(expand(unsqueeze(slice(x, 0, 1, 3), 0), {3, 2}), 0, 2);
       },
       {0, 1, 1, 0}},
  };
  return all;
}

/// Its values are the input's own, its gradient is not.
struct Reversed : autograd::Function<Reversed> {
  static constexpr std::string_view name = "reversed";
  static Tensor forward(autograd::FunctionContext&, const std::vector<Tensor>& in) {
    return reshape(in[0], in[0].shape());
  }
  static Grads backward(autograd::FunctionContext&, const Tensor& dy) { return {-dy}; }
};

}  // namespace

TEST_CASE("a change of a view reaches what it views") {
  for (const View& view : views()) {
    CAPTURE(view.name);
    const Tensor w = leaf({5, 7}), other = leaf({1, 1, 1, 1});
    Tensor base = zeros({4}, {.dtype = DType::float64}), part = view.of(base);
    add_(part, w);
    const Tensor loss = sum(base * 3.0 + other);
    loss.backward();
    CHECK(grad_of(w) == Values{3, 3});
    CHECK(grad_of(other) == Values{1, 1, 1, 1});
    CHECK(base.requires_grad());
    CHECK(base.op_name() == "copy_slices");
    CHECK(part.op_name() == "as_strided");
  }
}

TEST_CASE("a change of the base reaches views that were taken before") {
  for (const View& view : views()) {
    CAPTURE(view.name);
    const Tensor w = leaf({5, 6, 7, 8});
    Tensor base = ones({4}, {.dtype = DType::float64});
    const Tensor part = view.of(base);
    mul_(base, w);
    CHECK(part.requires_grad());
    sum(part * 3.0).backward();
    Values expected = view.changed;
    for (double& v : expected) {
      v *= 3;
    }
    CHECK(grad_of(w) == expected);
  }
}

TEST_CASE("a change of one view reaches another where the two overlap") {
  const Tensor w = leaf({5, 7});
  const Tensor base = ones({4}, {.dtype = DType::float64});
  Tensor front = slice(base, 0, 0, 2);
  const Tensor middle = slice(base, 0, 1, 3), back = slice(base, 0, 2, 4);
  const Tensor wide = expand(slice(base, 0, 0, 1), {3});
  mul_(front, w);
  sum(middle * 10.0).backward(Tensor(), true);
  CHECK(grad_of(w) == Values{0, 10});
  sum(back * 10.0).backward(Tensor(), true);
  CHECK(grad_of(w) == Values{0, 10});
  sum(wide).backward();
  CHECK(grad_of(w) == Values{3, 10});
}

TEST_CASE("the former values keep their way back, the overwritten ones get no more") {
  for (const View& view : views()) {
    CAPTURE(view.name);
    const Tensor x = leaf({1, 2, 3, 4}), w = leaf({5, 7});
    Tensor y = x * 2.0;
    Tensor part = view.of(y);
    const Tensor before = part.detach() + 0.0;
    mul_(part, w);
    sum(y * y).backward();
    const Values at = view.changed;
    Values dx(4), dw(2);
    for (std::size_t i = 0, k = 0; i < 4; ++i) {
      const double v = 2 * static_cast<double>(i + 1), factor = at[i] == 1 ? w.to_vector<double>()[k] : 1;
      dx[i] = 2 * v * factor * factor * 2;
      if (at[i] == 1) {
        dw[k++] = 2 * v * factor * v;
      }
    }
    CHECK(grad_of(x) == dx);
    CHECK(grad_of(w) == dw);
  }
}

TEST_CASE("chains: changes of base and views in turn") {
  const Tensor w = leaf({2, 3}), v = leaf({1, 1, 1, 1});
  Tensor base = ones({4}, {.dtype = DType::float64});
  Tensor part = slice(base, 0, 1, 3), inner = slice(part, 0, 1, 2);
  mul_(part, w);                   // 1, w0, w1, 1
  mul_(base, v);                   // v0, w0 v1, w1 v2, v3
  mul_(inner, slice(w, 0, 0, 1));  // the third: w1 v2 w0
  relu_(part);
  const Tensor loss = sum(base * constant_of({1, 10, 100, 1000}));
  CHECK(loss.item() == 1 + 20 + 600 + 1000);
  loss.backward();
  CHECK(grad_of(w) == Values{10 + 300, 200});
  CHECK(grad_of(v) == Values{1, 20, 600, 1000});
}

TEST_CASE("a function that overwrites parts of a tensor has the gradients of one that does not, twice") {
  const auto f = [](const std::vector<Tensor>& in) {
    Tensor y = in[0] * 1.5;
    Tensor column = select(y, 1, 1), block = slice(transpose(y, 0, 1), 0, 0, 2);
    mul_(column, in[1]);
    silu_(block);
    const Tensor whole = reshape(y, {6});
    sub_(y, exp(in[0]));
    return whole * whole;
  };
  Generator generator(3);
  const Tensor x = randn({2, 3}, generator, {.dtype = DType::float64, .requires_grad = true});
  const Tensor w = randn({2}, generator, {.dtype = DType::float64, .requires_grad = true});
  CHECK(gradcheck(f, {x, w}));
  CHECK(gradgradcheck(f, {x, w}));
}

TEST_CASE("a base that is not contiguous takes changes of its views") {
  const Tensor w = leaf({5, 7});
  Tensor base(Array::ones({3, 2}, DType::float64).slice(0, 0, 3, 2).transpose(0, 1));  // gaps, columns first
  Tensor row = select(base, 0, 1);
  mul_(row, w);
  sum(base * tensor(Values{1, 2, 3, 4}, {2, 2})).backward();
  CHECK(grad_of(w) == Values{3, 4});
}

TEST_CASE("a view of a leaf that requires gradients is not changed while recording") {
  const Tensor w = leaf({1, 2, 3, 4});
  Tensor part = slice(w, 0, 0, 2);
  const Tensor two = constant_of({2, 2});
  CHECK_THROWS_WITH_AS(mul_(part, two),
                       "mul_: a view of a leaf Variable that requires grad is being used in an in-place operation "
                       "(shape [4]); use NoGradGuard to change a parameter",
                       StateError);
  CHECK(w.to_vector<double>() == Values{1, 2, 3, 4});
  {
    const NoGradGuard guard;
    mul_(part, two);
  }
  sum(part).backward();
  CHECK(grad_of(w) == Values{1, 1, 0, 0});
}

TEST_CASE("a view taken under NoGradGuard is refused once it would lose a gradient") {
  const Tensor x = leaf({1, 2, 3, 4}), w = leaf({5, 7}), two = constant_of({2, 2});
  Tensor y = x * 1.0;
  Tensor part = no_grad([&] { return slice(y, 0, 0, 2); });
  CHECK_THROWS_WITH(mul_(part, w), Contains("the target is a view made by an op under NoGradGuard"));
  CHECK_THROWS_WITH(mul_(part, two), Contains("the target is a view made by an op under NoGradGuard"));
  CHECK(y.to_vector<double>() == Values{1, 2, 3, 4});
  CHECK(sum(part * two).item() == 6);  // a constant as long as nothing was recorded
  mul_(y, y.detach());
  CHECK_THROWS_WITH(part * two, Contains("mul: input 0 shares storage with a tensor that was changed in place"));
  const NoGradGuard guard;
  CHECK(sum(part * two).item() == 10);
}

TEST_CASE("a view of a constant taken under NoGradGuard: the view or the constant is refused") {
  const Tensor w = leaf({5, 7}), two = constant_of({2, 2});
  const auto view = [](const Tensor& base) { return no_grad([&] { return slice(base, 0, 0, 2); }); };
  const Tensor base = ones({4}, {.dtype = DType::float64});
  Tensor part = view(base);
  mul_(part, two);  // without gradients it is an ordinary change
  mul_(part, w);
  sum(part).backward();
  CHECK(grad_of(w) == Values{2, 2});
  CHECK_THROWS_WITH(base * 3.0, Contains("input 0 shares storage with a tensor that was changed in place"));
  Tensor other = ones({2}, {.dtype = DType::float64});
  const Tensor all = view(other);
  mul_(other, w);
  CHECK_THROWS_WITH(mul_(other, all), Contains("an input shares storage with a tensor that was changed in place"));
  CHECK_THROWS_WITH(all * two, Contains("input 0 shares storage"));
}

TEST_CASE("a detached handle is a constant; what is recorded on it is not lost by others") {
  const Tensor x = leaf({1, 2}), w = leaf({5, 7});
  Tensor y = x * 1.0;
  const Tensor constant = y.detach(), part = slice(constant, 0, 0, 1);
  mul_(y, w);
  CHECK_FALSE((constant * 2.0).requires_grad());
  CHECK_FALSE((part * 2.0).requires_grad());
  sum(y * constant).backward();
  CHECK(grad_of(w) == Values{5, 28});

  Tensor z = x * 1.0, apart = z.detach();
  const Tensor of_apart = slice(apart, 0, 1, 2), of_z = slice(z, 0, 1, 2);
  add_(apart, w);
  w.zero_grad();
  sum(apart * 3.0).backward(Tensor(), true);
  sum(of_apart).backward();
  CHECK(grad_of(w) == Values{3, 4});
  CHECK_THROWS_WITH_AS(z * 2.0, Contains("mul: input 0 shares storage with a tensor that was changed in place"),
                       StateError);
  CHECK_THROWS_WITH(of_z * 2.0, Contains("mul: input 0 shares storage"));
  CHECK_THROWS_WITH(relu_(z), Contains("relu_: the target shares storage"));
  CHECK_THROWS_WITH(sum(z), Contains("sum: input 0 shares storage"));
  CHECK_THROWS_WITH(grad({sum(apart)}, {z}), Contains("grad: input 0 shares storage"));
  CHECK_THROWS_WITH(z.backward(ones({2}, {.dtype = DType::float64})), Contains("element 0 of tensors shares storage"));
}

TEST_CASE("a handle around the same array") {
  const Tensor x = leaf({1, 2}), w = leaf({5, 7});
  Tensor y = x * 1.0;
  Tensor before(y.array());
  mul_(y, w);
  const Tensor after(y.array());
  CHECK_THROWS_WITH(before * 2.0, Contains("input 0 shares storage"));
  CHECK_THROWS_WITH(relu_(before), Contains("relu_: the target shares storage"));
  CHECK_FALSE((after * 2.0).requires_grad());
  sum(y).backward();
  CHECK(grad_of(w) == Values{1, 2});
}

TEST_CASE("a result that is no plain view of what it shares storage with") {
  const Tensor x = leaf({1, 2}), w = leaf({5, 7});
  Tensor y = x * 1.0, z = Reversed::apply({y});
  CHECK_THROWS_WITH(mul_(z, w), Contains("the target is a view made by 'reversed'"));
  sum(z).backward(Tensor(), true);
  CHECK(grad_of(x) == Values{-1, -1});
  mul_(y, w);
  CHECK_THROWS_WITH(z * 2.0, Contains("input 0 shares storage"));
  Tensor alone = Reversed::apply({x * 1.0});
  mul_(alone, w);
  x.zero_grad();
  sum(alone).backward();
  CHECK(grad_of(x) == Values{-5, -7});
}

TEST_CASE("gradients retained and set stay with the tensor, hooks with the values") {
  const Tensor x = leaf({1, 2});
  Tensor a = x * 3.0;
  a.retain_grad();
  double before = 0, after = 0;
  const std::size_t first =
      a.register_hook([&](const Tensor& g) { return before = g.to_vector<double>()[0], Tensor(); });
  mul_(a, constant_of({5, 5}));
  a.register_hook([&](const Tensor& g) { return after = g.to_vector<double>()[0], Tensor(); });
  const Tensor loss = sum(a * 2.0);
  loss.backward(Tensor(), true);
  CHECK(grad_of(a) == Values{2, 2});
  CHECK(before == 10);
  CHECK(after == 2);
  before = after = 0;
  a.remove_hook(first);
  loss.backward();
  CHECK(before == 0);
  CHECK(after == 2);
  CHECK(grad_of(a) == Values{4, 4});
  CHECK(grad_of(x) == Values{60, 60});
}

TEST_CASE("a view keeps its retained gradient and can remove its hooks when its base changes") {
  const Tensor x = leaf({1, 2, 3, 4});
  Tensor y = x * 3.0;
  const Tensor part = slice(y, 0, 0, 2);
  part.retain_grad();
  int calls = 0;
  const std::size_t id = part.register_hook([&](const Tensor&) { return ++calls, Tensor(); });
  const Tensor early = sum(part * 7.0);
  mul_(y, constant_of({2, 2, 2, 2}));
  const Tensor loss = early + sum(part * 5.0);
  loss.backward(Tensor(), true);
  CHECK(grad_of(part) == Values{5, 5});
  CHECK(grad_of(x) == Values{51, 51, 0, 0});
  CHECK(calls == 1);
  mul_(y, constant_of({2, 2, 2, 2}));
  CHECK(grad_of(part) == Values{5, 5});  // of the former values; those of now have none yet
  part.remove_hook(id);
  loss.backward();
  CHECK(calls == 1);
}

TEST_CASE("another array in a handle starts anew") {
  const Tensor w = leaf({5, 7});
  Tensor y = ones({2}, {.dtype = DType::float64}), part = slice(y, 0, 0, 1);
  mul_(y, w);
  part.mutable_array() = Array::ones({1}, DType::float64);
  CHECK_FALSE(part.outdated());
  add_(part, slice(w, 0, 1, 2));
  sum(part).backward();
  CHECK(grad_of(w) == Values{0, 1});
  sum(y).backward();
  CHECK(grad_of(w) == Values{1, 2});
}

TEST_CASE("views and in-place ops leave nothing behind") {
  const std::int64_t before = live_nodes();
  {
    const Tensor x = leaf({1, 2, 3, 4});
    Tensor y = x * 1.0, part = slice(y, 0, 0, 2), other = reshape(y, {2, 2});
    mul_(part, constant_of({1, 1}));
    mul_(y, constant_of({1, 1, 1, 1}));
    relu_(other);
    sum(other * other).backward();
    CHECK(grad_of(x) == Values{2, 4, 6, 8});
  }
  CHECK(live_nodes() == before);
}

}  // namespace evenkeel
