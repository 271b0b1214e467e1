#include "evenkeel/nn/conv.hpp"

#include "evenkeel/autograd/ops/pad.hpp"
#include "evenkeel/nn/init.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

namespace {

/// What both kinds of convolution ask of their sizes.
template <class Options, int D>
void check_options(const std::string& layer, std::int64_t in, std::int64_t out, const Options& o,
                   const SizeND<D>& padding) {
  require(in >= 1 && out >= 1, layer, "in_channels and out_channels must be positive, got ", in, " and ", out);
  require(o.groups >= 1, layer, "groups must be a positive integer, got ", o.groups);
  require(in % o.groups == 0, layer, "in_channels must be divisible by groups, got ", in, " and ", o.groups);
  require(out % o.groups == 0, layer, "out_channels must be divisible by groups, got ", out, " and ", o.groups);
  require(all_within(o.kernel_size, 1), layer, "kernel_size must be positive, got ", o.kernel_size);
  require(all_within(o.stride, 1), layer, "stride must be positive, got ", o.stride);
  require(all_within(o.dilation, 1), layer, "dilation must be positive, got ", o.dilation);
  require(all_within(padding, 0), layer, "padding must not be negative, got ", padding);
}

template <int D>
void check_options(std::int64_t in, std::int64_t out, const ConvLayerOptions<D>& o) {
  const std::string layer = class_name(typeid(Conv<D>));
  check_options(layer, in, out, o, o.padding.size);
  require(!o.padding.same || o.stride == SizeND<D>(1), layer,
          "padding='same' is not supported for strided convolutions, got stride ", o.stride);
}

template <int D>
void check_options(std::int64_t in, std::int64_t out, const ConvTransposeLayerOptions<D>& o) {
  const std::string layer = class_name(typeid(ConvTranspose<D>));
  check_options(layer, in, out, o, o.padding);
  require(all_within(o.output_padding, 0), layer, "output_padding must not be negative, got ", o.output_padding);
  for (int d = 0; d < D; ++d) {
    require(o.output_padding[d] < std::max(o.stride[d], o.dilation[d]), layer,
            "output_padding must be smaller than either stride or dilation, got ", o.output_padding, " with stride ",
            o.stride, " and dilation ", o.dilation);
  }
}

/// (rows, columns, the kernel's axes)
template <int D>
Array empty_weight(std::int64_t rows, std::int64_t columns, const SizeND<D>& kernel_size) {
  Shape shape{rows, columns};
  for (int d = 0; d < D; ++d) {
    shape.push_back(kernel_size[d]);
  }
  return Array::empty(shape);
}

template <int D>
Array empty_weight(std::int64_t in, std::int64_t out, const ConvLayerOptions<D>& o) {
  check_options(in, out, o);
  return empty_weight(out, in / o.groups, o.kernel_size);
}

template <int D>
Array empty_weight(std::int64_t in, std::int64_t out, const ConvTransposeLayerOptions<D>& o) {
  check_options(in, out, o);
  return empty_weight(in, out / o.groups, o.kernel_size);
}

const Array& checked_weight(const std::string& layer, int axes, const Array& weight) {
  require<ShapeError>(weight.defined() && weight.rank() == axes + 2, layer, "the weight must have ", axes + 2,
                      " dims, got ", weight.defined() ? concat("shape ", weight.shape()) : "an undefined array");
  return weight;
}

template <class Conv>
void check_given(const Conv& conv) {
  check_options(conv.in_channels, conv.out_channels, conv.options);
  require<ShapeError>(!conv.options.bias || conv.bias.shape() == Shape{conv.out_channels}, class_name(typeid(Conv)),
                      "the bias must have shape [", conv.out_channels, "], got ",
                      conv.options.bias ? conv.bias.shape() : Shape{});
}

/// ", name=(1, 1)" unless all are `standard`.
template <int D>
std::string unless(std::int64_t standard, const char* name, const SizeND<D>& size) {
  return size == SizeND<D>(standard) ? "" : concat(", ", name, "=", size);
}

/// `padding` and `output_padding` are ready text.
template <class Options>
std::string describe(std::int64_t in, std::int64_t out, const Options& o, const std::string& padding,
                     const std::string& output_padding) {
  return concat(in, ", ", out, ", kernel_size=", o.kernel_size, ", stride=", o.stride, padding,
                unless(1, "dilation", o.dilation), output_padding, o.groups == 1 ? "" : concat(", groups=", o.groups),
                o.bias ? "" : ", bias=False");
}

/// The padding of a convolution as pad() takes it, the last axis first.
template <int D>
std::vector<std::int64_t> around(const ConvLayerOptions<D>& o) {
  std::vector<std::int64_t> padding;
  for (int d = D - 1; d >= 0; --d) {
    const std::int64_t both = o.padding.same ? o.dilation[d] * (o.kernel_size[d] - 1) : 2 * o.padding.size[d];
    padding.push_back(both / 2);
    padding.push_back(both - both / 2);
  }
  return padding;
}

template <int D>
Tensor convolve(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvNdOptions<D>& options) {
  if constexpr (D == 1) {
    return conv1d(x, weight, bias, options);
  } else if constexpr (D == 2) {
    return conv2d(x, weight, bias, options);
  } else {
    return conv3d(x, weight, bias, options);
  }
}

template <int D>
Tensor convolve(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvTransposeNdOptions<D>& options) {
  if constexpr (D == 1) {
    return conv_transpose1d(x, weight, bias, options);
  } else if constexpr (D == 2) {
    return conv_transpose2d(x, weight, bias, options);
  } else {
    return conv_transpose3d(x, weight, bias, options);
  }
}

}  // namespace

