#include "evenkeel/nn/norm/conditional_batch_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "tests/support/layer_replay.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

Tensor labels_of(const std::vector<std::int64_t>& labels) { return Tensor(Array::from(labels, {std::ssize(labels)})); }

MakeLayer conditional(std::int64_t classes, std::int64_t channels, const std::vector<std::int64_t>& labels,
                      const ConditionalBatchNormOptions& options = {}) {
  return [=] {
    auto layer = std::make_unique<ConditionalBatchNorm2d>(classes, channels, options);
    layer->set_labels(labels_of(labels));
    return layer;
  };
}

TEST_CASE("ConditionalBatchNorm2d is PyTorch's BatchNorm2d with an Embedding of scales and shifts") {
  replay_layers(
      "norms_evo.safetensors",
      {{"conditional_batch_norm2d", conditional(4, 3, {2, 0, 2, 3, 0})},
       {"conditional_batch_norm2d_cumulative", conditional(1, 2, {0, 0}, {.eps = 0.1, .momentum = std::nullopt})}},
      {.prefix = "conditional_"});
}

TEST_CASE("at first it is BatchNorm2d; a class moves its own samples only") {
  ConditionalBatchNorm2d norm(3, 2);
  BatchNorm2d plain(2);
  const Tensor x = random({4, 2, 3, 3}, 1, DType::float32);
  const Tensor labels = labels_of({1, 0, 1, 2});
  check_close(norm.forward(x, labels), plain(x), 1e-6);
  norm.weight.mutable_array().slice(0, 1, 2).fill_(3);  // class 1: scales and shifts
  const Tensor y = norm.forward(x, labels);
  const Tensor before = plain(x);
  for (std::int64_t n = 0; n < 4; ++n) {
    const Tensor sample = slice(before, 0, n, n + 1);
    check_close(slice(y, 0, n, n + 1), n % 2 == 0 && n < 3 ? sample * 3.0 + 3.0 : sample, 1e-6, concat("sample ", n));
  }
}

TEST_CASE("labels are given to a whole model, beside x, or to the child that has the norm") {
  class Block : public Module {
   public:
    Block() : norm(add<ConditionalBatchNorm2d>("norm", 3, 2)) {}
    Tensor forward(const Tensor& x, const Tensor& labels) { return norm(x, labels); }
    Child<ConditionalBatchNorm2d> norm;
  };
  Sequential net;
  net.append<ConditionalBatchNorm2d>(3, 2).append<Sequential>().append<ConditionalBatchNorm2d>(3, 2);
  const Tensor x = random({2, 2, 3, 4}, 1, DType::float32);
  CHECK_THROWS_WITH(net(x), "ConditionalBatchNorm2d (0): no labels are set; call set_labels, or forward(x, labels)");
  CHECK(set_labels(net, labels_of({0, 2})) == 2);
  CHECK(net(x).shape() == x.shape());
  CHECK_THROWS_WITH(set_labels(net, labels_of({0, 3})), "ConditionalBatchNorm2d: there is no class 3, only 0 to 2");
  CHECK(doubles(net.child<ConditionalBatchNorm2d>("2")->labels()) == std::vector<double>{0, 2});
  Block block;
  CHECK(doubles(call(block, x, labels_of({1, 1}))).size() == 48);
  CHECK_THROWS_WITH(call(block, x, labels_of({1})),
                    "ConditionalBatchNorm2d (norm): labels must be (2), one per sample, got shape [1]");
}

TEST_CASE("an empty batch, and what is no label") {
  ConditionalBatchNorm2d norm(3, 2);
  norm.to(DType::float64);
  const Tensor x = zeros({0, 2, 3, 4}, {.dtype = DType::float64, .requires_grad = true});
  const Tensor y = norm.forward(x, labels_of({}));
  CHECK(y.shape() == x.shape());
  y.backward(zeros(y.shape(), {.dtype = DType::float64}));
  CHECK(doubles(norm.weight.grad()) == std::vector<double>(12, 0));
  CHECK(norm.bn->num_batches_tracked.array().item_int64() == 0);
  const Tensor one = ones({1, 2, 3, 4}, {.dtype = DType::float64});
  CHECK_THROWS_WITH(norm.forward(one, zeros({1})), "ConditionalBatchNorm2d: labels must be int64, got float32");
  CHECK_THROWS_WITH(norm.forward(one, Tensor(Array::zeros({1, 1}, DType::int64))),
                    Contains("labels must be (N), one per sample, got shape [1, 1]"));
  CHECK_THROWS_WITH(norm.forward(one, labels_of({-1})), Contains("there is no class -1, only 0 to 2"));
  CHECK_THROWS_WITH(norm.forward(one, Tensor()), "ConditionalBatchNorm2d: the labels are an undefined tensor");
  CHECK_THROWS_WITH(ConditionalBatchNorm2d(0, 2), Contains("the number of classes must be positive, got 0"));
  CHECK(norm.bn->num_batches_tracked.array().item_int64() == 0);
}

}  // namespace
}  // namespace evenkeel::test
