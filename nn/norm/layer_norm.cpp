#include "evenkeel/nn/norm/layer_norm.hpp"

#include "evenkeel/nn/functional.hpp"
#include "evenkeel/nn/norm/composite.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

LayerNorm::LayerNorm(const Shape& shape, LayerNormOptions opts)
    : normalized_shape(checked_normalized_shape("LayerNorm", shape)),
      options{checked_eps("LayerNorm", opts.eps), opts.elementwise_affine, opts.bias},
      weight(parameter("weight", opts.elementwise_affine ? Array::ones(shape) : Array())),
      bias(parameter("bias", opts.elementwise_affine && opts.bias ? Array::zeros(shape) : Array())) {}

std::string LayerNorm::extra_repr() const {
  return concat(repr(normalized_shape), ", eps=", repr(options.eps),
                ", elementwise_affine=", repr(options.elementwise_affine), options.bias ? "" : ", bias=False");
}

Tensor LayerNorm::forward_activated(const Tensor& x, const FusedActivation& activation) {
  check_trailing(*this, x, normalized_shape);
  return functional::layer_norm(x, normalized_shape, weight, bias, options.eps, activation);
}

LayerNorm2d::LayerNorm2d(std::int64_t channels, LayerNorm2dOptions opts)
    : num_channels(checked_channels("LayerNorm2d", "num_channels", channels)),
      options{checked_eps("LayerNorm2d", opts.eps), opts.affine},
      weight(parameter("weight", composite::value_if(opts.affine, channels, 1))),
      bias(parameter("bias", composite::value_if(opts.affine, channels, 0))) {}

std::string LayerNorm2d::extra_repr() const {
  return concat(num_channels, ", eps=", repr(options.eps), ", affine=", repr(options.affine));
}

Tensor LayerNorm2d::forward_activated(const Tensor& x, const FusedActivation& activation) {
  composite::check_channels(*this, x, num_channels, 4);
  return normalize_pixels(x, weight, bias, {.eps = options.eps}, activation);
}

}  // namespace evenkeel::nn