template <int D>
Conv<D>::Conv(std::int64_t in, std::int64_t out, Generator& generator, Options o)
    : WeightedLayer(empty_weight(in, out, o), o.bias ? Array::empty({out}) : Array{}),
      in_channels(in),
      out_channels(out),
      options(o) {
  reset_parameters(generator);
}

template <int D>
Conv<D>::Conv(const Array& weight, const Array& bias, ConvNdOptions<D> o)
    : WeightedLayer(checked_weight(class_name(typeid(Conv)), D, weight), bias),
      in_channels(weight.size(1) * o.groups),
      out_channels(weight.size(0)),
      options{.kernel_size = last_axes<D>(weight.shape()),
              .stride = o.stride,
              .padding = o.padding,
              .dilation = o.dilation,
              .groups = o.groups,
              .bias = bias.defined()} {
  check_given(*this);
}

template <int D>
void Conv<D>::reset_parameters(Generator& generator) {
  init::default_weight_and_bias_(weight, bias, generator);
}

template <int D>
std::string Conv<D>::extra_repr() const {
  const ConvPadding<D>& p = options.padding;
  return concat(
      describe(in_channels, out_channels, options, p.same ? ", padding=same" : unless(0, "padding", p.size), ""),
      options.padding_mode == PadMode::constant ? "" : concat(", padding_mode=", options.padding_mode));
}

template <int D>
Tensor Conv<D>::forward(const Tensor& x) {
  const bool zeros = options.padding_mode == PadMode::constant;
  const ConvNdOptions<D> o{.stride = options.stride,
                           .padding = zeros ? options.padding : ConvPadding<D>(0),
                           .dilation = options.dilation,
                           .groups = options.groups};
  return convolve<D>(zeros ? x : pad(x, around(options), options.padding_mode), effective_weight(), bias, o);
}

template <int D>
std::int64_t Conv<D>::macs(const std::vector<Shape>& /*inputs*/, const std::vector<Shape>& outputs) const {
  return numel(outputs[0]) * (in_channels / options.groups) * product_of(options.kernel_size);
}

template <int D>
ConvTranspose<D>::ConvTranspose(std::int64_t in, std::int64_t out, Generator& generator, Options o)
    : WeightedLayer(empty_weight(in, out, o), o.bias ? Array::empty({out}) : Array{}),
      in_channels(in),
      out_channels(out),
      options(o) {
  reset_parameters(generator);
}

template <int D>
ConvTranspose<D>::ConvTranspose(const Array& weight, const Array& bias, ConvTransposeNdOptions<D> o)
    : WeightedLayer(checked_weight(class_name(typeid(ConvTranspose)), D, weight), bias),
      in_channels(weight.size(0)),
      out_channels(weight.size(1) * o.groups),
      options{.kernel_size = last_axes<D>(weight.shape()),
              .stride = o.stride,
              .padding = o.padding,
              .output_padding = o.output_padding,
              .dilation = o.dilation,
              .groups = o.groups,
              .bias = bias.defined()} {
  check_given(*this);
}

template <int D>
void ConvTranspose<D>::reset_parameters(Generator& generator) {
  init::default_weight_and_bias_(weight, bias, generator);
}

template <int D>
std::string ConvTranspose<D>::extra_repr() const {
  return describe(in_channels, out_channels, options, unless(0, "padding", options.padding),
                  unless(0, "output_padding", options.output_padding));
}

template <int D>
Tensor ConvTranspose<D>::forward(const Tensor& x) {
  const ConvTransposeNdOptions<D> o{.stride = options.stride,
                                    .padding = options.padding,
                                    .output_padding = options.output_padding,
                                    .dilation = options.dilation,
                                    .groups = options.groups};
  return convolve<D>(x, effective_weight(), bias, o);
}

template <int D>
std::int64_t ConvTranspose<D>::macs(const std::vector<Shape>& inputs, const std::vector<Shape>& /*outputs*/) const {
  return numel(inputs[0]) * (out_channels / options.groups) * product_of(options.kernel_size);
}

template class Conv<1>;
template class Conv<2>;
template class Conv<3>;
template class ConvTranspose<1>;
template class ConvTranspose<2>;
template class ConvTranspose<3>;

}  // namespace evenkeel::nn
