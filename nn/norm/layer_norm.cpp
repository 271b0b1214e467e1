#include "evenkeel/nn/norm/layer_norm.hpp"

#include "evenkeel/nn/functional.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

LayerNorm::LayerNorm(const Shape& normalized_shape, Options options)
    : normalized_shape(checked_normalized_shape("LayerNorm", normalized_shape)),
      options(checked("LayerNorm", options)),
      weight(parameter("weight", value_if(options.elementwise_affine, normalized_shape, 1))),
      bias(parameter("bias", value_if(options.elementwise_affine && options.bias, normalized_shape, 0))) {}

std::string LayerNorm::extra_repr() const {
  return concat(repr(normalized_shape), ", eps=", repr(options.eps),
                ", elementwise_affine=", repr(options.elementwise_affine), options.bias ? "" : ", bias=False");
}

Tensor LayerNorm::forward_activated(const Tensor& x, const FusedActivation& activation) {
  check_trailing(*this, x, normalized_shape);
  return functional::layer_norm(x, normalized_shape, weight, bias, options.eps, activation);
}

LayerNorm2d::LayerNorm2d(std::int64_t num_channels, Options options)
    : num_channels(checked_channels("LayerNorm2d", "num_channels", num_channels)),
      options(checked("LayerNorm2d", options)),
      weight(parameter("weight", value_if(options.affine, {num_channels}, 1))),
      bias(parameter("bias", value_if(options.affine, {num_channels}, 0))) {}

std::string LayerNorm2d::extra_repr() const { return concat(num_channels, repr_options(options)); }

Tensor LayerNorm2d::forward_activated(const Tensor& x, const FusedActivation& activation) {
  check_channels(*this, x, num_channels, kImages);
  return normalize_pixels(x, weight, bias, {.eps = options.eps}, activation);
}

}  // namespace evenkeel::nn
