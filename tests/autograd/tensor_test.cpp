#include "evenkeel/autograd/tensor.hpp"

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace evenkeel {
namespace {

using doctest::Contains;

std::string printed(const Tensor& x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

}  // namespace

TEST_CASE("an undefined tensor says so") {
  const Tensor none;
  CHECK_FALSE(none.defined());
  CHECK_FALSE(none.requires_grad());
  CHECK_FALSE(none.grad().defined());
  CHECK_FALSE(Tensor(Array()).defined());
  CHECK_THROWS_WITH(none.shape(), "Tensor: this tensor is undefined");
  CHECK_THROWS(Tensor(Array(), true));
  CHECK(printed(none) == "tensor(undefined)");
}

TEST_CASE("copies share the handle, detach shares the values") {
  Tensor x = tensor<float>({1, 2, 3}, {3}, true);
  const Tensor same = x;
  CHECK(same.is(x));
  CHECK_FALSE(x.is_unshared());
  const Tensor detached = x.detach();
  CHECK_FALSE(detached.is(x));
  CHECK_FALSE(detached.requires_grad());
  CHECK(detached.array().shares_storage(x.array()));
  x.mutable_array().fill_(7);
  CHECK(detached.to_vector<float>() == std::vector<float>{7, 7, 7});
  CHECK(same.to_vector<float>() == std::vector<float>{7, 7, 7});
  CHECK(zeros({2}).is_unshared());
}

TEST_CASE("requires_grad_ belongs to leaves of floating dtype") {
  Tensor x = zeros({2, 3});
  CHECK(x.is_leaf());
  CHECK(x.op_name().empty());
  CHECK_FALSE(x.requires_grad());
  CHECK(x.requires_grad_().requires_grad());
  const Tensor y = x * 2.0;
  CHECK_FALSE(y.is_leaf());
  CHECK(y.op_name() == "mul");
  Tensor result = y;
  CHECK_THROWS_WITH(result.requires_grad_(false),
                    Contains("you can only change requires_grad flags of leaf variables; this is the result of 'mul'"));
  CHECK(result.requires_grad_().requires_grad());
  CHECK_FALSE(x.requires_grad_(false).requires_grad());
  CHECK_FALSE((x * 2.0).requires_grad());
  Generator generator(1);
  Tensor labels = randint(0, 10, {4}, generator);
  CHECK_THROWS_WITH(labels.requires_grad_(), Contains("only Tensors of floating point dtype can require gradients"));
  CHECK_THROWS(tensor<std::int64_t>({1}, {1}, true));
}

TEST_CASE("set_grad checks what it gets") {
  Tensor x = zeros({2, 3}, {.requires_grad = true});
  CHECK_THROWS_WITH(x.set_grad(zeros({3, 2})), "set_grad: grad must have the tensor's shape [2, 3], got [3, 2]");
  CHECK_THROWS_WITH(x.set_grad(zeros({2, 3}, {.dtype = DType::float64})),
                    "set_grad: grad must be float32, as the tensor, got float64");
  CHECK_THROWS_WITH(x.set_grad(x), Contains("its own grad"));
  const Tensor mine = full({2, 3}, 4);
  x.set_grad(mine);
  CHECK(x.grad().is(mine));
  x.zero_grad(false);
  CHECK(x.grad().to_vector<float>() == std::vector<float>(6, 0));
  CHECK(mine.to_vector<float>() == std::vector<float>(6, 4));
  x.set_grad({});
  CHECK_FALSE(x.grad().defined());
  Tensor plain = zeros({2});
  plain.zero_grad();
  plain.set_grad({});
  plain.set_grad(ones({2}));
  CHECK(plain.grad().defined());
  CHECK_FALSE(plain.requires_grad());
  CHECK_THROWS_WITH(plain.retain_grad(), Contains("can't retain_grad on a tensor that has requires_grad=false"));
}

TEST_CASE("a converted parameter goes on as a leaf of its new dtype") {
  Tensor w = tensor<float>({1, 2}, {2}, true);
  w.mutable_array() = w.array().to(DType::float64);
  sum(w * w).backward();
  CHECK(w.grad().to_vector<double>() == std::vector<double>{2, 4});
}

TEST_CASE("a parameter with other data takes gradients of its new shape and dtype only") {
  const Tensor w = tensor<float>({1, 2}, {2}, true), y = w * 2.0f, loss = sum(y);
  w.set_data(w.array().to(DType::float64));
  CHECK_THROWS_WITH(loss.backward({}, true), Contains("got dtype float32 but expected float64"));
  w.set_data(Array::ones({3}));
  CHECK_THROWS_WITH(loss.backward({}, true), Contains("got [2] but expected shape compatible with [3]"));
  CHECK_FALSE(w.grad().defined());
  w.set_data(Array::from(std::vector<float>{5, 6}, {2}));
  loss.backward();
  CHECK(w.grad().to_vector<float>() == std::vector<float>{2, 2});
  CHECK_THROWS_WITH(y.set_data(Array::ones({2})), Contains("set_data: takes a defined array for a leaf"));
  CHECK_THROWS(w.set_data(Array()));
}

TEST_CASE("factories") {
  CHECK(zeros({2, 1}).to_vector<float>() == std::vector<float>{0, 0});
  CHECK(ones({2}, {.dtype = DType::int64}).to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 1});
  const Tensor filled = full({}, 2.5, {.dtype = DType::float64, .requires_grad = true});
  CHECK(filled.item() == 2.5);
  CHECK(filled.requires_grad());
  CHECK(filled.rank() == 0);
  CHECK(arange(1, 2, 0.25).to_vector<float>() == std::vector<float>{1, 1.25, 1.5, 1.75});
  CHECK(tensor<double>({1, 2, 3, 4, 5, 6}, {3, 2}).size(-1) == 2);
  CHECK_THROWS(tensor<double>({1, 2, 3}, {2}));
  Generator a(5), b(5);
  CHECK(randn({3, 4}, a).to_vector<float>() == randn({3, 4}, b).to_vector<float>());
  for (const float v : rand({100}, a).to_vector<float>()) {
    CHECK((v >= 0 && v < 1));
  }
  for (const std::int64_t v : randint(-2, 3, {100}, a).to_vector<std::int64_t>()) {
    CHECK((v >= -2 && v < 3));
  }
  std::vector<std::int64_t> permutation = randperm(9, a).to_vector<std::int64_t>();
  std::sort(permutation.begin(), permutation.end());
  CHECK(permutation == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("printing adds the place in the graph") {
  const Tensor x = tensor<float>({1, 2}, {2}, true);
  CHECK(printed(x.detach()) == "tensor([1., 2.])");
  CHECK(printed(x) == "tensor([1., 2.], requires_grad=True)");
  CHECK(printed(x * 2.0) == "tensor([2., 4.], grad_fn=<mul>)");
  // The suffix goes to a line of its own where the last line has no room for it, as in PyTorch.
  CHECK(printed(ones({12}, {.requires_grad = true})) ==
        "tensor([1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.], requires_grad=True)");
  CHECK(printed(ones({13}, {.requires_grad = true})) ==
        "tensor([1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.],\n       requires_grad=True)");
}

TEST_CASE("grad mode nests, and is restored when an exception leaves") {
  const Tensor x = ones({2}, {.requires_grad = true});
  CHECK(grad_enabled());
  {
    const NoGradGuard outer;
    CHECK_FALSE((x * 2.0).requires_grad());
    {
      const GradModeGuard inner(true);
      CHECK((x * 2.0).requires_grad());
    }
    CHECK_FALSE(grad_enabled());
  }
  CHECK(grad_enabled());
  CHECK_THROWS(no_grad([] { throw std::runtime_error("out"); }));
  CHECK(grad_enabled());
  CHECK_FALSE(no_grad([&] { return x * 2.0; }).requires_grad());
}

TEST_CASE("grad mode is a matter of each thread") {
  const NoGradGuard guard;
  bool other = false;
  std::thread([&] { other = grad_enabled(); }).join();
  CHECK(other);
  CHECK_FALSE(grad_enabled());
}

TEST_CASE("a const handle: flags, gradients and hooks of its tensor can be changed, dim and to as in PyTorch") {
  const Tensor x = tensor<double>({1, 2, 3}, {3, 1});
  CHECK(x.dim() == 2);
  CHECK(x.requires_grad_().is(x));
  CHECK(x.requires_grad());
  int calls = 0;
  const std::size_t hook = x.register_hook([&](const Tensor&) {
    ++calls;
    return Tensor();
  });
  const Tensor y = x.to(DType::float32);
  CHECK(y.dtype() == DType::float32);
  CHECK(y.to(DType::float32).is(y));
  sum(y * y).backward();
  CHECK(calls == 1);
  CHECK(x.grad().dtype() == DType::float64);
  CHECK(x.grad().to_vector<double>() == std::vector<double>{2, 4, 6});
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
  x.remove_hook(hook);
  sum(x.to(DType::float32)).backward();
  CHECK(calls == 1);
  x.set_grad({});
  x.requires_grad_(false);
  CHECK_FALSE(x.requires_grad());
  CHECK(x.to(DType::int64).to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 2, 3});
}

}  // namespace evenkeel
