#include "evenkeel/models/conv_norm_act.hpp"

#include "evenkeel/models/common.hpp"

namespace evenkeel::models {

namespace {

nn::Conv2dOptions conv_options(const ConvNormActOptions& o) {
  return {.kernel_size = o.kernel_size,
          .stride = o.stride,
          .padding = Size2(o.kernel_size.h / 2, o.kernel_size.w / 2),
          .groups = o.groups,
          .bias = o.norm == "none"};
}

std::unique_ptr<nn::Layer> make_act(const ConvNormActOptions& o) {
  return o.activation ? activation_behind<nn::SiLU>(*o.norm) : std::make_unique<nn::Identity>();
}

ConvNormActOptions with_norm(ConvNormActOptions o) {
  o.norm = o.norm.value_or("bn");
  return o;
}

}  // namespace

ConvNormAct::ConvNormAct(std::int64_t in, std::int64_t out, const nn::Drawing& generator,
                         const ConvNormActOptions& options)
    : in_channels(in),
      out_channels(out),
      options(with_norm(options)),
      conv(add<nn::Conv2d>("conv", in, out, generator, conv_options(this->options))),
      norm(add("norm", nn::make_norm(*this->options.norm, out, options.norm_options))),
      act(add("act", make_act(this->options))) {}

}  // namespace evenkeel::models
