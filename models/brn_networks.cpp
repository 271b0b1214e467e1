#include "evenkeel/models/brn_networks.hpp"

#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/models/common.hpp"

namespace evenkeel::models {

namespace {

ConvNormActOptions conv(const BRNBlockOptions& o, std::int64_t kernel, std::int64_t stride, bool activation) {
  return {.kernel_size = kernel,
          .stride = stride,
          .activation = activation,
          .norm = o.norm,
          .norm_options = o.norm_options};
}

ConvNormActOptions with_brn(ConvNormActOptions o) {
  o.norm = o.norm.value_or("brn");
  return o;
}

BRNBackboneOptions checked(BRNBackboneOptions o) {
  check_stages("BRNBackbone", o.widths, o.blocks);
  return o;
}

}  // namespace

ConvBRNAct::ConvBRNAct(std::int64_t in, std::int64_t out, const nn::Drawing& generator,
                       const ConvNormActOptions& options)
    : ConvNormAct(in, out, generator, with_brn(options)) {}

ResidualBRNBlock::ResidualBRNBlock(std::int64_t in, std::int64_t out, const nn::Drawing& generator,
                                   const BRNBlockOptions& options)
    : in_channels(in),
      out_channels(out),
      options(options),
      conv1(add<ConvBRNAct>("conv1", in, out, generator, conv(options, 3, options.stride, true))),
      conv2(add<ConvBRNAct>("conv2", out, out, generator, conv(options, 3, 1, false))),
      downsample(options.stride == 1 && in == out
                     ? nn::Child<ConvBRNAct>()
                     : add<ConvBRNAct>("downsample", in, out, generator, conv(options, 1, options.stride, false))),
      act(add<nn::SiLU>("act")) {}

Tensor ResidualBRNBlock::forward(const Tensor& x) { return act(conv2(conv1(x)) + (downsample ? downsample(x) : x)); }

BRNBackbone::BRNBackbone(const nn::Drawing& generator, const BRNBackboneOptions& options)
    : options(checked(options)),
      stem(add<ConvBRNAct>("stem", options.in_channels, options.widths.front(), generator,
                           {.norm = options.norm, .norm_options = options.norm_options})),
      stages(add("stages", make_stages(generator))) {}

std::unique_ptr<nn::Sequential> BRNBackbone::make_stages(Generator& generator) const {
  BRNBlockOptions o{.norm = options.norm, .norm_options = options.norm_options};
  auto result = std::make_unique<nn::Sequential>();
  std::int64_t in = options.widths.front();
  for (std::size_t i = 0; i < options.widths.size(); ++i) {
    auto stage = std::make_unique<nn::Sequential>();
    for (std::int64_t b = 0; b < options.blocks[i]; ++b) {
      o.stride = i > 0 && b == 0 ? 2 : 1;
      stage->append<ResidualBRNBlock>(in, options.widths[i], generator, o);
      in = options.widths[i];
    }
    result->append(std::move(stage));
  }
  return result;
}

Tensor BRNBackbone::forward(const Tensor& x) {
  check_images(*this, x, options.in_channels);
  return stages(stem(x));
}

BRNClassifier::BRNClassifier(const nn::Drawing& generator, std::int64_t num_classes, const BRNBackboneOptions& options)
    : num_classes(num_classes),
      options(options),
      backbone(add<BRNBackbone>("backbone", generator, options)),
      pool(add<nn::AdaptiveAvgPool2d>("pool", 1)),
      fc(add<nn::Linear>("fc", backbone->out_channels(), num_classes, generator)) {}

Tensor BRNClassifier::forward(const Tensor& x) { return fc(flatten(pool(backbone(x)), 1)); }

}  // namespace evenkeel::models
