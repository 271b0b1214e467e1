#include "evenkeel/nn/conv.hpp"

#include "evenkeel/nn/init.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

namespace {

bool at_least(Size2 size, std::int64_t least) { return size.h >= least && size.w >= least; }

/// What both kinds of convolution ask of their sizes.
template <class Options>
void check_options(const char* layer, std::int64_t in, std::int64_t out, const Options& o, Size2 padding) {
  require(in >= 1 && out >= 1, layer, "in_channels and out_channels must be positive, got ", in, " and ", out);
  require(o.groups >= 1, layer, "groups must be a positive integer, got ", o.groups);
  require(in % o.groups == 0, layer, "in_channels must be divisible by groups, got ", in, " and ", o.groups);
  require(out % o.groups == 0, layer, "out_channels must be divisible by groups, got ", out, " and ", o.groups);
  require(at_least(o.kernel_size, 1), layer, "kernel_size must be positive, got ", repr(o.kernel_size));
  require(at_least(o.stride, 1), layer, "stride must be positive, got ", repr(o.stride));
  require(at_least(o.dilation, 1), layer, "dilation must be positive, got ", repr(o.dilation));
  require(at_least(padding, 0), layer, "padding must not be negative, got ", repr(padding));
}

void check_options(std::int64_t in, std::int64_t out, const Conv2dOptions& o) {
  check_options("Conv2d", in, out, o, o.padding.size);
  require(!o.padding.same || o.stride == Size2(1), "Conv2d",
          "padding='same' is not supported for strided convolutions, got stride ", repr(o.stride));
}

void check_options(std::int64_t in, std::int64_t out, const ConvTranspose2dOptions& o) {
  check_options("ConvTranspose2d", in, out, o, o.padding);
  require(at_least(o.output_padding, 0), "ConvTranspose2d", "output_padding must not be negative, got ",
          repr(o.output_padding));
  require((o.output_padding.h < o.stride.h || o.output_padding.h < o.dilation.h) &&
              (o.output_padding.w < o.stride.w || o.output_padding.w < o.dilation.w),
          "ConvTranspose2d", "output_padding must be smaller than either stride or dilation, got ",
          repr(o.output_padding), " with stride ", repr(o.stride), " and dilation ", repr(o.dilation));
}

Array empty_weight(std::int64_t in, std::int64_t out, const Conv2dOptions& o) {
  check_options(in, out, o);
  return Array::empty({out, in / o.groups, o.kernel_size.h, o.kernel_size.w});
}

Array empty_weight(std::int64_t in, std::int64_t out, const ConvTranspose2dOptions& o) {
  check_options(in, out, o);
  return Array::empty({in, out / o.groups, o.kernel_size.h, o.kernel_size.w});
}

const Array& checked_weight(const char* layer, const Array& weight) {
  require<ShapeError>(weight.defined() && weight.rank() == 4, layer, "the weight must have 4 dims, got ",
                      weight.defined() ? concat("shape ", weight.shape()) : "an undefined array");
  return weight;
}

template <class Conv>
void check_given(const char* layer, const Conv& conv) {
  check_options(conv.in_channels, conv.out_channels, conv.options);
  require<ShapeError>(!conv.options.bias || conv.bias.shape() == Shape{conv.out_channels}, layer,
                      "the bias must have shape [", conv.out_channels, "], got ",
                      conv.options.bias ? conv.bias.shape() : Shape{});
}

/// `padding` and `output_padding` are ready text; what has its default is left out.
template <class Options>
std::string describe(std::int64_t in, std::int64_t out, const Options& o, const std::string& padding,
                     const std::string& output_padding) {
  return concat(in, ", ", out, ", kernel_size=", repr(o.kernel_size), ", stride=", repr(o.stride), padding,
                o.dilation == Size2(1) ? "" : concat(", dilation=", repr(o.dilation)), output_padding,
                o.groups == 1 ? "" : concat(", groups=", o.groups), o.bias ? "" : ", bias=False");
}

}  // namespace

