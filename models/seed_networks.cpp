#include "evenkeel/models/seed_networks.hpp"

#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/models/common.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/dropout.hpp"
#include "evenkeel/nn/flatten.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/pool.hpp"

namespace evenkeel::models {

namespace {

/// Linear, norm, ReLU.
template <class Options>
void append_linear(nn::Sequential& net, std::int64_t in, std::int64_t out, Generator& generator, const Options& o) {
  nn::NormOptions norm_options = o.norm_options;
  norm_options.spatial_dims = 0;
  net.append<nn::Linear>(in, out, generator, {.bias = o.bias_before_norm})
      .append(nn::make_norm(o.norm, out, norm_options))
      .append(activation_behind<nn::ReLU>(o.norm));
}

/// Conv2d, norm, ReLU.
template <class Options>
void append_conv(nn::Sequential& net, std::int64_t in, std::int64_t out, Generator& generator, const Options& o,
                 Size2 kernel_size, Padding padding) {
  net.append<nn::Conv2d>(in, out, generator,
                         {.kernel_size = kernel_size, .padding = padding, .bias = o.bias_before_norm})
      .append(nn::make_norm(o.norm, out, o.norm_options))
      .append(activation_behind<nn::ReLU>(o.norm));
}

}  // namespace

FCNetworkWithBatchNorm::FCNetworkWithBatchNorm(const nn::Drawing& generator, const FCNetworkOptions& options)
    : options(options), network(add<nn::Sequential>("network")) {
  nn::Sequential& net = *network;
  append_linear(net, options.in_features, 256, generator, options);
  append_linear(net, 256, 128, generator, options);
  net.append<nn::Linear>(128, options.num_classes, generator);
}

Tensor FCNetworkWithBatchNorm::forward(const Tensor& x) {
  const Tensor rows = x.rank() > 2 ? flatten(x, 1) : x;
  require<ShapeError>(rows.rank() == 2 && rows.size(1) == options.in_features, "FCNetworkWithBatchNorm",
                      "input has shape ", x.shape(), ", expected ", options.in_features, " features per sample");
  return network(rows);
}

CNNWithBatchNorm::CNNWithBatchNorm(const nn::Drawing& generator, const CNNOptions& options)
    : options(options), features(add<nn::Sequential>("features")), classifier(add<nn::Sequential>("classifier")) {
  const auto [h, w] = options.input_size;
  require(h >= 4 && w >= 4, "CNNWithBatchNorm", "input_size must be at least 4x4, got ", h, "x", w);
  nn::Sequential& conv = *features;
  append_conv(conv, options.in_channels, 64, generator, options, 3, 1);
  conv.append<nn::MaxPool2d>(2);
  append_conv(conv, 64, 128, generator, options, 3, 1);
  conv.append<nn::MaxPool2d>(2);
  nn::Sequential& head = *classifier;
  head.append<nn::Flatten>();
  append_linear(head, 128 * (h / 4) * (w / 4), 256, generator, options);
  head.append<nn::Linear>(256, options.num_classes, generator);
}

Tensor CNNWithBatchNorm::forward(const Tensor& x) {
  const Size2 size = options.input_size;
  require<ShapeError>(x.rank() == 4 && x.size(1) == options.in_channels && x.size(2) == size.h && x.size(3) == size.w,
                      "CNNWithBatchNorm", "input has shape ", x.shape(), ", expected (N, ", options.in_channels, ", ",
                      size.h, ", ", size.w, ")");
  return classifier(features(x));
}

std::unique_ptr<nn::Sequential> fc_block(std::int64_t in_features, std::int64_t out_features,
                                         const nn::Drawing& generator, const FcBlockOptions& options) {
  auto block = std::make_unique<nn::Sequential>();
  append_linear(*block, in_features, out_features, generator, options);
  if (options.dropout > 0) {
    block->append<nn::Dropout>(options.dropout, generator);
  }
  return block;
}

std::unique_ptr<nn::Sequential> conv_block(std::int64_t in_channels, std::int64_t out_channels,
                                           const nn::Drawing& generator, const ConvBlockOptions& options) {
  auto block = std::make_unique<nn::Sequential>();
  append_conv(*block, in_channels, out_channels, generator, options, options.kernel_size, options.padding);
  return block;
}

}  // namespace evenkeel::models
