// What the tables of ops and layers do not say of pools: modules of two inputs, places that are changed.

#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/nn/pool.hpp"

#include <doctest/doctest.h>

using namespace evenkeel;
using doctest::Contains;

namespace {

/// A pool and what takes its values back.
struct UpAndDown : nn::Module {
  Tensor forward(const Tensor& x) {
    const auto [values, indices] = max_pool2d_with_indices(x, pool->options);
    return unpool(values, indices, Size2(x.size(-2), x.size(-1)));
  }
  nn::Child<nn::MaxPool2d> pool = add<nn::MaxPool2d>("pool", 2);
  nn::Child<nn::MaxUnpool2d> unpool = add<nn::MaxUnpool2d>("unpool", nn::MaxUnpool2d::Options{.kernel_size = 2});
};

}  // namespace

TEST_CASE("MaxUnpool2d puts a pool's values back to where they came from") {
  UpAndDown net;
  const Tensor x = tensor<float>({1, 2, 9, 4, 3, 9, 6, 7, 8, 9}, {1, 2, 5}, true);
  const Tensor y = net.forward(x);
  CHECK(y.to_vector<float>() == std::vector<float>{0, 0, 9, 0, 0, 9, 0, 0, 0, 0});
  sum(y * y).backward();
  CHECK(x.grad().to_vector<float>() == std::vector<float>{0, 0, 18, 0, 0, 18, 0, 0, 0, 0});
}

TEST_CASE("unpooling modules print as PyTorch's and say where a call failed") {
  CHECK(concat(nn::MaxUnpool1d(2)) == "MaxUnpool1d(kernel_size=(2,), stride=(2,), padding=(0,))");
  CHECK(concat(nn::MaxUnpool3d(MaxUnpool3dOptions{.kernel_size = {1, 2, 2}, .stride = 2})) ==
        "MaxUnpool3d(kernel_size=(1, 2, 2), stride=(2, 2, 2), padding=(0, 0, 0))");
  UpAndDown net;
  const Tensor values = ones({1, 2, 2});
  CHECK_THROWS_WITH(net.unpool(values, values), Contains("MaxUnpool2d (unpool): max_unpool2d: elements in indices"));
}

TEST_CASE("where values share a place the last one stays, and all get its gradient") {
  const Tensor x = tensor<double>({1, 2, 3}, {1, 3}, true);
  const Tensor y = max_unpool1d(x, tensor<std::int64_t>({4, 4, 0}, {1, 3}), {});
  CHECK(y.to_vector<double>() == std::vector<double>{3, 0, 0, 0, 2, 0});
  y.backward(tensor<double>({1, 2, 3, 4, 5, 6}, {1, 6}));
  CHECK(x.grad().to_vector<double>() == std::vector<double>{5, 5, 1});
}

TEST_CASE("places that backward needs may not be changed") {
  const Tensor x = ones({1, 1, 2, 2, 2}, {.requires_grad = true});
  MaxPooled pooled = max_pool3d_with_indices(x, {});
  CHECK(pooled.indices.to_vector<std::int64_t>() == std::vector<std::int64_t>{0});
  pooled.indices.mutable_array().fill_(7);
  CHECK_THROWS_WITH(pooled.values.backward(), Contains("max_pool3d"));
}
