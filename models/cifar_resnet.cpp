#include "evenkeel/models/cifar_resnet.hpp"

#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/models/common.hpp"

namespace evenkeel::models {

namespace {

CifarResNetOptions checked(CifarResNetOptions options) {
  require(options.depth >= 8 && options.depth % 6 == 2, "CifarResNet", "depth must be 6 n + 2 (20, 32, 56), got ",
          options.depth);
  return options;
}

std::unique_ptr<CifarResNet> make(Generator& generator, CifarResNetOptions options, std::int64_t depth) {
  options.depth = depth;
  return std::make_unique<CifarResNet>(generator, options);
}

}  // namespace

CifarResNet::CifarResNet(const nn::Drawing& generator, const CifarResNetOptions& options)
    : options(checked(options)),
      conv1(add<nn::Conv2d>("conv1", options.in_channels, options.width, generator,
                            {.kernel_size = 3, .padding = 1, .bias = options.norm == "none"})),
      bn1(add("bn1", nn::make_norm(options.norm, options.width, options.norm_options))),
      relu(add("relu", activation_behind<nn::ReLU>(options.norm, {.inplace = true}))),
      layer1(add("layer1", make_stage(0, generator))),
      layer2(add("layer2", make_stage(1, generator))),
      layer3(add("layer3", make_stage(2, generator))),
      avgpool(add<nn::AdaptiveAvgPool2d>("avgpool", 1)),
      fc(add<nn::Linear>("fc", 4 * options.width, options.num_classes, generator)) {
  init_resnet_(*this, generator);
}

std::unique_ptr<nn::Sequential> CifarResNet::make_stage(int index, Generator& generator) const {
  const std::int64_t out = options.width << index;
  const BasicBlockOptions block{.stride = index == 0 ? 1 : 2,
                                .shortcut = options.shortcut,
                                .norm = options.norm,
                                .norm_options = options.norm_options};
  return basic_stage(index == 0 ? out : out / 2, out, (options.depth - 2) / 6, generator, block);
}

Tensor CifarResNet::forward(const Tensor& x) {
  check_images(*this, x, options.in_channels);
  const Tensor y = layer3(layer2(layer1(bn1(conv1(x), relu))));
  return fc(flatten(avgpool(y), 1));
}

std::unique_ptr<CifarResNet> resnet20(Generator& generator, const CifarResNetOptions& options) {
  return make(generator, options, 20);
}

std::unique_ptr<CifarResNet> resnet32(Generator& generator, const CifarResNetOptions& options) {
  return make(generator, options, 32);
}

std::unique_ptr<CifarResNet> resnet56(Generator& generator, const CifarResNetOptions& options) {
  return make(generator, options, 56);
}

}  // namespace evenkeel::models
