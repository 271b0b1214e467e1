// In-place ops: what is refused, what is noticed, what works.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/graph.hpp"
#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>

namespace evenkeel {
namespace {

using doctest::Contains;
using Values = std::vector<double>;

Tensor leaf(const Values& values) { return tensor(values, {static_cast<std::int64_t>(values.size())}, true); }
Tensor one() { return ones({}, {.dtype = DType::float64}); }

/// The places of the arrays that y's op keeps beside inputs and outputs, in what it saved.
std::vector<std::size_t> defined_extras(const Tensor& y) {
  std::vector<std::size_t> places;
  const auto& saved = y.meta()->node->saved;
  for (std::size_t i = 0; i < saved.size(); ++i) {
    if (saved[i].kind == SavedValue::Kind::extra && saved[i].value.defined()) {
      places.push_back(i);
    }
  }
  return places;
}

}  // namespace

TEST_CASE("a change of a kept output or input is noticed") {
  const Tensor x = leaf({1, -2});
  Tensor y = exp(x);
  y.mutable_array().fill_(3);
  CHECK_THROWS_WITH_AS(sum(y).backward(),
                       Contains("'exp' needs its output for backward, but it was changed in place: version"),
                       StateError);
  Tensor z = x * 2.0;
  const Tensor square_of_z = z * z;
  add_(z, one());
  CHECK_THROWS_WITH(sum(square_of_z).backward(), Contains("'mul' needs its input 1 for backward, but it was changed"));
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("relu_ works on a result that nobody keeps, and is refused after sigmoid") {
  const Tensor x = leaf({1, -2, 3});
  Tensor y = x + one();
  relu_(y);
  sum(y * y).backward();
  CHECK(x.grad().to_vector<double>() == Values{4, 0, 8});
  CHECK(y.op_name() == "relu_");
  Tensor s = sigmoid(x);
  relu_(s);
  CHECK_THROWS_WITH(sum(s).backward(), Contains("'sigmoid' needs its output for backward"));
}

TEST_CASE("relu_ works on a convolution's result, and is refused where silu kept its input") {
  Generator generator(4);
  const Tensor x = randn({2, 3, 5, 4}, generator), w = randn({6, 3, 3, 3}, generator, {.requires_grad = true});
  Tensor y = conv2d(x, w);
  relu_(y);
  const Tensor in_place = grad({sum(y)}, {w})[0];
  const Tensor plain = grad({sum(relu(conv2d(x, w)))}, {w})[0];
  CHECK(in_place.to_vector<float>() == plain.to_vector<float>());
  Tensor z = conv2d(x, w);
  const Tensor activated = silu(z);
  relu_(z);
  CHECK_THROWS_WITH(sum(activated).backward(), Contains("'silu' needs its input 0 for backward"));
}

TEST_CASE("a change after relu_ is noticed") {
  Tensor y = leaf({1, -2, 3}) * 1.0;
  relu_(y);
  add_(y, one());
  CHECK_THROWS_WITH(sum(y).backward(), Contains("'relu_' needs its output for backward"));
}

TEST_CASE("a leaf that requires gradients is changed outside recording only") {
  Tensor w = leaf({1, 2});
  CHECK_THROWS_WITH(add_(w, one()),
                    "add_: a leaf Variable that requires grad is being used in an in-place operation "
                    "(shape [2]); use NoGradGuard to change a parameter");
  CHECK(w.to_vector<double>() == Values{1, 2});
  {
    const NoGradGuard guard;
    add_(w, one());
  }
  CHECK(w.to_vector<double>() == Values{2, 3});
  CHECK(w.is_leaf());
}

TEST_CASE("an optimizer's step between forward and backward is noticed") {
  Tensor w = leaf({1, 2});
  const Tensor loss = sum(w * w);
  {
    const NoGradGuard guard;
    sub_(w, one());
  }
  CHECK_THROWS_WITH(loss.backward(), Contains("'mul' needs its input 1 for backward, but it was changed in place"));
  sum(w * w).backward();
  CHECK(w.grad().to_vector<double>() == Values{0, 2});
}

TEST_CASE("gradients of in-place arithmetic") {
  const Tensor a = leaf({2, 3}), b = leaf({5, 7});
  Tensor y = a * 1.0;
  mul_(y, b);           // ab
  sub_(y, a);           // ab - a
  add_(y, y.detach());  // ab - a + c, with c = 8 and 18
  div_(y, b);
  sum(y).backward();
  const Values da = a.grad().to_vector<double>(), db = b.grad().to_vector<double>();
  CHECK(da[0] == doctest::Approx(1 - 1.0 / 5));
  CHECK(da[1] == doctest::Approx(1 - 1.0 / 7));
  CHECK(db[0] == doctest::Approx(2.0 / 5 - 16.0 / 25));  // a/b - (ab - a + c)/b^2
  CHECK(db[1] == doctest::Approx(3.0 / 7 - 36.0 / 49));
}

TEST_CASE("a tensor without gradient becomes a result when a parameter is added to it") {
  const Tensor w = leaf({1, 2});
  Tensor y = zeros({2}, {.dtype = DType::float64});
  add_(y, w);
  CHECK(y.requires_grad());
  CHECK_FALSE(y.is_leaf());
  sum(y * y).backward();
  CHECK(w.grad().to_vector<double>() == Values{2, 4});
}

TEST_CASE("views and what they view are changed together, see shared_storage_test") {
  const Tensor x = leaf({1, -2, 3, 4});
  Tensor y = x * 1.0;
  Tensor view = reshape(y, {2, 2});
  mul_(view, view.detach());
  add_(view, one());
  CHECK(y.to_vector<double>() == Values{2, 5, 10, 17});
  CHECK(grad({sum(y)}, {x}, {}, {.retain_graph = true})[0].to_vector<double>() == Values{1, -2, 3, 4});
  relu_(y);
  CHECK(grad({sum(view * 2.0)}, {x}, {}, {.retain_graph = true})[0].to_vector<double>() == Values{2, -4, 6, 8});
  sum(reshape(y, {2, 2})).backward();
  CHECK(x.grad().to_vector<double>() == Values{1, -2, 3, 4});
  Tensor stretched = expand(zeros({1}), {3});
  CHECK_THROWS_WITH(add_(stretched, ones({3})),
                    Contains("more than one element of the written-to tensor refers to a single memory location"));
}

TEST_CASE("an input that the op itself overwrote can't be kept") {
  Tensor y = leaf({1, 2}) * 1.0;
  const Tensor before = y;
  y.mutable_array().fill_(5);
  record_in_place({.name = "careless_", .inputs = {before}, .keep = Keep::input(0)}, y,
                  [](const Saved& saved, const Tensor& dy) -> Grads { return {dy * saved.input(0)}; });
  CHECK_THROWS_WITH(sum(y).backward(), Contains("'careless_' needs its input 0 for backward, but it was changed"));
}

TEST_CASE("an array that is neither input nor output is kept, and its change noticed") {
  const Tensor x = leaf({1, 2});
  Array factor = Array::from(Values{3, 5}, {2});
  const auto scaled = [&](std::size_t read) {
    const Keep keep = Keep::extra(factor, Array()) | Keep::extra(x.array());
    return record({.name = "scaled", .inputs = {x}, .keep = keep}, x.array().clone(),
                  [read](const Saved& saved, const Tensor& dy) -> Grads {
                    CHECK_FALSE(saved.extra(1).defined());
                    return {dy * Tensor(saved.extra(read))};
                  });
  };
  sum(scaled(0)).backward();
  CHECK(x.grad().to_vector<double>() == Values{3, 5});
  CHECK(grad({sum(scaled(2))}, {x})[0].to_vector<double>() == Values{1, 2});
  CHECK_THROWS_WITH(sum(scaled(3)).backward(), Contains("'scaled' did not keep its extra array 3"));
  const Tensor y = scaled(0);
  factor.fill_(7);
  CHECK_THROWS_WITH_AS(sum(y).backward(),
                       Contains("'scaled' needs its extra array 0 for backward, but it was changed in place: version"),
                       StateError);
}

TEST_CASE("a change of the statistics that a norm hands out is noticed") {
  const Tensor x = leaf({1, 2, 4, 8, 16, 32});
  const GroupView view{1, 3, 2, 1};
  for (const bool of_mean : {true, false}) {
    Normalized n = normalize_groups(x, {}, {}, view, {2, 1}, {});
    (of_mean ? n.mean : n.var).fill_(1);
    CHECK_THROWS_WITH(sum(n.y).backward(), Contains("'normalize_groups' needs its extra array"));
  }
  GroupMoments s = group_moments(x, view);
  s.mean.mutable_array().fill_(0);
  CHECK_THROWS_WITH(sum(s.var).backward(), Contains("'group_moments' needs its output 1 for backward"));
  const auto alone = local_communicator();
  SyncNormalized synced = sync_normalize(x, {}, {}, {2, 1}, 1e-5, alone);
  synced.var.fill_(1);
  CHECK_THROWS_WITH(sum(synced.y).backward(), Contains("'sync_normalize' needs its extra array 1"));
}

TEST_CASE("what an op computes for its backward alone is declared") {
  struct Case {
    std::string name;
    std::size_t extras;
    std::function<Tensor(const Tensor&)> call;
  };
  const Tensor two = ones({2}, {.dtype = DType::float64});
  const Tensor targets = tensor(std::vector<std::int64_t>{0, 1, 0, 1, 1, 0, 1, 0}, {2, 4});
  const std::vector<Case> cases = {
      {"max_pool2d", 1, [](const Tensor& x) { return max_pool2d(x, {.kernel_size = 2}); }},
      {"max_pool2d", 1, [](const Tensor& x) { return max_pool2d(x, {.kernel_size = 2, .stride = 1, .dilation = 2}); }},
      {"local_response", 1, [](const Tensor& x) { return local_response(x, 3, 1, 0.75, 1); }},
      {"tanh_rows", 1, [&](const Tensor& x) { return tanh_rows(x, 12, two, {}, {}); }},
      {"affine_rows", 0, [&](const Tensor& x) { return affine_rows(x, 12, two, {}, {}); }},
      {"normalize_with", 2,
       [&](const Tensor& x) {
         return normalize_with(x, two, two, {}, {}, {2, 12}, 1e-5);
       }},
      {"cross_entropy", 2,
       [&](const Tensor& x) {
         return cross_entropy(reshape(x, {2, 3, 4}), targets);
       }},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Generator generator(5);
    const Tensor x = randn({1, 2, 3, 4}, generator, {.dtype = DType::float64, .requires_grad = true});
    REQUIRE(defined_extras(c.call(x)).size() == c.extras);
    for (std::size_t i = 0; i < c.extras; ++i) {
      const Tensor y = c.call(x);
      y.meta()->node->saved[defined_extras(y)[i]].value.mutable_raw();
      CHECK_THROWS_WITH(sum(y).backward(), Contains(("'" + c.name + "' needs its extra array").c_str()));
    }
  }
}

}  // namespace evenkeel
