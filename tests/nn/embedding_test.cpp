#include "evenkeel/nn/embedding.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/linear.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace evenkeel;
using namespace evenkeel::nn;

TEST_CASE("an Embedding starts normal, its padding row as 0") {
  Generator g(3), same(3);
  const Embedding layer(400, 50, g, {.padding_idx = 7});
  CHECK(layer.padding_idx == 7);
  CHECK(std::abs(mean(layer.weight).item()) < 0.02);
  CHECK(standard_deviation(layer.weight).item() == doctest::Approx(1).epsilon(0.02));
  CHECK(sum(abs(layer.weight[7])).item() == 0);
  const Embedding plain(400, 50, same);
  CHECK(layer.weight[8].to_vector<float>() == plain.weight[8].to_vector<float>());
  CHECK_FALSE(plain.padding_idx);
}

TEST_CASE("training leaves the padding row of an Embedding alone; a Sequential takes indices") {
  const Array table = Array::full({3, 2}, 0.5);
  Generator g(4);
  Sequential net;
  net.append(std::make_unique<Embedding>(table, EmbeddingOptions{.padding_idx = -1}));
  net.append<Linear>(2, 1, g);
  const Tensor weight = net.child<Embedding>("0")->weight;
  CHECK(weight.array().shares_storage(table));
  const Tensor x = tensor<std::int64_t>({2, 0, 2, 0}, {2, 2});
  CHECK(net(x).shape() == Shape{2, 2, 1});
  sum(net(x)).backward();
  CHECK(sum(abs(weight.grad()[0])).item() > 0);
  CHECK(weight.grad()[1].to_vector<float>() == std::vector<float>{0, 0});  // did not occur
  CHECK(weight.grad()[2].to_vector<float>() == std::vector<float>{0, 0});
}
