#include "evenkeel/models/small_cnn.hpp"

#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/models/common.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/pool.hpp"

namespace evenkeel::models {

namespace {

SmallCNNOptions with_norm(SmallCNNOptions options, const char* norm) {
  options.norm = norm;
  return options;
}

std::unique_ptr<nn::Layer> make_norm(const SmallCNNOptions& options, std::int64_t channels, std::int64_t groups) {
  nn::NormOptions norm_options = options.norm_options;
  if (!norm_options.channels_per_group) {
    norm_options.num_groups = groups;
  }
  return nn::make_norm(options.norm, channels, norm_options);
}

std::unique_ptr<nn::Sequential> make_net(const SmallCNNOptions& options, Generator& generator) {
  auto net = std::make_unique<nn::Sequential>();
  net->append<nn::Conv2d>(options.in_channels, 32, generator, {.kernel_size = 3, .padding = 1})
      .append(make_norm(options, 32, options.g1))
      .append(activation_behind<nn::ReLU>(options.norm, {.inplace = true}))
      .append<nn::Conv2d>(32, 64, generator, {.kernel_size = 3, .padding = 1})
      .append(make_norm(options, 64, options.g2))
      .append(activation_behind<nn::ReLU>(options.norm, {.inplace = true}))
      .append<nn::AdaptiveAvgPool2d>(1);
  return net;
}

}  // namespace

SmallCNN::SmallCNN(const nn::Drawing& generator, const SmallCNNOptions& options)
    : options(options),
      net(add("net", make_net(options, generator))),
      fc(add<nn::Linear>("fc", 64, options.num_classes, generator)) {}

Tensor SmallCNN::forward(const Tensor& x) {
  check_images(*this, x, options.in_channels);
  return fc(flatten(net(x), 1));
}

SmallCNN_BN::SmallCNN_BN(const nn::Drawing& generator, const SmallCNNOptions& options)
    : SmallCNN(generator, with_norm(options, "bn")) {}

SmallCNN_GN::SmallCNN_GN(const nn::Drawing& generator, const SmallCNNOptions& options)
    : SmallCNN(generator, with_norm(options, "gn")) {}

}  // namespace evenkeel::models
