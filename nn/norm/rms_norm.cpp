#include "evenkeel/nn/norm/rms_norm.hpp"

#include "evenkeel/nn/functional.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

RMSNorm::RMSNorm(const Shape& normalized_shape, Options options)
    : normalized_shape(checked_normalized_shape("RMSNorm", normalized_shape)),
      options(checked("RMSNorm", options)),
      weight(parameter("weight", value_if(options.elementwise_affine, normalized_shape, 1))) {}

std::string RMSNorm::extra_repr() const {
  return concat(repr(normalized_shape), ", eps=", repr(options.eps),
                ", elementwise_affine=", repr(options.elementwise_affine));
}

Tensor RMSNorm::forward_activated(const Tensor& x, const FusedActivation& activation) {
  check_trailing(*this, x, normalized_shape);
  return functional::rms_norm(x, normalized_shape, weight, options.eps, activation);
}

RMSNorm2d::RMSNorm2d(std::int64_t num_channels, Options options)
    : num_channels(checked_channels("RMSNorm2d", "num_channels", num_channels)),
      options(checked("RMSNorm2d", options)),
      weight(parameter("weight", value_if(options.affine, {num_channels}, 1))) {}

std::string RMSNorm2d::extra_repr() const { return concat(num_channels, repr_options(options)); }

Tensor RMSNorm2d::forward_activated(const Tensor& x, const FusedActivation& activation) {
  check_channels(*this, x, num_channels, kImages);
  return normalize_pixels(x, weight, {}, {.eps = options.eps, .center = false}, activation);
}

}  // namespace evenkeel::nn