Conv2d::Conv2d(std::int64_t in_channels, std::int64_t out_channels, Generator& generator, Conv2dOptions options)
    : WeightedLayer(empty_weight(in_channels, out_channels, options),
                    options.bias ? Array::empty({out_channels}) : Array{}),
      in_channels(in_channels),
      out_channels(out_channels),
      options(options) {
  reset_parameters(generator);
}

Conv2d::Conv2d(const Array& weight, const Array& bias, ConvOptions options)
    : WeightedLayer(checked_weight("Conv2d", weight), bias),
      in_channels(weight.size(1) * options.groups),
      out_channels(weight.size(0)),
      options{.kernel_size = {weight.size(2), weight.size(3)},
              .stride = options.stride,
              .padding = options.padding,
              .dilation = options.dilation,
              .groups = options.groups,
              .bias = bias.defined()} {
  check_given("Conv2d", *this);
}

void Conv2d::reset_parameters(Generator& generator) { init::default_weight_and_bias_(weight, bias, generator); }

std::string Conv2d::extra_repr() const {
  const Padding& p = options.padding;
  const std::string padding = p.same ? ", padding=same" : p.size == Size2(0) ? "" : concat(", padding=", repr(p.size));
  return describe(in_channels, out_channels, options, padding, "");
}

Tensor Conv2d::forward(const Tensor& x) {
  return conv2d(
      x, effective_weight(), bias,
      {.stride = options.stride, .padding = options.padding, .dilation = options.dilation, .groups = options.groups});
}

std::int64_t Conv2d::macs(const std::vector<Shape>& /*inputs*/, const std::vector<Shape>& outputs) const {
  return numel(outputs[0]) * (in_channels / options.groups) * options.kernel_size.h * options.kernel_size.w;
}

ConvTranspose2d::ConvTranspose2d(std::int64_t in_channels, std::int64_t out_channels, Generator& generator,
                                 ConvTranspose2dOptions options)
    : WeightedLayer(empty_weight(in_channels, out_channels, options),
                    options.bias ? Array::empty({out_channels}) : Array{}),
      in_channels(in_channels),
      out_channels(out_channels),
      options(options) {
  reset_parameters(generator);
}

ConvTranspose2d::ConvTranspose2d(const Array& weight, const Array& bias, ConvTransposeOptions options)
    : WeightedLayer(checked_weight("ConvTranspose2d", weight), bias),
      in_channels(weight.size(0)),
      out_channels(weight.size(1) * options.groups),
      options{.kernel_size = {weight.size(2), weight.size(3)},
              .stride = options.stride,
              .padding = options.padding,
              .output_padding = options.output_padding,
              .dilation = options.dilation,
              .groups = options.groups,
              .bias = bias.defined()} {
  check_given("ConvTranspose2d", *this);
}

void ConvTranspose2d::reset_parameters(Generator& generator) {
  init::default_weight_and_bias_(weight, bias, generator);
}

std::string ConvTranspose2d::extra_repr() const {
  const ConvTranspose2dOptions& o = options;
  const std::string padding = o.padding == Size2(0) ? "" : concat(", padding=", repr(o.padding));
  const std::string output_padding =
      o.output_padding == Size2(0) ? "" : concat(", output_padding=", repr(o.output_padding));
  return describe(in_channels, out_channels, o, padding, output_padding);
}

Tensor ConvTranspose2d::forward(const Tensor& x) {
  return conv_transpose2d(x, effective_weight(), bias,
                          {.stride = options.stride,
                           .padding = options.padding,
                           .output_padding = options.output_padding,
                           .dilation = options.dilation,
                           .groups = options.groups});
}

std::int64_t ConvTranspose2d::macs(const std::vector<Shape>& inputs, const std::vector<Shape>& /*outputs*/) const {
  return numel(inputs[0]) * (out_channels / options.groups) * options.kernel_size.h * options.kernel_size.w;
}

}  // namespace evenkeel::nn
