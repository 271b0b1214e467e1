// A norm and a network of one's own in the main program: `train` with two names more.
//
//   own_norm --model mine --norm mine --epochs 3 --out runs/mine
//   own_norm --model resnet20 --norm mine
//
// The norm is a class that derives from Layer, and its name goes to register_norm, the network's to register_model; all
// that takes a name knows them from then on: every network's norm, --help, convert_norms, a resumed run.

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/models/registry.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/flatten.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/registry.hpp"
#include "evenkeel/nn/pool.hpp"
#include "examples/support/train_program.hpp"

using namespace evenkeel;

namespace {

/// y = x / (E[|x|] + eps) * weight, E per sample and channel over space: a scale by the mean size, not the deviation.
class MeanSizeNorm : public nn::Layer {
 public:
  MeanSizeNorm(std::int64_t channels, double eps)
      : weight(parameter("weight", Array::ones({channels, 1, 1}))), eps_(eps) {}
  std::string extra_repr() const override { return concat(weight.size(0), ", eps=", eps_); }
  Tensor forward(const Tensor& x) override { return x / (mean(abs(x), {2, 3}, true) + eps_) * weight; }

  Tensor& weight;

 private:
  double eps_;
};

std::unique_ptr<nn::Layer> make_norm(std::int64_t channels, const nn::NormOptions& options) {
  return std::make_unique<MeanSizeNorm>(channels, options.eps.value_or(1e-5));
}

/// A convolution of 16 channels, the norm that --norm says, ReLU, global pooling, a linear layer.
std::unique_ptr<nn::Layer> make_model(Generator& generator, const models::ModelOptions& options) {
  auto net = std::make_unique<nn::Sequential>();
  net->append<nn::Conv2d>(options.in_channels, 16, generator, nn::Conv2dOptions{.kernel_size = 3, .stride = 2})
      .append(nn::make_norm(options.norm, 16, options.norm_options))
      .append<nn::ReLU>()
      .append<nn::AdaptiveAvgPool2d>(1)
      .append<nn::Flatten>()
      .append<nn::Linear>(16, options.num_classes, generator);
  return net;
}

}  // namespace

int main(int argc, char** argv) {
  nn::register_norm({.name = "mine",
                     .description = "MeanSizeNorm: divided by the mean size per channel, per sample",
                     .formula = "y = x / (E[|x|] + eps) * weight, E per sample and channel over H, W",
                     .make = make_norm});
  models::register_model({.name = "mine", .description = "one convolution", .norm = "mine", .make = make_model});
  return examples::train_program(argc, argv);
}
