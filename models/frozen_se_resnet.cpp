#include "evenkeel/models/frozen_se_resnet.hpp"

#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/models/common.hpp"
#include "evenkeel/nn/identity.hpp"
#include "evenkeel/nn/squeeze_excitation.hpp"

namespace evenkeel::models {

namespace {

ConvNormActOptions conv(const BottleneckOptions& o, std::int64_t kernel, std::int64_t stride, bool activation) {
  return {.kernel_size = kernel,
          .stride = stride,
          .activation = activation,
          .norm = o.norm,
          .norm_options = o.norm_options};
}

std::unique_ptr<nn::Layer> make_se(std::int64_t channels, Generator& generator, double ratio) {
  if (ratio == 0) {
    return std::make_unique<nn::Identity>();
  }
  return std::make_unique<nn::SqueezeExcitation>(channels, generator, nn::SqueezeExcitationOptions{.ratio = ratio});
}

FrozenSEResNetOptions checked(FrozenSEResNetOptions o) {
  check_stages("FrozenSEResNet", o.widths, o.blocks);
  require(o.stem_width >= 2, "FrozenSEResNet", "stem_width must be at least 2, got ", o.stem_width);
  return o;
}

}  // namespace

Bottleneck::Bottleneck(std::int64_t in, std::int64_t width, const nn::Drawing& generator,
                       const BottleneckOptions& options)
    : in_channels(in),
      width(width),
      options(options),
      conv1(add<ConvNormAct>("conv1", in, width, generator, conv(options, 1, 1, true))),
      conv2(add<ConvNormAct>("conv2", width, width, generator, conv(options, 3, options.stride, true))),
      conv3(add<ConvNormAct>("conv3", width, width * options.expansion, generator, conv(options, 1, 1, false))),
      se(add("se", make_se(width * options.expansion, generator, options.se_ratio))),
      downsample(options.stride == 1 && in == width * options.expansion
                     ? nn::Child<ConvNormAct>()
                     : add<ConvNormAct>("downsample", in, width * options.expansion, generator,
                                        conv(options, 1, options.stride, false))),
      act(add<nn::SiLU>("act")) {}

Tensor Bottleneck::forward(const Tensor& x) {
  const Tensor y = se(conv3(conv2(conv1(x))));
  return act(y + (downsample ? downsample(x) : x));
}

FrozenSEResNet::FrozenSEResNet(const nn::Drawing& generator, const FrozenSEResNetOptions& options)
    : options(checked(options)),
      stem(add("stem", make_stem(generator))),
      pool(options.small_images ? nn::Child<nn::Layer>(add<nn::Identity>("pool"))
                                : add<nn::MaxPool2d>("pool", {.kernel_size = 3, .stride = Size2(2), .padding = 1})),
      stages(add("stages", make_stages(generator))),
      head_norm(add("head_norm", nn::make_norm(options.norm, head_channels(), options.norm_options))),
      avgpool(add<nn::AdaptiveAvgPool2d>("avgpool", 1)),
      fc(add<nn::Linear>("fc", head_channels(), options.num_classes, generator)) {}

std::unique_ptr<nn::Sequential> FrozenSEResNet::make_stem(Generator& generator) const {
  const std::int64_t half = options.stem_width / 2;
  ConvNormActOptions o{
      .stride = options.small_images ? 1 : 2, .norm = options.norm, .norm_options = options.norm_options};
  auto result = std::make_unique<nn::Sequential>();
  result->append<ConvNormAct>(options.in_channels, half, generator, o);
  o.stride = 1;
  result->append<ConvNormAct>(half, half, generator, o).append<ConvNormAct>(half, options.stem_width, generator, o);
  return result;
}

std::unique_ptr<nn::Sequential> FrozenSEResNet::make_stages(Generator& generator) const {
  BottleneckOptions o{.expansion = options.expansion,
                      .se_ratio = options.se_ratio,
                      .norm = options.norm,
                      .norm_options = options.norm_options};
  auto result = std::make_unique<nn::Sequential>();
  std::int64_t in = options.stem_width;
  for (std::size_t i = 0; i < options.widths.size(); ++i) {
    auto stage = std::make_unique<nn::Sequential>();
    for (std::int64_t b = 0; b < options.blocks[i]; ++b) {
      o.stride = i > 0 && b == 0 ? 2 : 1;
      stage->append<Bottleneck>(in, options.widths[i], generator, o);
      in = options.widths[i] * options.expansion;
    }
    result->append(std::move(stage));
  }
  return result;
}

Tensor FrozenSEResNet::forward(const Tensor& x) {
  check_images(*this, x, options.in_channels);
  return fc(flatten(avgpool(head_norm(stages(pool(stem(x))))), 1));
}

}  // namespace evenkeel::models
