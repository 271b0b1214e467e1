#include "evenkeel/models/ws_gn_networks.hpp"

#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/models/common.hpp"
#include "evenkeel/nn/conv.hpp"

namespace evenkeel::models {

namespace {

std::unique_ptr<nn::Layer> block_norm(std::int64_t channels, const WSGNOptions& o) {
  nn::NormOptions options = o.norm_options;
  if (o.groups || o.channels_per_group) {
    options.num_groups = o.groups;
    options.channels_per_group = o.channels_per_group;
  }
  return nn::make_norm(o.norm, channels, options);
}

std::unique_ptr<nn::Sequential> make_blocks(const WSGNClassifierOptions& o, Generator& generator) {
  require(!o.widths.empty(), "WS_GN_Classifier", "widths must name at least one block");
  auto blocks = std::make_unique<nn::Sequential>();
  std::int64_t in = o.in_channels;
  for (const std::int64_t width : o.widths) {
    blocks->append<WS_GN_Block>(in, width, generator, o.block);
    in = width;
  }
  return blocks;
}

std::unique_ptr<nn::Sequential> make_net(const SmallBNNetOptions& o, Generator& generator) {
  auto net = std::make_unique<nn::Sequential>();
  const nn::Conv2dOptions conv{.kernel_size = 3, .padding = 1, .bias = o.norm == "none"};
  net->append<nn::Conv2d>(o.in_channels, 16, generator, conv)
      .append(nn::make_norm(o.norm, 16, o.norm_options))
      .append(activation_behind<nn::ReLU>(o.norm))
      .append<nn::Conv2d>(16, 32, generator, conv)
      .append(nn::make_norm(o.norm, 32, o.norm_options))
      .append(activation_behind<nn::ReLU>(o.norm));
  return net;
}

}  // namespace

WS_GN_Block::WS_GN_Block(std::int64_t in, std::int64_t out, const nn::Drawing& generator, const WSGNOptions& options)
    : in_channels(in),
      out_channels(out),
      options(options),
      conv(add<nn::WSConv2d>("conv", in, out, generator, {.kernel_size = 3, .padding = 1, .bias = false})),
      gn(add("gn", block_norm(out, options))),
      act(add("act", activation_behind<nn::SiLU>(options.norm, {.inplace = true}))) {}

WS_GN_Classifier::WS_GN_Classifier(const nn::Drawing& generator, const WSGNClassifierOptions& options)
    : options(options),
      blocks(add("blocks", make_blocks(options, generator))),
      pool(add<nn::AdaptiveAvgPool2d>("pool", 1)),
      fc(add<nn::Linear>("fc", options.widths.back(), options.num_classes, generator)) {}

Tensor WS_GN_Classifier::forward(const Tensor& x) {
  check_images(*this, x, options.in_channels);
  return fc(flatten(pool(blocks(x)), 1));
}

SmallBNNet::SmallBNNet(const nn::Drawing& generator, const SmallBNNetOptions& options)
    : options(options), net(add("net", make_net(options, generator))) {
  if (options.num_classes > 0) {
    pool = add<nn::AdaptiveAvgPool2d>("pool", 1);
    fc = add<nn::Linear>("fc", 32, options.num_classes, generator);
  }
}

Tensor SmallBNNet::forward(const Tensor& x) {
  check_images(*this, x, options.in_channels);
  const Tensor y = net(x);
  return fc ? fc(flatten(pool(y), 1)) : y;
}

}  // namespace evenkeel::models
