#include "bench/support/layer_cases.hpp"

#include "bench/support/timing.hpp"
#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/loss.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/registry.hpp"
#include "evenkeel/nn/pool.hpp"

namespace evenkeel::bench {

namespace {

using Cases = std::vector<LayerCase>;
using Op = std::function<Tensor(const Tensor& x)>;

/// An op as a layer.
class OpLayer : public nn::Layer {
 public:
  explicit OpLayer(Op op) : op_(std::move(op)) {}
  Tensor forward(const Tensor& x) override { return op_(x); }

 private:
  Op op_;
};

double gigabytes(const Shape& shape) { return 4e-9 * static_cast<double>(numel(shape)); }

struct ConvCase {
  std::int64_t in, out, kernel, stride, groups;
  std::vector<std::int64_t> sizes;
};

void add_convs(Cases& cases) {
  const ConvCase convs[] = {
      {3, 32, 3, 1, 1, {32, 64}},      {32, 64, 3, 1, 1, {8, 16, 32, 64}}, {64, 64, 3, 1, 1, {8, 16, 32, 64}},
      {64, 128, 3, 1, 1, {8, 16, 32}}, {64, 128, 3, 2, 1, {16, 32, 64}},   {32, 32, 3, 1, 1, {16}},
      {128, 128, 3, 1, 1, {8}},        {16, 16, 3, 1, 1, {8, 32, 64}},     {64, 256, 1, 1, 1, {8, 16, 32}},
      {64, 64, 3, 1, 64, {8, 32, 64}},
  };
  for (const std::int64_t batch : {2, 16}) {
    for (const ConvCase& c : convs) {
      for (const std::int64_t size : c.sizes) {
        std::string name = concat("conv ", c.in, "->", c.out, " ", c.kernel, "x", c.kernel);
        name += c.stride > 1 ? concat(" stride ", c.stride) : "";
        name += c.groups > 1 ? " depthwise" : "";
        const auto make = [c](Generator& generator) -> std::unique_ptr<nn::Layer> {
          return std::make_unique<nn::Conv2d>(c.in, c.out, generator,
                                              nn::Conv2dOptions{.kernel_size = c.kernel,
                                                                .stride = c.stride,
                                                                .padding = c.kernel / 2,
                                                                .groups = c.groups,
                                                                .bias = false});
        };
        const std::int64_t out_size = size / c.stride;
        const double flops =
            2e-9 * static_cast<double>(batch * out_size * out_size * c.out * c.in / c.groups * c.kernel * c.kernel);
        cases.push_back({"conv", name, {batch, c.in, size, size}, make, flops, 2 * flops});
      }
    }
  }
}

void add_linears(Cases& cases) {
  for (const auto& [batch, in, out] : {std::array<std::int64_t, 3>{2, 784, 256},
                                       {32, 784, 256},
                                       {256, 784, 256},
                                       {2, 8192, 256},
                                       {16, 8192, 256},
                                       {64, 8192, 256}}) {
    const auto make = [in = in, out = out](Generator& generator) -> std::unique_ptr<nn::Layer> {
      return std::make_unique<nn::Linear>(in, out, generator);
    };
    const double flops = 2e-9 * static_cast<double>(batch * in * out);
    cases.push_back({"linear", concat("linear ", in, "->", out), {batch, in}, make, flops, 2 * flops});
  }
}

void add_norms(Cases& cases) {
  for (const std::int64_t batch : {2, 16}) {
    for (const nn::NormEntry& norm : nn::norms()) {
      if (norm.name == "none") {
        continue;
      }
      const Shape shape = {batch, 64, 32, 32};
      const std::string name(norm.name);
      cases.push_back({"norm", name, shape, [name](Generator&) { return nn::make_norm(name, 64); },
                       2 * gigabytes(shape), 3 * gigabytes(shape)});
    }
  }
}

/// A case made of an op; `forward` and `backward` in units of the input's size.
void add_op(Cases& cases, const std::string& group, const std::string& name, const Shape& shape, double forward,
            double backward, const Op& op) {
  cases.push_back({group, name, shape, [op](Generator&) { return std::make_unique<OpLayer>(op); },
                   forward * gigabytes(shape), backward * gigabytes(shape)});
}

void add_activations(Cases& cases) {
  for (const std::int64_t batch : {2, 16}) {
    const Shape shape = {batch, 64, 32, 32};
    const auto add = [&](const std::string& name, const Op& op) { add_op(cases, "activation", name, shape, 2, 3, op); };
    add("relu", [](const Tensor& x) { return relu(x); });
    add("silu", [](const Tensor& x) { return silu(x); });
    add("sigmoid", [](const Tensor& x) { return sigmoid(x); });
    add("tanh", [](const Tensor& x) { return tanh(x); });
    add("gelu", [](const Tensor& x) { return gelu(x); });
    add("gelu tanh", [](const Tensor& x) { return gelu(x, GeluApproximation::tanh); });
    add("leaky_relu", [](const Tensor& x) { return leaky_relu(x); });
    add("elu", [](const Tensor& x) { return elu(x); });
    add("hardswish", [](const Tensor& x) { return hardswish(x); });
    add("softplus", [](const Tensor& x) { return softplus(x); });
  }
  for (const std::int64_t dim : {1, 0}) {
    const Shape shape = {1024, 1000};
    add_op(cases, "activation", concat("softmax dim ", dim), shape, 2, 3,
           [dim](const Tensor& x) { return softmax(x, dim); });
    add_op(cases, "activation", concat("log_softmax dim ", dim), shape, 2, 3,
           [dim](const Tensor& x) { return log_softmax(x, dim); });
  }
}

void add_pools(Cases& cases) {
  for (const std::int64_t batch : {2, 16}) {
    const Shape shape = {batch, 64, 32, 32};
    const auto add = [&](const std::string& name, double moves, const Op& op) {
      add_op(cases, "pool", name, shape, moves, moves, op);
    };
    add("max_pool 2x2", 1.25, [](const Tensor& x) { return max_pool2d(x, {.kernel_size = 2}); });
    add("max_pool 3x3 stride 2", 1.25,
        [](const Tensor& x) { return max_pool2d(x, {.kernel_size = 3, .stride = 2, .padding = 1}); });
    add("avg_pool 2x2", 1.25, [](const Tensor& x) { return avg_pool2d(x, {.kernel_size = 2}); });
    add("avg_pool 3x3 stride 2", 1.25,
        [](const Tensor& x) { return avg_pool2d(x, {.kernel_size = 3, .stride = 2, .padding = 1}); });
    add("global_avg_pool", 1, [](const Tensor& x) { return adaptive_avg_pool2d(x, 1); });
  }
}

void add_losses(Cases& cases) {
  Generator generator(2);
  const Shape shape = {1024, 1000};
  const Tensor labels = randint(0, 1000, {1024}, generator);
  const Tensor target = rand(shape, generator);
  add_op(cases, "loss", "cross_entropy", shape, 1, 2, [=](const Tensor& x) { return cross_entropy(x, labels); });
  add_op(cases, "loss", "mse_loss", shape, 2, 3, [=](const Tensor& x) { return mse_loss(x, target); });
  add_op(cases, "loss", "l1_loss", shape, 2, 3, [=](const Tensor& x) { return l1_loss(x, target); });
  add_op(cases, "loss", "smooth_l1_loss", shape, 2, 3, [=](const Tensor& x) { return smooth_l1_loss(x, target); });
  add_op(cases, "loss", "bce_with_logits", shape, 2, 3,
         [=](const Tensor& x) { return binary_cross_entropy_with_logits(x, target); });
  add_op(cases, "loss", "cross_entropy 10 classes", {128, 10}, 1, 2,
         [small = randint(0, 10, {128}, generator)](const Tensor& x) { return cross_entropy(x, small); });
}

template <class Activation>
std::unique_ptr<nn::Layer> norm_then(const char* norm) {
  auto chain = std::make_unique<nn::Sequential>();
  chain->append(nn::make_norm(norm, 64));
  chain->append(std::make_unique<Activation>(nn::ActivationOptions{.inplace = true}));
  return chain;
}

/// Layers that stand behind one another in the networks and could be one pass over memory.
void add_chains(Cases& cases) {
  for (const std::int64_t batch : {2, 16}) {
    const Shape shape = {batch, 64, 32, 32};
    const auto add = [&](const std::string& name, auto make) {
      cases.push_back({"chain", name, shape, make, 2 * gigabytes(shape), 3 * gigabytes(shape)});
    };
    add("bn + relu", [](Generator&) { return norm_then<nn::ReLU>("bn"); });
    add("gn + silu", [](Generator&) { return norm_then<nn::SiLU>("gn"); });
    Generator generator(3);
    const Tensor shortcut = randn(shape, generator);
    add_op(cases, "chain", "add + relu", shape, 3, 3, [shortcut](const Tensor& x) { return relu(x + shortcut); });
    add_op(cases, "chain", "add_relu", shape, 3, 3, [shortcut](const Tensor& x) { return add_relu(x, shortcut); });
  }
}

}  // namespace

std::vector<LayerCase> layer_cases() {
  Cases cases;
  add_convs(cases);
  add_linears(cases);
  add_norms(cases);
  add_activations(cases);
  add_pools(cases);
  add_losses(cases);
  add_chains(cases);
  return cases;
}

double layer_ms(const bench::LayerCase& layer_case, bool with_backward, double seconds) {
  Generator generator(1);
  const std::unique_ptr<nn::Layer> layer = layer_case.make(generator);
  Tensor x = randn(layer_case.shape, generator, {.requires_grad = with_backward});
  const GradModeGuard mode(with_backward);
  const Tensor dy = no_grad([&] { return randn((*layer)(x).shape(), generator); });
  return time_per_call(
      [&] {
        const Tensor y = (*layer)(x);
        if (with_backward) {
          y.backward(dy);
          x.zero_grad();
          layer->zero_grad();
        }
      },
      seconds);
}

}  // namespace evenkeel::bench
