#include "models/seed_networks.hpp"

#include "autograd/ops/shape.hpp"
#include "nn/activation.hpp"
#include "nn/conv.hpp"
#include "nn/dropout.hpp"
#include "nn/flatten.hpp"
#include "nn/linear.hpp"
#include "nn/norm/batch_norm.hpp"
#include "nn/pool.hpp"

namespace evenkeel::models {

FCNetworkWithBatchNorm::FCNetworkWithBatchNorm(Generator& generator, FCNetworkOptions opts)
    : options(opts), network(add<nn::Sequential>("network")) {
  network.as<nn::Sequential>()
      .append<nn::Linear>(options.in_features, 256, generator)
      .append<nn::BatchNorm1d>(256)
      .append<nn::ReLU>()
      .append<nn::Linear>(256, 128, generator)
      .append<nn::BatchNorm1d>(128)
      .append<nn::ReLU>()
      .append<nn::Linear>(128, options.num_classes, generator);
}

Tensor FCNetworkWithBatchNorm::forward(const Tensor& x) { return network(x.rank() > 2 ? flatten(x, 1) : x); }

CNNWithBatchNorm::CNNWithBatchNorm(Generator& generator, CNNOptions opts)
    : options(opts), features(add<nn::Sequential>("features")), classifier(add<nn::Sequential>("classifier")) {
  const auto [h, w] = options.input_size;
  require(h >= 4 && w >= 4, "CNNWithBatchNorm", "input_size must be at least 4x4, got ", h, "x", w);
  features.as<nn::Sequential>()
      .append<nn::Conv2d>(options.in_channels, 64, generator, nn::Conv2dOptions{.kernel_size = 3, .padding = 1})
      .append<nn::BatchNorm2d>(64)
      .append<nn::ReLU>()
      .append<nn::MaxPool2d>(2)
      .append<nn::Conv2d>(64, 128, generator, nn::Conv2dOptions{.kernel_size = 3, .padding = 1})
      .append<nn::BatchNorm2d>(128)
      .append<nn::ReLU>()
      .append<nn::MaxPool2d>(2);
  classifier.as<nn::Sequential>()
      .append<nn::Flatten>()
      .append<nn::Linear>(128 * (h / 4) * (w / 4), 256, generator)
      .append<nn::BatchNorm1d>(256)
      .append<nn::ReLU>()
      .append<nn::Linear>(256, options.num_classes, generator);
}

Tensor CNNWithBatchNorm::forward(const Tensor& x) {
  const Size2 size = options.input_size;
  require(x.rank() == 4 && x.size(1) == options.in_channels && x.size(2) == size.h && x.size(3) == size.w,
          "CNNWithBatchNorm", "input has shape ", x.shape(), ", expected (N, ", options.in_channels, ", ", size.h, ", ",
          size.w, ")");
  return classifier(features(x));
}

std::unique_ptr<nn::Sequential> fc_block(std::int64_t in_features, std::int64_t out_features, Generator& generator,
                                         FcBlockOptions options) {
  auto block = std::make_unique<nn::Sequential>();
  block->append<nn::Linear>(in_features, out_features, generator)
      .append<nn::BatchNorm1d>(out_features)
      .append<nn::ReLU>();
  if (options.dropout > 0) {
    block->append<nn::Dropout>(options.dropout, generator);
  }
  return block;
}

std::unique_ptr<nn::Sequential> conv_block(std::int64_t in_channels, std::int64_t out_channels, Generator& generator,
                                           ConvBlockOptions options) {
  auto block = std::make_unique<nn::Sequential>();
  block
      ->append<nn::Conv2d>(in_channels, out_channels, generator,
                           nn::Conv2dOptions{.kernel_size = options.kernel_size, .padding = options.padding})
      .append<nn::BatchNorm2d>(out_channels)
      .append<nn::ReLU>();
  return block;
}

}  // namespace evenkeel::models
